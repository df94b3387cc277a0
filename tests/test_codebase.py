"""Promise: the house keeps its order: wings, who may know what, sizes, each gate equation once."""

import ast
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import pyrnn

ROOT = Path(__file__).parent.parent
CPP = ROOT / "src" / "cpp"
PYTHON = ROOT / "src" / "pyrnn"
CPP_FILES = sorted(p for p in CPP.rglob("*") if p.suffix in {".h", ".cpp"})
PYTHON_FILES = sorted(PYTHON.rglob("*.py"))
# Who may import whom: a wing imports from those that it names, and from itself.
WINGS = {
    "_openmp": set(),
    "_base": {"_core"},
    "init": {"_base"},
    "data": {"_base"},
    "metrics": {"_core", "_base"},
    "optim": {"_core", "_base"},
    "losses": {"_core", "_base", "init"},
    "layers": {"_core", "_base", "init"},
    "seq2seq": {"_core", "_base", "init", "layers"},
    "_files": {"_base"},
    "_c": {"_core", "_base", "layers"},
    "training": {"_core", "_base", "losses", "metrics", "optim"},
    "estimators": {"_base", "_files", "data", "layers", "losses", "optim", "training"},
    "torch": {"_core", "_base", "layers"},
    "onnx": {"_base", "layers", "seq2seq"},
    "keras": {"_base", "layers"},
    "_trace": {"_core", "_base", "layers", "losses", "training"},
    "distributed": {"_base"},
    "bench": {"_core", "_base", "layers", "onnx", "optim"},
}


