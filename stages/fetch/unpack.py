"""The regular files of a zip or tar, copied below a folder.

Members are copied one by one as plain files: no link, mode, owner or time is ever taken from an archive.
"""

import bz2
import errno
import gzip
import io
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from stages.common.artifacts import ArtifactError
from stages.fetch.photograph import Skipped
from stages.formats.container import faults_named

CHUNK = 1 << 20  # bytes
MAX_UNPACKED = 64 << 30  # bytes; a larger set belongs into a folder: it would lie on the disk twice at every run
MAX_RATIO = 100  # unpacked to packed; photographs reach 20 as bare pixels, a bomb of zeros 1000 with deflate
MAX_MEMBERS = 100_000  # files; for as many the disk needs places, however empty they are
MAX_DEPTH = 32  # folders, each of which takes a place, too
MAX_MEMBER = 2 << 30  # bytes of a file; the largest photograph that is read has 1.6 GB as bare pixels
MAX_HEADER = CHUNK  # bytes of what a tar says of a member; tarfile would hold all of it in memory
SMALL = 64 << 20  # bytes that every archive may unpack to: little harm, and drawings compress well

ENCRYPTED = 0x1  # zip: general purpose bit flag (APPNOTE 4.4.4)
KINDS: dict[Any, str] = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a FIFO",
}
# What Python's modules raise on damaged archives; gzip and bz2 raise OSError, zipfile NotImplementedError on what it
# takes for a later version or another compression; tarfile goes deeper with each header of a header.
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    OverflowError, NotImplementedError, RecursionError,
)  # fmt: skip
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
FULL = "{}; if it is no archive bomb, unpack it yourself and use the source folder"

Member = tuple[str, int, str | None, Callable[[], Any]]  # name, size, why it is not copied, what opens it


def is_archive(path: Path) -> bool:
    """Does a file start as a zip or a tar does, compressed or not?"""
    try:
        if _is_zip(path):
            return True
        with _tar(path, _Room(path.name, path.stat().st_size, tqdm(disable=True))):
            return True
    except (*DAMAGE, ArtifactError):
        return False


def unpack(path: Path, to: Path, name: str) -> Iterator[Skipped]:
    """Copy the regular files of an archive, `name` in messages, below the folder `to`; give what is not copied.

    Raises:
        ArtifactError: it is neither zip nor tar, is damaged as a whole, or unpacks to suspiciously much; something
            can't be written.
    """
    to.mkdir(parents=True, exist_ok=True)
    names: set[PurePosixPath] = set()
    try:
        with tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None, delay=2, leave=False) as bar:
            room = _Room(name, path.stat().st_size, bar)
            zipped = _is_zip(path)
            members = _in_zip(path) if zipped else _in_tar(path, room)
            for number, (member, size, refused, opened) in enumerate(members):
                if number == MAX_MEMBERS:
                    raise ArtifactError(f"{name}: {FULL.format(f'holds more than {MAX_MEMBERS:,} files')}")
                unfit = _unfit_name(member, names)
                if size > MAX_MEMBER:
                    unfit = f"has more than {MAX_MEMBER >> 30} GiB, and no photograph has"
                reason = refused or unfit or _copy(opened, to / member, room, zipped)
                if reason:
                    yield Skipped(member if member.isprintable() else ascii(member)[1:-1], reason)
    except DAMAGE as error:
        raise ArtifactError(
            f"{name}: neither a zip nor a tar (plain, .gz, .bz2, .xz), or damaged when it was made: {error}"
        ) from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _in_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/"):  # a folder; `is_dir` fails on an empty name
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)  # of Unix; 0 from elsewhere
            refused = None if kind in (0, stat.S_IFREG) else f"is {KINDS.get(kind, 'no regular file')}"
            if member.flag_bits & ENCRYPTED:
                refused = "is encrypted"
            yield member.filename, member.file_size, refused, partial(archive.open, member)


