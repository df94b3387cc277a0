"""The bytes of Keras' files: a whole one, and the members of a .keras archive."""

import io
import os
import zipfile
import zlib

from .._base.checks import check_fits, describe, describe_all
from .._base.tensor_file import open_regular

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
EXPANSION = 4  # times the archive's size that its members may have together
SMALL = 1 << 20  # bytes that they may have in any case
ENTRY, MOST = b"PK\x01\x02", 100  # how the entry of a member begins, and how many there may be
FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


def read_bytes(path: str) -> bytes:
    """All of a regular file; OSError if it cannot be read."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_fits("the file", size)
        data: bytes = file.read(size)
    return data


def is_zip(data: bytes) -> bool:
    """Whether these are a zip archive's."""
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def read_archive(data: bytes) -> dict[str, bytes]:
    """The configuration and the weights in a .keras archive, by name; ValueError for another one.

    Nothing is written to disk, and the sizes that the archive tells are looked at first.
    """
    if data.count(ENTRY) > MOST:
        raise ValueError(f"the zip archive has more than {MOST} members")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_members(members, len(data))
            return {
                m.filename: _read(archive, m) for m in members if m.filename in (CONFIG, WEIGHTS)
            }
    except (*FAULTS, UnicodeDecodeError) as error:
        raise ValueError(f"a damaged zip archive: {error}") from None


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """ValueError unless these are what Keras writes, of a size that the archive can have."""
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError("a name comes twice in the zip archive")
    if missing := {CONFIG, WEIGHTS} - set(names):
        raise ValueError(
            f"the zip archive holds {describe_all(names)}, expected "
            f"{describe_all(sorted(missing))} too, as Keras writes them"
        )
    if others := [n for n in names if n not in (CONFIG, METADATA, WEIGHTS, "assets/")]:
        raise ValueError(f"the zip archive holds {describe_all(others)}, which is not read")
    for member in members:
        if member.flag_bits & 1 or member.compress_type not in PLAIN:
            raise ValueError(
                f"member {describe(member.filename)} is encrypted, or compressed by method "
                f"{member.compress_type}, expected one that is stored or deflated"
            )
    if (total := sum(m.file_size for m in members)) > EXPANSION * size + SMALL:
        raise ValueError(
            f"the zip archive of {size} bytes unpacks to {total}, expected at most {EXPANSION} "
            "times as many"
        )


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes: no more than the archive has told."""
    with archive.open(member) as file:
        data = file.read(member.file_size)
    if len(data) != member.file_size:
        raise ValueError(f"member {describe(member.filename)} is cut short")
    return data