def code(path):
    """The text without comments and string literals."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def folder(path):
    return path.relative_to(CPP).parts[0]


def users(pattern, files=CPP_FILES):
    """The files whose code matches, relative to their root."""
    root = CPP if files is CPP_FILES else PYTHON
    return {str(p.relative_to(root)) for p in files if re.search(pattern, code(p))}


def test_there_is_something_to_look_at():
    assert len(CPP_FILES) > 15 and len(PYTHON_FILES) > 15
    assert {folder(p) for p in CPP_FILES} == {"bindings", "core", "kernels"}


@pytest.mark.parametrize("path", sorted(CPP.glob("kernels/*.h")), ids=lambda p: p.name)
def test_kernels_use_no_containers_threads_or_exceptions(path):
    forbidden = {"vector", "string", "algorithm", "memory", "functional", "iostream", "map", "list"}
    forbidden |= {"thread", "mutex", "atomic", "stdexcept", "cstdio", "cstdlib", "span", "array"}
    assert not forbidden & set(includes(path))
    assert not re.search(r"\b(throw|new|malloc|delete)\b", code(path))


def test_who_knows_what():
    """pybind11, OpenMP, vector intrinsics and the environment each have one home."""
    including = {p: set(includes(p)) for p in CPP_FILES}

    def includers(prefix):
        return {p for p, names in including.items() if any(n.startswith(prefix) for n in names)}

    assert {folder(p) for p in includers("pybind11")} == {"bindings"}
    assert {folder(CPP / p) for p in users(r"\bPy[A-Z]\w+\(")} <= {"bindings"}
    assert {str(p.relative_to(CPP)) for p in includers("omp.h")} == {"core/runtime/parallel.h"}
    assert users(r"#\s*pragma\s+omp|\bomp_\w+\(") <= {
        "core/runtime/parallel.h",
        "core/runtime/parallel.cpp",
    }
    headers = ("immintrin", "x86intrin", "emmintrin", "arm_neon")
    intrinsics = {path for header in headers for path in includers(header)}
    assert all(p.name.startswith("vec") or p.name == "fpenv.h" for p in intrinsics)
    used = users(r"\b_mm\d*_\w+\(|\bv[a-z]+q_f(32|64)\(")
    assert all(Path(p).name.startswith("vec") or p == "core/runtime/fpenv.h" for p in used)
    assert users(r"\bgetenv\(") <= {"core/runtime/isa.cpp", "core/runtime/parallel.cpp"}
    assert not users(r"\b(printf|abort|exit|cout|cerr)\b\s*[(<]")


def test_kernels_live_in_an_anonymous_namespace():
    """One exported symbol per object: every kernel header opens an unnamed namespace."""
    front_doors = ("kernels.h", "packed_types.h")
    for path in (p for p in CPP_FILES if folder(p) == "kernels"):
        if not path.name.endswith(front_doors):
            assert re.search(r"namespace\s*\{", code(path)), path.name


def test_each_gate_equation_stands_once():
    """The activations are called where a cell's gates are, once for all ISAs, dtypes and paths.

    activations.h names tanh and the others for the RNN and for element-wise work. LSTM recomputes
    tanh(c') on the way back, additive attention its tanh; GRU's two forms share their gates.
    """
    calls = r"\bv(?:tanh|sigmoid)(?:<[^>]*>)?\("
    most = {"activations": 2, "rnn": 1, "lstm": 5 + 1, "gru": 3, "attention": 1 + 1}
    callers = users(calls) - {"kernels/vmath.h"}
    assert {"kernels/lstm.h", "kernels/gru.h"} <= callers <= {f"kernels/{n}.h" for n in most}
    for name, count in most.items():
        found = re.findall(calls, code(CPP / f"kernels/{name}.h"))
        assert len(found) <= count, f"{name}.h: {len(found)} calls"
    assert not users(r"\bstd::(tanh|exp|expf|tanhf)\b|[^\w.]tanhf?\(|[^\w.:]expf?\(")


def test_the_build_forbids_fast_math():
    text = re.sub(r"#[^\n]*", "", (ROOT / "CMakeLists.txt").read_text())
    assert not re.search(r"-ffast-math|-Ofast|-march=native|FetchContent|ExternalProject", text)
    assert "-ffp-contract=off" in text


def python_name(path):
    return str(path.relative_to(PYTHON))


def module_name(path):
    """The dotted name of a file inside the package; "" for the face."""
    return (
        ".".join(path.relative_to(PYTHON).with_suffix("").parts).removesuffix("__init__").strip(".")
    )


def relative_imports(path):
    """The modules of the package that a file imports, wherever in it, by dotted name."""
    names = {module_name(p) for p in PYTHON_FILES}
    parents = path.relative_to(PYTHON).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*parents[: len(parents) + 1 - node.level], *(node.module or "").split(".")]
            for alias in node.names:
                whole = ".".join(filter(None, [*base, alias.name]))
                yield whole if whole in names | {"_core"} else whole.rpartition(".")[0]


def wing(name):
    return name.partition(".")[0]


@pytest.mark.parametrize("path", PYTHON_FILES, ids=python_name)
def test_imports_keep_to_the_wings(path):
    here = wing(module_name(path))
    if here:  # the face shows all of them
        found = {wing(name) for name in relative_imports(path)}
        assert found <= WINGS[here] | {here}


def test_wings_go_down():
    """The table has no circle, and names no neighbour that nobody visits."""
    assert {wing(module_name(p)) for p in PYTHON_FILES} - {""} == set(WINGS)
    assert not circles({name: below - {"_core"} for name, below in WINGS.items()})
    for name, below in WINGS.items():
        files = [p for p in PYTHON_FILES if wing(module_name(p)) == name]
        assert below <= {wing(found) for path in files for found in relative_imports(path)}, name


def test_no_import_is_circular():
    """Not even one inside a function."""
    graph = {module_name(p): set(relative_imports(p)) - {"_core"} for p in PYTHON_FILES}
    assert not circles(graph)


def circles(graph):
    """What remains of a graph when what leads nowhere is taken away again and again."""
    graph = dict(graph)
    while ends := [name for name, targets in graph.items() if not targets & set(graph)]:
        for name in ends:
            del graph[name]
    return graph


def part_names():
    """The names of pyrnn's Modules and of their streams."""
    found, rest = {"Stream", "SequentialStream"}, [pyrnn.Module]
    while rest:
        below = rest.pop().__subclasses__()
        found |= {cls.__name__ for cls in below if cls.__module__.split(".")[0] == "pyrnn"}
        rest += below
    return found


def names_in(node):
    """The plain names and the strings in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


@pytest.mark.parametrize("path", PYTHON_FILES, ids=python_name)
def test_a_class_describes_itself(path):
    """No file but its own lists classes of Modules, asks for one, or compares a cell's name.

    The benchmark does: its cases name what they measure.
    """
    tree, parts = (
        ast.parse(path.read_text()),
        part_names() if path.parent.name != "bench" else set(),
    )
    parts -= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    cells = {"rnn_tanh", "rnn_relu", "lstm", "gru", "gru_reset_before", "rnn"}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            assert not parts & set(names_in(node.value)), ast.unparse(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            assert not parts & set(names_in(node.args[1])), ast.unparse(node)
        elif isinstance(node, ast.Compare):
            assert not cells & set(names_in(node)), ast.unparse(node)


def test_the_rule_finds_what_it_forbids(tmp_path):
    """On the lines that the rule replaced."""
    for line in (
        'LAYERS = {"lstm": LSTM, "gru": GRU}',
        "WHOLE: tuple[type, ...] = (Seq2Seq, Attention)",
        "is_stream = isinstance(part, Stream | SequentialStream)",
        'has_c = sizes.cell == "lstm"',
        "def f(x):\n    return issubclass(x, (int, GRU))",
    ):
        (tmp_path / "lines.py").write_text(line)
        with pytest.raises(AssertionError):
            test_a_class_describes_itself(tmp_path / "lines.py")


def test_a_cell_is_one_class(monkeypatch, tmp_path):
    """Files, decoders, sequence models and estimators find a class that enters itself.

    It need not have the options of all cells."""
    from pyrnn._base.module import STORABLE, storable
    from pyrnn.layers._recurrent import Recurrent

    monkeypatch.setitem(STORABLE, "Rectified", Recurrent)  # is taken out again after the test

    @storable
    class Rectified(Recurrent):
        cell = "rnn_relu"
        gates = 1

        def __init__(
            self,
            input_size,
            hidden_size,
            *,
            num_layers=1,
            bias=True,
            batch_first=False,
            dropout=0.0,
            bidirectional=False,
            merge="concat",
            recompute_every=None,
            dtype=np.float32,
            seed=None,
        ):
            super().__init__(locals())

    path = tmp_path / "model.safetensors"
    for model in (
        Rectified(3, 4, num_layers=2, seed=0),
        pyrnn.AttentionDecoder(3, 4, 5, cell="rnn_relu", num_layers=2, seed=0),
        pyrnn.Seq2Seq(9, 9, 3, 4, cell="rnn_relu", seed=0),
        pyrnn.Seq2Seq(9, 9, 3, 4, cell="rnn_relu", attention=None, seed=0),
    ):
        model.save(path)
        assert repr(pyrnn.load(path)) == repr(model)
        assert any(isinstance(part, Rectified) for part in model.modules())
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from pyrnn.estimators import SequenceClassifier

    model = SequenceClassifier(cell="rectified", epochs=1).fit(np.ones((4, 3)), [0, 1] * 2)
    assert isinstance(model.network_[0], Rectified)


def test_an_option_of_all_cells_is_in_five_files():
    """Its name and its check, where it acts, its users' name; its C and its equation in a trace, if
    inference reads it. Keras has words of its own."""
    files = [*CPP_FILES, *(p for p in PYTHON_FILES if wing(module_name(p)) != "keras")]
    for option, in_c in {
        "zoneout": {"pyrnn/_c/_recurrent.py", "pyrnn/layers/_equations.py"},
        "recurrent_dropout": set(),
    }.items():
        found = [path for path in files if names(path, option)]
        assert {str(path.relative_to(ROOT / "src")) for path in found} == {
            "cpp/core/recurrent/shape.h",
            "cpp/core/recurrent/state_options.h",
            "pyrnn/layers/_options.py",
            "pyrnn/layers/_cells.py",
        } | in_c


def names(path, option):
    """Whether the code, its strings included, has a word for an option; prose does not count."""
    if path.suffix != ".py":
        return re.search(rf"\b{option}\b", code(path))
    tree = ast.walk(ast.parse(path.read_text()))
    words = {getattr(n, k, None) for n in tree for k in ("id", "attr", "arg", "value")}
    return option in words


def top_level_imports(path):
    """What a module imports when it is imported."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", PYTHON_FILES, ids=python_name)
