"""Jobs of MPI: Python code in several processes that mpiexec starts."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from children import TESTS, ran

MPIEXEC = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
HAS_MPI = bool(MPIEXEC) and importlib.util.find_spec("mpi4py") is not None
needs_mpi = pytest.mark.skipif(
    not HAS_MPI, reason="mpi4py or mpiexec is not installed: `make test-mpi` does it"
)
START = """
import os, sys, pyrnn, pyrnn.distributed
ranks = pyrnn.distributed.MPI({options})
def show(text):  # of all ranks, in their order: what each prints could be mixed
    for found in ranks.gather(str(text).encode()):
        if ranks.rank == 0:
            print(found.decode(), flush=True)
"""


def job(size, code, options="", timeout=90, **environment):
    """A job that has ended, however it did."""
    before = [MPIEXEC, "-n", str(size)]
    return ran(
        START.replace("{options}", options) + textwrap.dedent(code),
        timeout,
        before,
        PYRNN_NUM_THREADS="1",
        **environment,
    )


def lines(size, code, options="", **environment):
    """The lines that a job writes; it must end well."""
    done = job(size, code, options, **environment)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-3000:]}"
    return done.stdout.splitlines()


class Running:
    """A job that runs in a folder, in which each rank leaves its process's number."""

    def __init__(self, size, code, folder):
        text = (
            "import numpy as np\n"
            + START.replace("{options}", "")
            + textwrap.dedent("""
            from pathlib import Path
            Path(f"rank {ranks.rank}").write_text(str(os.getpid()))
        """)
            + textwrap.dedent(code)
        )
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)  # relative to another folder
        path = os.pathsep.join([str(TESTS), *(os.path.abspath(each) for each in given if each)])
        env = os.environ | {"PYTHONPATH": path, "PYRNN_NUM_THREADS": "1"}
        self.size, self._folder = size, Path(folder)
        self._process = subprocess.Popen(
            [MPIEXEC, "-n", str(size), sys.executable, "-c", text],
            env=env,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, name, seconds=60):
        """Until a file of that name is there."""
        end = time.monotonic() + seconds
        while not (self._folder / name).exists() and self._process.poll() is None:
            assert time.monotonic() < end, f"no {name} after {seconds} s"
            time.sleep(0.005)

    def send(self, rank, number):
        """A signal to one rank."""
        self.wait_for(f"rank {rank}")
        while not (text := (self._folder / f"rank {rank}").read_text()):
            time.sleep(0.005)
        os.kill(int(text), number)

    def end(self, seconds):
        """(exit status, output, errors); it must end within some seconds."""
        try:
            output, errors = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            for rank in range(self.size):
                self.send(rank, signal.SIGKILL)
            self._process.kill()
            raise AssertionError(f"the job hangs: {self._process.communicate()}") from None
        return self._process.returncode, output, errors
