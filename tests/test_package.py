"""Promise: the package is complete, typed as it says, small, and quick to import."""

import ast
import importlib
import inspect
import os
import pickle
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import pyrnn
from pyrnn import _core

PACKAGE = Path(pyrnn.__file__).parent
ROOT = Path(__file__).parent.parent


def run(code, **environment):
    command = [sys.executable, "-c", code]
    env = os.environ | environment
    child = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert child.returncode == 0, child.stderr
    return child.stdout.split()


def test_versions_agree():
    assert pyrnn.__version__ == metadata.version("pyrnn-cpu") == _core.build_info()["version"]
    changelog = ROOT / "CHANGELOG.md"
    assert pyrnn.__version__ in changelog.read_text()


def test_the_face_shows_what_is_promised():
    promised = "RNN LSTM GRU Linear Embedding Dropout LastStep LayerNorm MaxPool MeanPool"
    promised += " SumPool Tanh ReLU Sigmoid Softmax Sequential Concat Add Residual Parallel"
    promised += " TimeDistributed losses metrics"
    promised += " Module Parameter Trainer load optim init threads show_config active_isa"
    promised += " available_isas set_num_threads get_num_threads set_workspace_limit"
    assert set(promised.split()) <= set(public(pyrnn))
    for name, value in public(pyrnn).items():
        assert inspect.ismodule(value) or value.__doc__, name


@pytest.mark.parametrize("face", ["", ".losses", ".metrics", ".optim", ".estimators"])
def test_public_names_live_where_users_see_them(face):
    """pyrnn.LSTM says that it is of `pyrnn`, not of the file that it is written in."""
    package = importlib.import_module(f"pyrnn{face}")
    homes = {name: value.__module__ for name, value in public(package, modules=False).items()}
    assert len(homes) > 5 and set(homes.values()) == {package.__name__}, homes
    for name, value in public(package, modules=False).items():
        assert getattr(pickle.loads(pickle.dumps(value)), "__name__", name) == name


def public(package, *, modules=True):
    """The public names of a package and what they stand for."""
    names = {name: value for name, value in vars(package).items() if name[0] != "_"}
    return {n: v for n, v in names.items() if modules or not inspect.ismodule(v)}


def test_public_classes_document_themselves():
    for name, value in public(pyrnn).items():
        if not inspect.isclass(value):
            continue
        for method, function in vars(value).items():
            if method[0] != "_" and inspect.isfunction(function):
                assert inspect.getdoc(getattr(value, method)), f"{name}.{method}"


