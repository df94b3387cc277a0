#!/usr/bin/env python3
"""Builds pyrnn in other ways than the package is built, and tests what comes out.

python tools/builds.py NAME [quick]

plain      as the package; every call from C++ (tests/cpp/driver)
serial     without OpenMP and without mmap
musl       the same against musl, by the clang of the package ziglang, linked statically
compilers  gcc 11 and 12, clang 14, 16 and 19, as far as they are there; every warning is an error
asan       with the sanitizers of addresses and undefined behaviour
tsan       with the one of threads: clang with its own OpenMP and archer, since it knows no other
valgrind   under valgrind's memcheck
sse2       on a processor that has nothing else, which qemu-x86_64 plays
aarch64    for 64-bit ARM, under qemu-aarch64 in a small Debian (tools/arm64_root.sh)
portable   for 64-bit RISC-V, by ziglang and under qemu-riscv64: what stands for a processor that
           the sources do not know by name

quick: without Python's tests, and where it says so with fewer instruction sets. All is put under
build/variants. What is missing is named; it is an error, but for `compilers` and with `quick`.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "variants"
ARM = FOLDER / "arm64"  # tools/arm64_root.sh makes it
ARM_PYTHON = ("qemu-aarch64", "-L", ARM / "root", ARM / "root/usr/bin/python3")

SHORT = "test_forward.py test_backward.py test_exact_integers.py test_stream.py"
KERNELS = f"{SHORT} test_vmath.py test_quantize.py test_quantize_int8.py test_sizes.py"
CONTRACT = "test_guard_pages.py test_core_contract.py test_core_contract_dense.py"
COMPILERS = ("g++-11", "g++-12", "clang++-14", "clang++-16", "clang++-19")

Command = Sequence[str | Path]


def run(command: Command, env: Mapping[str, str] | None = None) -> str:
    """The output, which is shown as well; whatever fails ends all."""
    print("+", shlex.join(map(str, command)), flush=True)
    child = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | (env or {}), stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    lines = []
    for line in child.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    if child.wait():
        sys.exit(f"{command[0]}: exit status {child.returncode}")
    return "".join(lines)


class NotThereError(Exception):
    """What a build needs and this system does not have."""


def need(*programs: str | Path) -> None:
    missing = [str(program) for program in programs if not shutil.which(str(program))]
    if missing:
        raise NotThereError(", ".join(missing))


# Compiles in a third of the time. No bit depends on it.
FAST = {"CMAKE_CXX_FLAGS_RELEASE": "-O1", "PYRNN_KERNEL_LEVEL": "-O1"}
INSTRUMENTED = FAST | {"PYRNN_MMAP": "OFF"}


def build(name: str, targets: Sequence[str], compiler: str | Path = "", **options: str) -> Path:
    """Configures and compiles a folder of its own."""
    folder = FOLDER / name
    given = {"CMAKE_BUILD_TYPE": "Release", "PYRNN_DRIVER": "ON"}
    if "_core" in targets:
        found = subprocess.run(
            [sys.executable, "-m", "pybind11", "--cmakedir"],
            capture_output=True,
            text=True,
            check=True,
        )
        given |= {"Python_EXECUTABLE": sys.executable, "pybind11_DIR": found.stdout.strip()}
    else:
        given["PYRNN_PYTHON"] = "OFF"
    if compiler:
        given["CMAKE_CXX_COMPILER"] = str(shutil.which(str(compiler)))
    if shutil.which("ccache"):
        given["CMAKE_CXX_COMPILER_LAUNCHER"] = "ccache"
    settings = [f"-D{key}={value}" for key, value in (given | options).items()]
    run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *settings])
    run(["cmake", "--build", folder, "--target", *targets])
    return folder


def package(folder: Path) -> Path:
    """The package with the extension of a build: what goes on Python's path."""
    path = folder / "package"
    shutil.rmtree(path, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "src" / "pyrnn", path / "pyrnn", ignore=ignored)
    (library,) = folder.glob("_core*.so")
    shutil.copy2(library, path / "pyrnn")
    return path