def _in_tar(path: Path, room: "_Room") -> Iterator[Member]:
    with _tar(path, room) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # or it would keep all of them, and all comments
            archive.pax_headers = {}
            if not member.isdir():
                refused = None if member.isreg() else f"is {KINDS.get(member.type, 'no regular file')}"
                refused = "has holes, which may be of any size" if member.issparse() else refused
                yield member.name, member.size, refused, partial(archive.extractfile, member)
        _check_end(archive)


@contextmanager
def _tar(path: Path, room: "_Room") -> Iterator[tarfile.TarFile]:
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        opener: Any = next((COMPRESSED[magic] for magic in COMPRESSED if start.startswith(magic)), nullcontext)
        with opener(file) as content, tarfile.open(fileobj=_Counted(content, room), mode="r:") as archive:
            yield archive


class _Counted(io.RawIOBase):
    """A member of a zip, or all that tarfile reads, headers and skipped members among it."""

    def __init__(self, file: Any, room: "_Room") -> None:
        self.file = file
        self.room = room

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise ArtifactError(f"{self.room.name}: has a header of more than {MAX_HEADER >> 20} MiB")
        try:
            content = self.file.read(size)
        except OSError as error:  # told from one of writing
            raise tarfile.ReadError(str(error)) from error
        self.room.take(len(content))
        return content

    def seek(self, place: int, whence: int = 0) -> int:
        while (ahead := place - self.file.tell()) > 0 and self.read(min(ahead, CHUNK)):
            pass
        return self.file.seek(place) if ahead < 0 else self.file.tell()

    def tell(self) -> int:
        return self.file.tell()


def _check_end(archive: tarfile.TarFile) -> None:
    """A tar ends with at least two blocks of zeros; tarfile takes a damaged or cut member for the end, too."""
    length = 0
    while chunk := archive.fileobj.read(CHUNK):
        length += len(chunk)
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a member's header is damaged, or something follows the end")
    if length == 0:
        raise tarfile.ReadError("it ends without the mark of the end")


def _unfit_name(name: str, names: set[PurePosixPath]) -> str | None:
    """Why a member of this name is not copied; `names` are those seen before, to which it is added."""
    path = PurePosixPath(name)
    if "\0" in name:
        return "its name holds a zero byte"
    if "\\" in name:
        return "its name holds a backslash"
    if path.is_absolute() or re.match("[A-Za-z]:", name):
        return "its name is absolute"
    if ".." in path.parts:
        return "its name leads out of the archive"
    if len(path.parts) > MAX_DEPTH:
        return f"lies in more than {MAX_DEPTH} folders"
    if path in names:
        return "is the second member of this name"
    names.add(path)
    return None


def _copy(opened: Callable[[], Any], to: Path, room: "_Room", zipped: bool) -> str | None:
    """Write a member; give the reason if its name fits no file, or if it alone is damaged, as only zips can tell."""
    try:
        with opened() as content, faults_named(to):
            return _write(_Counted(content, room) if zipped else content, to)
    except NotImplementedError:
        return "is compressed in a way that is not read"
    except DAMAGE:  # the words of Python's versions differ
        if not zipped:
            raise
        return "is damaged: its content is not what was packed"


def _write(content: Any, to: Path) -> str | None:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        file = to.open("xb")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return "its name is too long"
        if error.errno in (errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
            return "its name takes a file for a folder, or a folder for a file"
        raise
    try:
        with file:
            shutil.copyfileobj(content, file, CHUNK)
    except BaseException:
        to.unlink()
        raise
    return None


class _Room:
    """How much may still be unpacked of an archive, so that none fills the disk."""

    def __init__(self, name: str, packed: int, bar: tqdm) -> None:
        self.name = name
        self.bar = bar
        self.limit = min(MAX_UNPACKED, max(SMALL, MAX_RATIO * packed))
        self.used = 0

    def take(self, count: int) -> None:
        self.used += count
        self.bar.update(count)
        if self.used > self.limit:
            much = f"{self.limit >> 20} MiB, which is {MAX_RATIO} times its own size or {MAX_UNPACKED >> 30} GiB"
            raise ArtifactError(f"{self.name}: {FULL.format(f'unpacks to more than {much}')}")
