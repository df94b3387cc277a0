"""The processes that are timed: one per library and build, and those of pyrnn_bench."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from cases import Case

HERE = Path(__file__).parent
PROBE = HERE.parent / "build" / "bench" / "pyrnn_bench"
SPIN_COUNT = "2000"  # with which pyrnn loads OpenMP, unless the user has set it


def usable(threads):
    """As many of them as there are CPUs."""
    return min(threads, len(os.sched_getaffinity(0)))


@dataclass(frozen=True)
class Entry:
    """One competitor: a library on a case, with its threads, instruction set and build."""

    library: str
    case: Case
    threads: int
    isa: str | None = None
    python: str = sys.executable
    site: str | None = None  # a folder that goes before all others on its PYTHONPATH

    def __post_init__(self):
        object.__setattr__(self, "threads", usable(self.threads))

    def process(self):
        """What two entries have to share to be done by one process."""
        return self.library, self.threads, self.isa, self.python, self.site


class EndedError(RuntimeError):
    """A child ended before it answered."""


def environment_for(threads):
    """Ours, with the number of threads that each library reads from it."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYRNN_NUM_THREADS")
    return dict(os.environ) | dict.fromkeys(names, str(threads))


class Process:
    """A child that answers lines of JSON, on the last `threads` CPUs that we may use."""

    def __init__(self, command, threads, environment=None):
        cpus = sorted(os.sched_getaffinity(0))[-threads:]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in close()
        self._command = command
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                bufsize=1,
                env=environment,
                preexec_fn=partial(os.sched_setaffinity, 0, cpus),
            )
        except OSError as error:
            raise SystemExit(f"{command[0]} cannot be run: {error}") from None

    def read(self):
        """The next answer; EndedError, with the child's last words, if none comes."""
        if (line := self._child.stdout.readline()).endswith("\n"):
            return json.loads(line)
        status = self._child.wait()
        self._errors.seek(0)
        words = self._errors.read().strip()[-2000:]
        raise EndedError(f"{' '.join(map(str, self._command))} ended with status {status}: {words}")

    def ask(self, line):
        """The answer to one line."""
        with suppress(BrokenPipeError):  # read() tells why
            self._child.stdin.write(line + "\n")
        return self.read()

    def ended(self):
        """Whether the child is no more."""
        return self._child.poll() is not None

    def close(self):
        """Ends the child."""
        with suppress(BrokenPipeError):
            self._child.stdin.close()
        self._child.stdout.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._errors.close()


class Worker(Process):
    """bench/worker.py in a process of its own."""

    def __init__(self, entry):
        environment = environment_for(entry.threads) | {"JAX_PLATFORMS": "cpu"}
        if entry.threads == 1:
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            environment["XLA_FLAGS"] = flags
        if entry.isa:
            environment["PYRNN_ISA"] = entry.isa
        if entry.site:
            paths = [str(Path(entry.site).resolve()), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        command = [entry.python, HERE / "worker.py", entry.library, str(entry.threads)]
        super().__init__(command, entry.threads, environment)
        try:
            self.about = self.read()
        except EndedError:
            self.close()
            raise

    def do(self, what, **arguments):
        """The answer to a request."""
        return self.ask(json.dumps({"do": what, **arguments}))

    def prepare(self, case, truth):
        """Makes a case ready; the answer has "error", "skipped" or "wrong"."""
        if "missing" in self.about:
            return {"skipped": "not installed"}
        return self.do("prepare", case=asdict(case), truth=str(truth))

    def seconds(self):
        """One turn."""
        return self.do("time")["seconds"]


class Probe(Process):
    """The machine's limits at this moment: peak of fused multiply-adds, bandwidth of reading."""

    def __init__(self, program, isa, entry):
        case = entry.case
        command = [program, "probe", "--isa", isa, "--dtype", case.dtype]
        command += ["--bytes", str(case.weight_bytes()), "--threads", str(entry.threads)]
        super().__init__(command, entry.threads)

    def measure(self):
        """{"fma_gflops": ..., "read_gbytes": ...} of all threads together."""
        return self.ask("r")


class StreamStep(Process):
    """A stream's step without Python: the same cell, size and threads in a loop of C++."""

    def __init__(self, program, isa, entry):
        case = entry.case
        command = [program, "stream", "--isa", isa, "--dtype", case.dtype]
        command += ["--cell", case.cell.lower(), "--hidden", str(case.H)]
        command += ["--threads", str(entry.threads)]
        environment = dict(os.environ)
        if "OMP_WAIT_POLICY" not in environment:
            environment.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        super().__init__(command, entry.threads, environment)

    @staticmethod
    def fits(case):
        """Whether the program does such a case: one layer, one row."""
        plain = case.layers == case.directions == 1 and not case.proj_size
        return case.mode == "stream" and case.B == 1 and plain

    def measure(self):
        """Seconds a step."""
        return self.ask("r")["seconds"]
