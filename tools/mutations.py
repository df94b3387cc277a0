#!/usr/bin/env python3
"""Puts faults into copies of the sources, one at a time, and asks whether a test notices.

python tools/mutations.py cpp [TEXT|NUMBER]  the faults of tools/mutations_list.py; only those whose
                                             source or name has the text, or so many drawn ones
python tools/mutations.py python [NUMBER]    that many (100) faults made at random in the Python of
                                             _base, _files, training and layers: comparisons, signs,
                                             conditions, constants, raises; each against TESTS_OF

A fault is noticed when a test fails, the process ends, or it runs for ten times as long as without.
What is not noticed, and what can no longer be made or compiled, is listed at the end, and the exit
status is 1. The C++ is built for one instruction set, AVX2 where the CPU has it, and optimised
less than usual, so that a fault in a kernel costs one compilation of a minute, not three of two.
"""

import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyrnn
from mutations_list import MUTATIONS
from pyrnn import _core

ROOT = Path(__file__).parent.parent
WORK = ROOT / "build" / "mutations"
TREE = WORK / "tree"
COPIED = ("src", "tests", "tools", "CMakeLists.txt", "pyproject.toml", "CHANGELOG.md")
FOLDERS = ("_base", "_files", "training", "layers")
TESTS_OF = {  # of Python: the tests that hold a folder, quickest first
    "_base": "test_modules.py test_files.py test_damaged_files.py test_tape.py test_bad_input.py "
    "test_train_data.py test_atomic_write.py test_load_weights.py test_summary.py",
    "_files": "test_files.py test_damaged_files.py test_saved.py",
    "training": "test_train.py test_train_options.py test_resume.py test_callbacks.py "
    "test_train_data.py test_checkpoint_files.py",
    "layers": "test_layers.py test_modules.py test_bad_input.py test_stream.py test_branches.py "
    "test_sequential_stream.py test_cell_option_meaning.py",
}


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


def copy_sources():
    shutil.rmtree(TREE, ignore_errors=True)
    for name in COPIED:
        source, target = ROOT / name, TREE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def build():
    """Compiles what has changed; the message of the compiler, or "" and the package is new."""
    folder = WORK / "build"
    if not (folder / "build.ninja").exists():
        cmakedir = run([sys.executable, "-m", "pybind11", "--cmakedir"], check=True).stdout.strip()
        options = [f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={cmakedir}"]
        isas = pyrnn.available_isas()
        options += [f"-DPYRNN_ISAS={'avx2' if 'avx2' in isas else isas[-1]}"]
        options += ["-DPYRNN_KERNEL_LEVEL=-O1", "-DCMAKE_CXX_FLAGS_RELEASE=-O1"]
        if shutil.which("ccache"):
            options.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
        run(["cmake", "-S", TREE, "-B", folder, "-G", "Ninja", *options], check=True)
    made = run(["cmake", "--build", folder, "--target", "_core"])
    if made.returncode:
        return made.stdout[-2000:] + made.stderr[-500:]
    (library,) = folder.glob("_core*.so")
    shutil.copy2(library, TREE / "src" / "pyrnn")
    return ""


def tested(tests, timeout=3600):
    """Whether the tests pass, and how many seconds that took."""
    paths = [TREE / "tests" / name for name in tests.split()]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
    ]
    path = os.pathsep.join(str(TREE / folder) for folder in ("src", "tests"))
    start = time.monotonic()
    try:
        ended = run(
            [*command, *paths], cwd=TREE, timeout=timeout, env=os.environ | {"PYTHONPATH": path}
        )
    except subprocess.TimeoutExpired:
        return False, timeout
    return ended.returncode == 0, time.monotonic() - start


def try_all(faults):
    """faults: (name, path, changed text or None, tests). The names of those to look at."""
    unnoticed, usual = [], {}
    for name, path, text, tests in faults:
        if text is None:
            print(f"{'NOT THERE':12} {name}", flush=True)
            unnoticed.append(name)
            continue
        if tests not in usual:
            passed, usual[tests] = tested(tests)
            if not passed:
                sys.exit(f"without any fault, not all of {tests} pass")
        kept = path.read_text()
        path.write_text(text)
        try:
            failure = build() if path.suffix in (".h", ".cpp") else ""
            passed = not failure and tested(tests, 60 + 10 * usual[tests])[0]
        finally:
            path.write_text(kept)
        how = "NO C++" if failure else "NOT NOTICED" if passed else "noticed"
        print(f"{how:12} {name}\n{failure}".rstrip(), flush=True)
        if how != "noticed":
            unnoticed.append(name)
    return unnoticed


def faults_of_cpp(text):
    for source, (tests, faults) in MUTATIONS.items():
        path = TREE / "src" / "cpp" / source
        for name, (there, instead) in faults.items():
            if text in source or text in name:
                kept = path.read_text()
                new = kept.replace(there, instead, 1) if there in kept else None
                yield f"{source}: {name}", path, new, tests


SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changed(node):
    """The node with a fault in it, or None where there is none to be made."""
    new = copy.deepcopy(node)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPPED:
        new.ops[0] = SWAPPED[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPPED:
        new.op = SWAPPED[type(node.op)]()
    elif isinstance(node, ast.If | ast.IfExp):
        new.test = ast.UnaryOp(ast.Not(), new.test)
    elif isinstance(node, ast.Raise):
        new = ast.Pass()
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        new.value += 1
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        new.value = not node.value
    else:
        return None
    return ast.fix_missing_locations(ast.copy_location(new, node))


class Replace(ast.NodeTransformer):
    """Puts the changed node where the old one stands."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def faults_of_python(number, seed=0):
    """Drawn from all places where one can be made; annotations and docstrings have none."""
    places = []
    for folder in FOLDERS:
        for path in sorted((TREE / "src" / "pyrnn" / folder).glob("*.py")):
            tree = ast.parse(path.read_text())
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef):
                    nodes = (node for statement in function.body for node in ast.walk(statement))
                    places += [(folder, path, tree, node) for node in nodes if changed(node)]
    places = list({id(place[3]): place for place in places}.values())
    for folder, path, tree, node in random.Random(seed).sample(places, number):
        new = changed(node)
        text = ast.unparse(Replace(node, new).visit(copy_with(tree, node)))
        what = f"{ast.unparse(node)[:60]!r} -> {ast.unparse(new)[:60]!r}"
        name = f"{path.relative_to(TREE / 'src/pyrnn')}:{node.lineno}: {what}"
        yield name, path, text, TESTS_OF[folder]


def copy_with(tree, node):
    """A copy of a tree in which this one node is itself."""
    return copy.deepcopy(tree, {id(node): node})


def main():
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    if kind not in ("cpp", "python"):
        sys.exit(__doc__)
    argument = sys.argv[2] if len(sys.argv) > 2 else ""
    copy_sources()
    if kind == "python":
        shutil.copy2(_core.__file__, TREE / "src" / "pyrnn")
    elif failure := build():
        sys.exit(failure)
    number = int(argument) if argument.isdigit() else 0
    if kind == "python":
        faults = list(faults_of_python(number or 100))
    elif number:
        faults = sorted(random.Random(0).sample(list(faults_of_cpp("")), number))
    elif not (faults := list(faults_of_cpp(argument))):
        sys.exit(f"no fault has {argument!r} in its name")
    unnoticed = try_all(faults)
    print(f"{len(faults) - len(unnoticed)} of {len(faults)} noticed", *unnoticed, sep="\n  ")
    sys.exit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()
