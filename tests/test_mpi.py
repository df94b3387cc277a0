"""Promise: ranks of MPI train as one process does, and the end of one of them ends all."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pyrnn
import pyrnn.distributed
from children import ran
from compare import assert_same_bits
from mpi_jobs import MPIEXEC, Running, job, lines, needs_mpi
from pyrnn._base.tensor_file import read_tensors
from sharded import TRAININGS, mark, outcome
from test_ranks import trained

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
pytestmark = needs_mpi
NAMES = ["ragged ids, dropout", "crf", "tbptt", "accumulate, clip, schedule, average"]
KILLS = int(os.environ.get("KILLS", "20"))  # `make test-mpi KILLS=200` for many
SHOW = "from sharded import TRAININGS, mark, outcome"


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_any_number_of_ranks_gives_the_bits_of_one(size):
    code = (
        SHOW
        + f"""
for name in {NAMES}:
    trainer, fit = TRAININGS[name](shards=4, communicator=ranks)
    show(mark(outcome(trainer, fit())))
"""
    )
    alone = [mark(trained(name, 4)()) for name in NAMES]
    assert lines(size, code) == [each for each in alone for _ in range(size)]


def test_the_page_runs(tmp_path, monkeypatch):
    """The script of docs/scaling.md, by two ranks and by one, with the same weights."""
    script = next(re.finditer(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))[1]
    found = []
    for size in (1, 2):
        (folder := tmp_path / str(size)).mkdir()
        code = f"os.chdir({str(folder)!r})\n{script}"
        assert job(size, code).returncode == 0
        found.append(pyrnn.load(folder / "model.safetensors").state_dict())
    for name, array in found[0].items():
        assert_same_bits(found[1][name], array)


def weights(size, options):
    code = """
        from sharded import TRAININGS, outcome
        trainer, fit = TRAININGS["dense"](shards=4, communicator=ranks)
        found = outcome(trainer, fit())[0]
        if ranks.rank == 0:
            print(*np.concatenate([found[name].ravel() for name in sorted(found)]).tolist())
    """
    (line,) = lines(size, code, options)
    return np.array([float(number) for number in line.split()])


def test_the_order_of_mpi_and_bfloat16_are_near():
    exact = weights(2, "")
    for options, error in (("deterministic=False", 1e-5), ('compress="bf16"', 2e-2)):
        found = weights(2, options)
        assert np.abs(found - exact).max() < error
        assert options != 'compress="bf16"' or not np.array_equal(found, exact)


def test_messages_of_any_length():
    code = """
        for length in (0, 1, 1015, 1016, 1017, 1024, 5000, 3_000_000):
            own = bytes([ranks.rank + 1]) * (length if ranks.rank else length // 2)
            found = ranks.gather(own)
            assert found == [bytes([1]) * (length // 2), bytes([2]) * length], length
            for root in (0, 1):
                assert ranks.broadcast(own, root) == found[root], length
        ranks.barrier()
        show("done")
    """
    assert lines(2, code) == ["done"] * 2


def test_any_number_of_communicators_may_be_made():
    """An MPI has room for few thousand: one that is not used any more is lent again, and those that
    are in use keep their messages apart."""
    code = """
        used = {pyrnn.distributed.MPI()._comm.handle for _ in range(20)}
        assert len(used) == 1, len(used)
        kept = [pyrnn.distributed.MPI() for _ in range(4)]
        if ranks.rank:
            del kept[1]  # rank 0 has it still
        more = [pyrnn.distributed.MPI() for _ in range(3)]
        handles = {each._comm.handle for each in [ranks, *kept, *more]}
        assert len(handles) == 8 - bool(ranks.rank), len(handles)
        order = [more[0], kept[0], more[2]]
        assert all(each.gather(bytes([ranks.rank])) == [b"\\0", b"\\1"] for each in order)
        show("done")
    """
    assert lines(2, code) == ["done"] * 2


def test_ranks_share_the_cores():
    alone = ran("import pyrnn; print(pyrnn.get_num_threads())", PYRNN_NUM_THREADS="")
    each = max(1, int(alone.stdout) // 2)
    text = "import pyrnn.distributed as d, pyrnn; d.MPI(); print('', pyrnn.get_num_threads(), '')"
    env = {k: v for k, v in os.environ.items() if k not in ("PYRNN_NUM_THREADS", "OMP_NUM_THREADS")}
    out = subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, "-c", text], env=env, capture_output=True, text=True
    )
    assert out.stdout.split() == [str(each)] * 2


# ---- how a job ends ---------------------------------------------------------------------------

ENDS = """
from sharded import SERIES, SUMS
from training import regressor
class Ends(pyrnn.Linear):
    def vjp(self, x, **options):
        self._count = getattr(self, "_count", 0) + 1
        if ranks.rank == 1 and self._count == 3:
            {what}
        return super().vjp(x, **options)
model = pyrnn.Sequential(pyrnn.GRU(2, 6, seed=0), Ends(6, 1, seed=1))
trainer = pyrnn.Trainer(model, "mse", "adam", seed=0, communicator=ranks)
trainer.fit(SERIES, SUMS, epochs=50, batch_size=8, progress=False)
"""


@pytest.mark.parametrize(
    "what, words",
    [
        ('raise LookupError("lost here")', "rank 1: lost here"),
        ("os._exit(3)", ""),
        ("os.kill(os.getpid(), 9)", ""),
        ("sys.exit(0)", "rank 1: SystemExit: 0"),
    ],
)
def test_the_end_of_one_rank_ends_all(what, words):
    start = time.monotonic()
    done = job(3, ENDS.replace("{what}", what))
    assert done.returncode != 0 and time.monotonic() - start < 30
    assert words in done.stderr
    assert not words or "Traceback" in done.stderr


def test_an_error_outside_of_a_fit_ends_all():
    code = """
        from sharded import TRAININGS
        if ranks.rank == 1:
            raise ValueError("before the fit")
        TRAININGS["dense"](shards=4, communicator=ranks)[1]()
    """
    done = job(2, code)
    assert done.returncode != 0 and "ValueError: before the fit" in done.stderr


def test_a_rank_that_leaves_is_named():
    code = """
        from sharded import TRAININGS
        if ranks.rank == 0:
            TRAININGS["dense"](shards=4, communicator=ranks)[1]()
    """
    done = job(2, code)
    assert done.returncode != 0 and "rank 1 has left the program, and rank 0 waits" in done.stderr


def test_a_second_communicator_learns_of_it_too():
    code = """
        second = pyrnn.distributed.MPI()
        if ranks.rank == 0:
            second.barrier()
    """
    done = job(2, code)
    assert done.returncode != 0 and "rank 1 has left the program, and rank 0 waits" in done.stderr


LONG = (
    SHOW
    + """
trainer, fit = TRAININGS["accumulate, clip, schedule, average"](shards=4, communicator=ranks)
history = fit(epochs={epochs}, batch_size=4, checkpoint="a.ckpt", checkpoint_every=1, resume=True)
print(mark(outcome(trainer, history)))
"""
)


def test_ctrl_c_on_one_rank_ends_all(tmp_path):
    running = Running(2, LONG.replace("{epochs}", "100000"), tmp_path)
    running.wait_for("a.ckpt")
    running.send(1, signal.SIGINT)
    status, _, errors = running.end(30)
    assert status != 0 and "KeyboardInterrupt" in errors


@pytest.mark.timeout(max(300, 15 * KILLS))
def test_kills_of_random_ranks_leave_a_whole_checkpoint(tmp_path):
    """Killed again and again, the training comes to the bits of one that nobody interrupted."""
    rng = np.random.default_rng(0)
    for _ in range(KILLS):
        for name in ("rank 0", "rank 1"):
            (tmp_path / name).unlink(missing_ok=True)
        running = Running(2, LONG.replace("{epochs}", "100000"), tmp_path)
        running.wait_for("a.ckpt")
        victim = int(rng.integers(2))
        running.wait_for(f"rank {victim}")
        time.sleep(rng.random() * 1.0)
        running.send(victim, signal.SIGKILL)
        status, _, errors = running.end(30)
        assert status != 0
        assert "ValueError" not in errors, errors
    trainer, fit = TRAININGS["accumulate, clip, schedule, average"](shards=4)
    fit(epochs=0)  # the file is whole: it can be read, and training goes on
    seen = []

    class Look(pyrnn.Callback):
        def on_epoch_start(self, trainer):
            seen.append(len(trainer.history))

    epochs = 3 + _epochs(tmp_path / "a.ckpt")
    history = fit(
        epochs=epochs,
        batch_size=4,
        checkpoint=tmp_path / "a.ckpt",
        checkpoint_every=1,
        resume=True,
        callbacks=[Look()],
    )
    assert len(history) == epochs
    whole, refit = TRAININGS["accumulate, clip, schedule, average"](shards=4)
    assert mark(outcome(whole, refit(epochs=epochs, batch_size=4))) == mark(
        outcome(trainer, history)
    )


def _epochs(path):
    _, head = read_tensors(str(path))
    return len(head["training"]["parts"]["history"]["state"]["loss"])


# ---- what is missing --------------------------------------------------------------------------


def test_two_mpis_are_told_from_one():
    done = ran("import pyrnn.distributed; pyrnn.distributed.MPI()", OMPI_COMM_WORLD_SIZE="4")
    assert "RuntimeError: MPI: OMPI_COMM_WORLD_SIZE says that 4 processes" in done.stderr


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "int8"},
        {"compress": "bf16", "deterministic": False},
        {"deterministic": "no"},
    ],
)
def test_bad_options(options):
    with pytest.raises((TypeError, ValueError), match="MPI: "):
        pyrnn.distributed.MPI(**options)