def stub():
    """The stub's functions and classes: name -> argument names, or name -> methods."""
    tree = ast.parse((PACKAGE / "_core.pyi").read_text())
    functions, classes = {}, {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            functions[node.name] = arguments_of(node)
        elif isinstance(node, ast.ClassDef):
            methods = [f for f in node.body if isinstance(f, ast.FunctionDef)]
            classes[node.name] = {f.name: arguments_of(f) for f in methods}
    return functions, classes


def arguments_of(function):
    """The argument names of a definition; *args and **kwargs as pybind11 writes them."""
    rest = [("*", function.args.vararg), ("**", function.args.kwarg)]
    names = [a.arg for a in function.args.args]
    return names + [stars + argument.arg for stars, argument in rest if argument]


def documented_arguments(function):
    """Argument names as pybind11 writes them into the first line of the docstring, or CPython's."""
    if inspect.isdatadescriptor(function):  # a property, or its like of a C type
        return ["self"]
    if getattr(function, "__text_signature__", None):
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        parameters = inspect.signature(function).parameters.values()
        return [stars.get(p.kind, "") + p.name for p in parameters]
    signature = function.__doc__.strip().splitlines()[0]
    inside = signature[signature.index("(") + 1 : signature.rindex(") ->")]
    depth, names = 0, [""]
    for character in inside:
        depth += (character in "[({") - (character in "])}")
        if character == "," and depth == 0:
            names.append("")
        else:
            names[-1] += character
    return [n.split(":")[0].split("=")[0].strip() for n in names if n.strip()]


def test_stub_equals_the_module():
    functions, classes = stub()
    there = {n: v for n, v in vars(_core).items() if not n.startswith("__")}
    assert set(functions) | set(classes) == set(there)
    for name, arguments in functions.items():
        assert documented_arguments(there[name]) == arguments, name
    for name, methods in classes.items():
        public = {n for n in vars(there[name]) if not n.startswith("_")}
        assert public == {n for n in methods if not n.startswith("_")}, name
        for method, arguments in methods.items():
            assert documented_arguments(getattr(there[name], method)) == arguments, method


def test_typed():
    assert (PACKAGE / "py.typed").exists()


def test_import_loads_numpy_and_the_core_only():
    code = "import sys, numpy; before = set(sys.modules); import pyrnn; "
    code += "print(*{m.split('.')[0] for m in set(sys.modules) - before} - sys.stdlib_module_names)"
    others = {name for name in run(code) if "cython" not in name}  # numpy.random's own
    assert others <= {"pyrnn", "numpy"}


SMALL = "_bisect bisect copy dataclasses errno fcntl numpy._typing._add_docstring numpy.typing"
SMALL += " threading"


def test_import_is_light():
    """What it adds to numpy, by name: no random numbers, hashes, JSON, bars or pictures."""
    code = "import sys, numpy; before = set(sys.modules); import pyrnn; "
    code += "print(*sorted(set(sys.modules) - before))"
    added = {name for name in run(code) if name.split(".")[0] != "pyrnn"}
    assert added <= set(SMALL.split())


def test_no_environment_is_changed_by_import():
    """No file is written, no thread started, no signal handler or float mode changed."""
    code = """
import os, signal, numpy as np
def state():
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    return len(os.listdir("/proc/self/task")), handlers, dict(os.environ)
before = state()
import pyrnn
print(state() == before, np.float32(1e-40) * np.float32(0.5) != 0)
"""
    assert run(code) == ["True", "True"]


def test_a_missing_core_is_explained(tmp_path):
    """Without the compiled part, the error says what to do."""
    copy = tmp_path / "pyrnn"
    copy.mkdir()
    for path in PACKAGE.glob("*.py"):
        (copy / path.name).write_bytes(path.read_bytes())
    code = "import traceback\ntry:\n import pyrnn\nexcept ImportError:\n traceback.print_exc()"
    command = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    child = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert "_core" in child.stderr and "pip install" in child.stderr


def test_files_of_another_distribution_are_told(tmp_path):
    """`pyrnn` on the index is somebody else's, and installs a folder of the same name."""
    (tmp_path / "pyrnn").symlink_to(PACKAGE)
    (tmp_path / "pyrnn_cpu-0.1.0.dist-info").mkdir()
    line = [sys.executable, "-c", "import pyrnn; print(pyrnn.__file__)"]

    def warnings_of_import():
        env = os.environ | {"PYTHONPATH": str(tmp_path)}
        child = subprocess.run(line, env=env, cwd=tmp_path, capture_output=True, text=True)
        assert child.stdout.strip() == str(tmp_path / "pyrnn" / "__init__.py"), child.stderr
        return child.stderr

    assert warnings_of_import() == ""
    for other in ("pyrnn-0.0.7.dist-info", "pyrnn-0.0.7-py3.11.egg-info"):
        (tmp_path / other).mkdir()
        assert (
            f"another distribution, {other.rpartition('.')[0]}, has files" in warnings_of_import()
        )
        assert "pip uninstall pyrnn pyrnn-cpu" in warnings_of_import()
        (tmp_path / other).rmdir()


def test_files_beside_the_package_agree_with_it():
    """Version and requirements of the citation and of conda's recipe are pyproject.toml's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    version = project["project"]["version"]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)
    recipe = (ROOT / "conda" / "recipe.yaml").read_text()
    needed = project["project"]["dependencies"] + project["build-system"]["requires"]
    for requirement in needed:
        name, bounds = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        assert f"    - {name} {bounds}\n" in recipe
    assert f'version: "{version}"' in recipe
    assert f"- python {project['project']['requires-python']}\n" in recipe


@pytest.mark.parametrize("part", ["onnx", "torch"])
def test_a_missing_package_of_an_optional_part_is_named(part):
    """pyrnn is as ever; the part, which is called as its package is, says what to install."""
    code = f"import sys; sys.modules[{part!r}] = None; import pyrnn\n"
    code += f"try: import pyrnn.{part}\nexcept ImportError as error: print(error)"
    assert f"pip install {part}" in " ".join(run(code))


def test_installed_size():
    size = sum(p.stat().st_size for p in PACKAGE.rglob("*") if p.suffix in {".py", ".pyi", ".so"})
    assert size <= 10_000_000


WHEELS = sorted((ROOT / "dist").glob("*.whl"))


@pytest.mark.skipif(not WHEELS, reason="no wheel in dist/: `make wheel` makes one")
def test_wheel_is_small_and_complete():
    for path in WHEELS:
        assert path.stat().st_size <= 3_000_000
        names = zipfile.ZipFile(path).namelist()
        for name in ("py.typed", "_core.pyi", "__init__.py", "_c/kernels/affine.c"):
            assert f"pyrnn/{name}" in names
        assert not [n for n in names if "/tests/" in n or n.endswith((".cpp", ".h"))]


@pytest.mark.parametrize("part", ["bench", "estimators", "keras", "onnx", "torch"])
def test_a_part_that_is_not_imported_says_how(part):
    """They need other packages, so that `import pyrnn` leaves them out."""
    line = f"import pyrnn; pyrnn.{part}"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    message = (
        f"AttributeError: module 'pyrnn' has no attribute '{part}'; `import pyrnn.{part}` loads it"
    )
    assert message in done.stderr
    for name in ("LTSM", "_base_", "no.part", ""):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'$"):
            getattr(pyrnn, name)
