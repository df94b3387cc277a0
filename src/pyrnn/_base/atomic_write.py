"""Writing a file so that it is always a whole old or a whole new one, whatever happens."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .checks import check_path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


def atomic_write(path: Any, data: bytes) -> None:
    """Replaces the content of `path` by `data`: a temporary file beside it, synced, then renamed.

    A symbolic link stays and its target is replaced. The file's mode stays; a new file's follows
    the umask. OSError with the path if anything fails: the temporary file is removed, and the old
    one untouched unless only the folder's sync failed, after the rename. What killed processes
    left behind is removed by the next write to the same path.
    """
    path = check_path("save", path)
    try:
        _replace(os.path.realpath(path), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def check_target(path: str) -> None:
    """OSError for a path that could not be written to."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    try:
        _mode_of(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "no such folder for the file", folder)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)


def _replace(target: str, data: bytes) -> None:
    """The work of atomic_write, on a path without links."""
    mode = _mode_of(target)
    folder, name = os.path.split(target)
    _remove_abandoned(folder, name)
    with _temporary_file(folder, name) as (fd, temporary):
        if mode is not None:
            os.fchmod(fd, mode)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest[: 2**30]) :]
        os.fsync(fd)
        os.replace(temporary, target)
    _sync_folder(folder)


def _mode_of(target: str) -> int | None:
    """The permissions of an existing file; OSError if there is something else than a file."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return stat.S_IMODE(mode)


@contextmanager
def _temporary_file(folder: str, name: str) -> Iterator[tuple[int, str]]:
    """A new locked file in the folder, gone again unless it was renamed."""
    fd, temporary = _create(folder, name)
    try:
        yield fd, temporary
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    finally:
        os.close(fd)


def _create(folder: str, name: str) -> tuple[int, str]:
    """Makes and locks a temporary file; the lock tells others that its writer lives."""
    while True:
        temporary = os.path.join(folder, f"{_prefix(name)}{os.urandom(6).hex()}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        if _lock(fd) and os.path.exists(temporary):
            return fd, temporary
        os.close(fd)  # another process took it for abandoned before it was locked


def _prefix(name: str) -> str:
    """How the temporary files of a target begin; short enough for any file system."""
    return f".{os.fsdecode(os.fsencode(name)[:200])}.pyrnn-"


def _lock(fd: int) -> bool:
    """Whether the file could be locked; true where there are no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _remove_abandoned(folder: str, name: str) -> None:
    """Removes the target's temporary files that no living process has locked."""
    if fcntl is None:
        return
    with suppress(OSError):  # a folder that may not be listed
        for entry in os.listdir(folder):
            if entry.startswith(_prefix(name)):
                with suppress(OSError):
                    _remove_unless_locked(os.path.join(folder, entry))


def _remove_unless_locked(path: str) -> None:
    """Removes one temporary file if its lock is free; what is no file stays."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return
    fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(fd)


def _sync_folder(folder: str) -> None:
    """Makes the rename last through a power cut, where the file system can."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
