"""Promise: whatever fails while a file is written, it is one whole version, and so is its folder.

Kills at random moments are in test_files.py and test_resume.py.
"""

import errno
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import pyrnn
from children import ran, run
from pyrnn._base.atomic_write import atomic_write

OLD, NEW = b"old" * 50, bytes(range(256)) * 20
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES, errno.EDQUOT]
NAMES = [errno.errorcode[e] for e in ERRORS]


@pytest.fixture
def target(tmp_path):
    """A file with the old content, alone in its folder."""
    path = tmp_path / "model"
    path.write_bytes(OLD)
    return path


class Failing:
    """Stands for a function of os, and fails in its n-th call; writes are a few bytes each."""

    def __init__(self, monkeypatch, name, n, code):
        self.calls, self.n, self.code, self.function = 0, n, code, getattr(os, name)
        self.short = name == "write"
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments, **options):
        self.calls += 1
        if self.calls == self.n:
            raise OSError(self.code, os.strerror(self.code))
        if self.short:
            fd, data = arguments
            arguments = fd, data[:999]
        return self.function(*arguments, **options)


@pytest.mark.parametrize("code", ERRORS, ids=NAMES)
@pytest.mark.parametrize("function", ["open", "fchmod", "write", "fsync", "replace"])
def test_any_call_may_fail(function, code, target, monkeypatch):
    """The n-th one, for every n: OSError with the path; the old file, or the new one where only
    the folder could not be synced after the rename."""
    n = 0
    while True:
        n += 1
        target.write_bytes(OLD)
        with monkeypatch.context() as patch:
            failing = Failing(patch, function, n, code)
            try:
                atomic_write(target, NEW)
            except OSError as error:
                assert error.errno == code and error.filename == str(target)
                renamed = (function, n) in (("fsync", 2), ("open", 2))
                assert target.read_bytes() == (NEW if renamed else OLD)
            else:
                assert failing.calls < n  # all of them have failed once
                break
        assert os.listdir(target.parent) == ["model"]
    assert n > {"write": 6, "fsync": 2, "open": 2}.get(function, 1)
    assert target.read_bytes() == NEW


def test_short_writes_are_continued(target, monkeypatch):
    with monkeypatch.context() as patch:
        Failing(patch, "write", -1, 0)
        atomic_write(target, NEW)
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_mode_of_an_existing_file_stays(mode, target):
    target.chmod(mode)
    atomic_write(target, NEW)
    assert target.stat().st_mode & 0o777 == mode and target.read_bytes() == NEW


def test_links(target):
    """A symbolic link stays and its target is replaced; what a hard link names stays as it was."""
    link, chain, hard, dangling = (target.parent / n for n in ("link", "chain", "hard", "dangling"))
    link.symlink_to("model")
    chain.symlink_to("link")
    os.link(target, hard)
    atomic_write(chain, NEW)
    assert chain.is_symlink() and link.is_symlink() and target.read_bytes() == NEW
    assert hard.read_bytes() == OLD
    dangling.symlink_to("later")
    atomic_write(dangling, NEW)
    assert (target.parent / "later").read_bytes() == NEW and dangling.is_symlink()
    loop = target.parent / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        atomic_write(loop, NEW)


@pytest.mark.parametrize("name", ["ü 日本", "-rf", "a\nb", "x" * 255, os.fsdecode(b"\xff\xfe")])
def test_names(name, tmp_path):
    """Any that the file system takes, not in UTF-8 too; a model comes back."""
    if sys.platform == "darwin" and name.endswith("\udcfe"):
        pytest.skip("this file system takes UTF-8 alone")
    model = pyrnn.Linear(2, 3, seed=0)
    for path in (tmp_path / name, os.fsencode(tmp_path / name)):
        model.save(path)
        assert os.listdir(tmp_path) == [name]
        assert np.array_equal(pyrnn.load(path).weight.data, model.weight.data)


@pytest.mark.parametrize("device", ["/dev/full", "/dev/null"])
def test_devices_are_no_files(device):
    with pytest.raises(OSError, match="not a regular file"):
        pyrnn.Linear(2, 3).save(device)
    with pytest.raises(OSError, match="not a regular file"):
        pyrnn.load(device)


def test_a_folder_in_which_nothing_may_be_made():
    """Seen as another user, since root may write everywhere."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        Path(path).write_bytes(OLD)
        code = f"""
            import os, pyrnn
            model = pyrnn.Linear(2, 2)
            model.save({path + "-before"!r})  # what it needs is loaded
            os.unlink({path + "-before"!r})
            os.chmod({folder!r}, 0o555)
            if os.getuid() == 0:
                os.setuid(65534)
            try:
                model.save({path!r})
            except PermissionError as error:
                print(error.filename == {path!r})
        """
        assert run(code) == ["True"]
        assert Path(path).read_bytes() == OLD and os.listdir(folder) == ["model"]
        os.chmod(folder, 0o755)


WRITER = """
    import sys, pyrnn
    model = pyrnn.Linear(100, 100, bias=False)
    for k in range(40):
        model.weight[...] = float(1000 * {number} + k)
        model.save({path!r})
        weight = pyrnn.load({path!r}).weight.data
        assert (weight == weight[0, 0]).all() and weight[0, 0] >= 1000
    print("done")
"""


def test_several_processes_save_to_one_path(tmp_path):
    """Each load sees one whole version, of whichever process; at the end there is one file."""
    path = tmp_path / "model"
    with ThreadPoolExecutor(3) as pool:
        children = [
            pool.submit(ran, WRITER.format(number=number, path=str(path))) for number in (1, 2, 3)
        ]
        for child in children:
            assert child.result().stdout == "done\n", child.result().stderr[-2000:]
    last = pyrnn.load(path).weight.data
    assert (last == last[0, 0]).all() and last[0, 0] % 1000 == 39
    assert os.listdir(tmp_path) == ["model"]


def test_a_foreign_file_with_the_name_of_a_temporary_one(target):
    """Nobody can foresee the name; a link that lies there by that pattern is never written to."""
    other = target.parent / "other"
    other.write_bytes(OLD)
    trap = target.parent / ".model.pyrnn-000000000000"
    trap.symlink_to(other)
    atomic_write(target, NEW)
    assert other.read_bytes() == OLD and trap.is_symlink() and target.read_bytes() == NEW