def test_heavy_packages_are_imported_where_used(path):
    heavy = {"safetensors", "tqdm", "matplotlib", "scipy", "h5py"}
    neighbours = {"estimators": {"sklearn", "joblib"}, "torch": {"torch"}, "onnx": {"onnx"}}
    neighbours["bench"] = {"torch", "jax", "onnxruntime"}  # what it compares with
    here = wing(module_name(path))
    heavy |= set().union(*neighbours.values()) - neighbours.get(here, set())
    assert not top_level_imports(path) & heavy


@pytest.mark.parametrize("path", PYTHON_FILES, ids=python_name)
def test_python_never_loops_over_time(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call):
            text = ast.unparse(node.iter)
            assert not re.fullmatch(r"range\((T|steps|len\(x\)|x\.shape\[\d\])\)", text), text


@pytest.mark.filterwarnings("default:.* has .* lines:UserWarning")
@pytest.mark.parametrize("path", [*CPP_FILES, *PYTHON_FILES], ids=lambda p: p.name)
def test_files_and_functions_stay_readable(path):
    """Long files are places to look; cutting an idea in two to fit is worse."""
    count = len(path.read_text().splitlines())
    look, most = (250, 400) if path.suffix == ".py" else (300, 450)
    if count > look:
        warnings.warn(f"{path.relative_to(ROOT)} has {count} lines", stacklevel=1)
    assert count <= most
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                doc = len((ast.get_docstring(node) or "").splitlines())
                assert node.end_lineno - node.lineno + 1 - doc <= 60, node.name


def test_test_files_stay_readable():
    for path in (ROOT / "tests").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 400, path.name
