"""Promise: C++ keeps its wings: who includes whom, where a function is, how it is called."""

import re
from pathlib import Path

import pytest

from test_codebase import CPP, CPP_FILES, circles, code, folder, includes

# Whose headers a folder of C++ may include, beside its own; kernels: their front doors alone.
CPP_WINGS = {
    "kernels": set(),
    "core": set(),
    "core/runtime": {"kernels"},
    "core/operations": {"kernels", "core/runtime"},
    "core/recurrent": {"kernels", "core/runtime", "core/operations"},
    "bindings": set(),
    "bindings/runtime": {"core/runtime"},
    "bindings/operations": {"core/runtime", "core/operations", "bindings/runtime"},
    "bindings/recurrent": {
        "core/runtime",
        "core/recurrent",
        "bindings/runtime",
        "bindings/operations",
    },
}


def cpp_wing(name):
    return str(Path(name).parent)


def headers_of_ours(path):
    return [name for name in includes(path) if (CPP / name).is_file()]


@pytest.mark.parametrize("path", CPP_FILES, ids=lambda p: str(p.relative_to(CPP)))
def test_includes_keep_to_the_wings(path):
    """Of kernels, the others see the front doors *kernels.h; everybody sees core/dims.h."""
    here = cpp_wing(path.relative_to(CPP))
    for name in headers_of_ours(path):
        wing = cpp_wing(name)
        assert wing in CPP_WINGS[here] | {here} or name == "core/dims.h", name
        if here != "kernels" and wing == "kernels":
            assert name.endswith("kernels.h"), f"{name} is not the kernels' front door"


def test_cpp_wings_go_down():
    """The table has no circle, knows every folder, and names no neighbour that nobody visits."""
    assert {cpp_wing(p.relative_to(CPP)) for p in CPP_FILES} == set(CPP_WINGS)
    assert not circles(CPP_WINGS)
    for wing, below in CPP_WINGS.items():
        files = [p for p in CPP_FILES if cpp_wing(p.relative_to(CPP)) == wing]
        assert below <= {cpp_wing(name) for path in files for name in headers_of_ours(path)}, wing


@pytest.mark.parametrize("path", sorted(CPP.rglob("*.cpp")), ids=lambda p: str(p.relative_to(CPP)))
def test_each_source_has_the_header_of_its_name(path):
    """Apart from those that are entered from elsewhere: the kernel tables and Python's module."""
    name = path.relative_to(CPP)
    if path.stem.startswith("register_") or str(name) in (
        "kernels/bf16.cpp",
        "kernels/table.cpp",
        "bindings/module.cpp",
    ):
        return
    assert includes(path)[0] == str(name.with_suffix(".h"))


def test_cells_are_known_by_their_row():
    """Core and bindings ask a cell's row what it needs, and nobody compares its name."""
    for path in (p for p in CPP_FILES if folder(p) != "kernels"):
        assert not re.search(
            r"\b(is_lstm|is_gru|Cell::(rnn_tanh|rnn_relu|lstm|gru))\b", code(path)
        ), path.name
        compared = r"\bcell(->|\.)name\)?\s*[!=]=|[!=]=\s*(\w+\.)?cell(->|\.)name\b"
        assert path.stem == "cell" or not re.search(compared, code(path)), path.name


def test_a_stopped_call_arrives_at_every_barrier():
    """Members see a stop at different times: no barrier depends on it, and no one counts them."""
    for path in (p for p in CPP_FILES if folder(p) == "core"):
        text = code(path)
        assert not re.search(
            r"\b(stopped|requested\(\))\)[^;{}]*\{?[^;{}]*\b(meet|barrier)\(", text
        )
        assert not re.search(r"\bfor\b[^;]*;[^;]*;[^;{]*\bmeet\(", text), path.name


def test_the_module_lists_every_part():
    """It declares and calls each register_* function, which is in the file of its name."""
    files = sorted(CPP.rglob("register_*.cpp"))
    parts = sorted(p.stem for p in files)
    assert len(parts) > 5
    for path in files:
        assert re.findall(r"\bregister_\w+(?=\()", code(path)) == [path.stem]
    text = code(CPP / "bindings" / "module.cpp")
    assert sorted(re.findall(r"\bvoid (register_\w+)\(", text)) == parts
    assert sorted(re.findall(r"::(register_\w+)\(m\);", text)) == parts


def parameters(text):
    """How many arguments a parenthesised list has; commas inside brackets do not count."""
    depth, count = 0, 1
    for before, char in zip(" " + text, text, strict=False):
        if char in "(<[{":
            depth += 1
        elif char in ")]}" or (char == ">" and before != "-"):
            depth -= 1
        count += char == "," and depth == 0
    return count


@pytest.mark.parametrize(
    "path", [p for p in CPP_FILES if folder(p) != "kernels"], ids=lambda p: str(p.relative_to(CPP))
)
def test_long_lists_of_arguments_are_structs(path):
    """At most six, but for what Python calls by keyword (run_*, make_*)."""
    text = code(path)
    for match in re.finditer(r"\b(\w+)\(", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        defines = re.match(r"(\s|const|noexcept)*[{:]", text[end:])
        count = parameters(text[match.end() : end - 1])
        if defines and count > 6:
            assert re.match(r"run_|make_|PyArray_", match[1]), f"{match[1]}: {count} arguments"
