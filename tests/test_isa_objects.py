"""Promise: no code compiled for one instruction set can be linked in where another is meant.

tools/check_isa_objects.py looks at the object files of this checkout's build; where there is none,
the test compiles the kernels itself.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cases import ISAS

ROOT = Path(__file__).parent.parent
CHECK = ROOT / "tools" / "check_isa_objects.py"

needs_tools = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("g++", "nm", "objdump")),
    reason="needs g++, nm and objdump",
)


def check(folder):
    command = [sys.executable, str(CHECK), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def newest_source():
    """When what the kernels are made of was last written."""
    sources = [*(ROOT / "src/cpp/kernels").iterdir(), ROOT / "src/cpp/core/dims.h"]
    return max(path.stat().st_mtime for path in sources)


def finished_build():
    """A build folder whose kernel objects are newer than their sources, or None."""
    objects = {}
    for path in (ROOT / "build").rglob("kernels_*.dir/**/*.o"):
        build = next(p for p in path.parents if p.name == "CMakeFiles").parent
        objects.setdefault(build, []).append(path.stat().st_mtime)
    fresh = [build for build, times in objects.items() if min(times) >= newest_source()]
    return fresh[0] if fresh else None


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The folder of a build of these sources."""
    found = finished_build()
    if found:
        return found
    cmake = shutil.which("cmake")
    if not cmake or not importlib.util.find_spec("pybind11"):
        pytest.skip("no build of these sources under build/; to make one needs cmake and pybind11")
    folder = tmp_path_factory.mktemp("kernels")
    prefix = subprocess.run(
        [sys.executable, "-m", "pybind11", "--cmakedir"], capture_output=True, text=True
    ).stdout.strip()
    options = [f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={prefix}"]
    subprocess.run([cmake, "-S", ROOT, "-B", folder, *options], check=True, capture_output=True)
    targets = ["--target", *(f"kernels_{name}" for name in ISAS)]
    jobs = ["--parallel", str(os.cpu_count() or 1)]
    subprocess.run([cmake, "--build", folder, *targets, *jobs], check=True, capture_output=True)
    return folder


@needs_tools
def test_kernel_objects_are_sealed(build):
    result = check(build)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "sealed" in result.stdout


def compile_object(tmp_path, source):
    """One object where the checker looks for the kernels of avx2."""
    folder = tmp_path / "CMakeFiles" / "kernels_avx2.dir"
    folder.mkdir(parents=True)
    (tmp_path / "kernels.cpp").write_text(source)
    command = ["g++", "-std=c++20", "-c", str(tmp_path / "kernels.cpp")]
    subprocess.run([*command, "-o", str(folder / "kernels.o")], check=True)
    return check(tmp_path)


SEALED = 'extern "C" int pyrnn_kernels_avx2() { return 1; }\n'
LEAKS = {
    "a second function": SEALED + "int other() { return 2; }",
    "a weak symbol": SEALED + "template <class T> T twice(T x) { return x + x; }\n"
    "template int twice<int>(int);",
    "an inline function": SEALED + "inline int f(int x) { return x; }\nint (*keep)(int) = f;",
    "data": SEALED + "int counter = 1;",
    "a static initialiser": SEALED + "int g();\nstatic int now = g();\n",
    "another's name": 'extern "C" int pyrnn_kernels_avx512() { return 1; }',
}


@needs_tools
def test_a_sealed_object_passes(tmp_path):
    result = compile_object(tmp_path, SEALED)
    assert result.returncode == 0, result.stdout


@needs_tools
@pytest.mark.parametrize("leak", LEAKS)
def test_each_leak_is_found(leak, tmp_path):
    """The checker itself can fail."""
    result = compile_object(tmp_path, LEAKS[leak])
    assert result.returncode == 1 and "kernels.o" in result.stdout, leak


def test_nothing_to_check_is_no_success(tmp_path):
    assert check(tmp_path).returncode != 0