def tests(
    folder: Path, names: str, python: Command = (sys.executable,), path: Sequence[Path] = (),
    **env: str,
) -> None:  # fmt: skip
    """Those test files, with the package that a build makes."""
    command = [*python, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider"]
    paths = os.pathsep.join(map(str, [package(folder), *path]))
    files = [ROOT / "tests" / name for name in names.split()]
    settings = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    run([*command, "-o", "timeout=3000", *files], settings | env)  # emulated tests take minutes


def drive(folder: Path, *words: str, under: Command = (), **env: str) -> dict[str, str]:
    """Every call from C++: a number made of all bytes for each instruction set."""
    output = run([*under, folder / "pyrnn_driver", *words], env)
    return dict(re.findall(r"^(\w+) ([0-9a-f]{16})$", output, re.MULTILINE))


def same(ours: Mapping[str, str], theirs: Mapping[str, str], what: str) -> None:
    """The bytes of two builds of one source, where both have an instruction set."""
    common = ours.keys() & theirs.keys()
    if not common or any(ours[isa] != theirs[isa] for isa in common):
        sys.exit(f"{what}: {dict(ours)} and {dict(theirs)} are not the same bytes")
    print(f"{what}: the same bytes on {', '.join(sorted(common))}")


def plain(quick: bool) -> None:
    drive(build("plain", ["pyrnn_driver"]))


def serial(quick: bool) -> None:
    targets = ["pyrnn_driver"] if quick else ["pyrnn_driver", "_core"]
    isas = "baseline" if quick else ""
    options = {"PYRNN_OPENMP": "OFF", "PYRNN_MMAP": "OFF", "PYRNN_ISAS": isas} | FAST
    folder = build("serial", targets, **options)
    bytes_of = drive(folder, "small")
    if not quick:
        same(bytes_of, drive(build("plain", ["pyrnn_driver"]), "small"), "serial and parallel")
        tests(folder, f"{SHORT} test_serial.py test_train.py test_segments.py")


def zig(target: str, **options: str) -> Path:
    """The driver for a system with musl, linked statically."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    compiler = FOLDER / f"zig-{target}"
    compiler.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m ziglang c++ -target {target} "$@"\n'
    )
    compiler.chmod(0o755)
    run([compiler, "--version"])
    options |= {
        "PYRNN_OPENMP": "OFF",
        "CMAKE_CXX_FLAGS": "-Werror",
        "CMAKE_EXE_LINKER_FLAGS": "-static",
        **FAST,
    }
    return build(target, ["pyrnn_driver"], compiler, **options)


def musl(quick: bool) -> None:
    ours = drive(zig("x86_64-linux-musl"), "small")
    same(ours, drive(build("plain", ["pyrnn_driver"]), "small"), "musl and glibc")


def portable(quick: bool) -> None:
    need("qemu-riscv64")
    system = {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": "riscv64"}
    folder = zig("riscv64-linux-musl", **system)
    ours = drive(folder, "small", under=["qemu-riscv64"])
    same(ours, drive(build("plain", ["pyrnn_driver"]), "small"), "RISC-V and x86-64's baseline")


def compilers(quick: bool) -> None:
    there = [compiler for compiler in COMPILERS if shutil.which(compiler)]
    missing = [compiler for compiler in COMPILERS if compiler not in there]
    made = {}
    for compiler in there:
        options = {"CMAKE_CXX_FLAGS": "-Werror"} | openmp_of(compiler)
        targets = ["pyrnn_driver", "_core"]
        if quick:
            options |= {"PYRNN_ISAS": "avx2;baseline"} | FAST
            targets.pop()
        folder = build(f"{compiler}{'-quick' if quick else ''}", targets, compiler, **options)
        made[compiler] = drive(folder, *(["small"] if quick else []))
        same(made[compiler], made[there[0]], f"{compiler} and {there[0]}")
        if not quick:
            tests(folder, SHORT)
    print(f"{len(there)} compilers: {', '.join(there)}; missing: {', '.join(missing) or 'none'}")
    if not there:
        sys.exit(1)


def openmp_of(compiler: str) -> dict[str, str]:
    """Debian has OpenMP for one version of clang at a time; all of them can be used with it."""
    if not compiler.startswith("clang"):
        return {}
    headers = sorted(Path("/usr/lib").glob("llvm-*/lib/clang/*/include/omp.h"))
    if not headers:
        raise NotThereError("clang's OpenMP (libomp-dev)")
    include = FOLDER / "openmp"  # of that clang's headers this one alone
    include.mkdir(parents=True, exist_ok=True)
    shutil.copy2(headers[-1], include)
    library = headers[-1].parents[4] / "lib" / "libomp.so"
    return {
        "OpenMP_CXX_FLAGS": f"-fopenmp=libomp -isystem {include}",
        "OpenMP_CXX_LIB_NAMES": "omp",
        "OpenMP_omp_LIBRARY": str(library),
    }


def asan(quick: bool) -> None:
    flags = "-g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"
    options = INSTRUMENTED | {"CMAKE_CXX_FLAGS": flags}
    targets = ["pyrnn_driver", "_core"]
    if quick:  # kernels take five minutes; theirs are the protected pages of test_guard_pages.py
        options |= {"PYRNN_ISAS": "baseline", "PYRNN_KERNEL_LEVEL": "-O1;-fno-sanitize=all"}
        targets.pop()
    folder = build("asan-quick" if quick else "asan", targets, **options)
    drive(folder, "small", UBSAN_OPTIONS="print_stacktrace=1")
    if quick:
        return
    libraries = [
        subprocess.check_output(["g++", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    # Python never frees some of what it takes, and a failed allocation is to become a MemoryError.
    options = "detect_leaks=0:allocator_may_return_null=1"
    tests(
        folder, f"{SHORT} {CONTRACT}",
        LD_PRELOAD=" ".join(libraries), ASAN_OPTIONS=options, UBSAN_OPTIONS="print_stacktrace=1",
        PYTHONMALLOC="malloc",
    )  # fmt: skip


def tsan(quick: bool) -> None:
    need("clang++")
    flags = "-g1 -fsanitize=thread"
    options = INSTRUMENTED | openmp_of("clang++") | {"PYRNN_ISAS": "baseline"}
    folder = build("tsan", ["pyrnn_driver"], "clang++", CMAKE_CXX_FLAGS=flags, **options)
    library = Path(options["OpenMP_omp_LIBRARY"]).parent
    words = ("small", "callers=3") if quick else ("threads=3",)
    output = run(
        [folder / "pyrnn_driver", *words],
        {
            "OMP_TOOL_LIBRARIES": str(library / "libarcher.so"),
            "ARCHER_OPTIONS": "verbose=1",
            "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1",
        },
    )
    if "Archer detected" not in output:
        sys.exit(f"{library}/libarcher.so was not loaded: OpenMP's barriers are taken for races")


def valgrind(quick: bool) -> None:
    need("valgrind")
    folder = build("plain", ["pyrnn_driver"])
    command = [
        "valgrind",
        "-q",
        "--error-exitcode=9",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite",
    ]
    drive(
        folder,
        "small",
        "isas=avx2",
        "threads=1",
        "callers=1" if quick else "callers=2",
        under=command,
    )


def sse2(quick: bool) -> None:
    need("qemu-x86_64")
    folder = build("plain", ["pyrnn_driver"])
    there = drive(folder, "small", under=["qemu-x86_64", "-cpu", "qemu64"])
    if list(there) != ["baseline"]:
        sys.exit(f"a processor with SSE2 alone ran {list(there)}, expected baseline")
    same(there, drive(folder, "small", "isas=baseline"), "qemu64 and this processor")


def aarch64(quick: bool) -> None:
    need("qemu-aarch64", "aarch64-linux-gnu-g++-12")
    run([ROOT / "tools/arm64_root.sh", ARM])
    options = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": "aarch64",
        "CMAKE_CXX_FLAGS": f"-Werror -isystem {ARM}/root/usr/include",
        "Python_INCLUDE_DIR": str(next((ARM / "root/usr/include").glob("python3.*"))),
        "PYTHON_MODULE_EXTENSION": ".so",
    }
    targets = ["pyrnn_driver"] if quick else ["pyrnn_driver", "_core"]
    folder = build("aarch64", targets, "aarch64-linux-gnu-g++-12", **options)
    drive(folder, "small", under=["qemu-aarch64", "-L", ARM / "root"])
    if not quick:
        again = shlex.join(map(str, ARM_PYTHON))
        tests(folder, KERNELS, ARM_PYTHON, [ARM / "packages"], PYRNN_TEST_PYTHON=again)


BUILDS = (plain, serial, musl, compilers, asan, tsan, valgrind, sse2, aarch64, portable)


def main() -> None:
    named = {of.__name__: of for of in BUILDS}
    if len(sys.argv) < 2 or sys.argv[1] not in named or sys.argv[2:] not in ([], ["quick"]):
        sys.exit(__doc__)
    quick, start = sys.argv[2:] == ["quick"], time.monotonic()
    try:
        named[sys.argv[1]](quick)
    except NotThereError as error:
        if not quick:
            sys.exit(f"not there: {error}")
        print(f"{sys.argv[1]}: skipped, not there: {error}")
        return
    print(f"{sys.argv[1]}: passed in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
