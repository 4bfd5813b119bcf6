"""Copy the regular files of a zip or tar below a folder; links, modes, owners and times are ignored."""

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
from contextlib import nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from grayscale.reading.names import shown
from stages.common.artifacts import ArtifactError
from stages.fetch.source import Skipped

CHUNK = 1 << 20  # bytes
MAX_UNPACKED = 64 << 30  # bytes; a larger set belongs in a folder: an archive is unpacked at every run
MAX_RATIO = 100  # unpacked to packed size; uncompressed photographs reach 20, a bomb of zeros 1000 with deflate
MAX_MEMBERS = 100_000  # files and folders; even empty ones need inodes
MAX_DEPTH = 32  # folders
MAX_MEMBER = 2 << 30  # bytes of a file; the largest photograph that is read has 1.6 GB uncompressed
MAX_HEADER = CHUNK  # bytes of a tar header, which tarfile holds in memory
SMALL = 64 << 20  # bytes; up to this size any ratio is allowed, because drawings compress well

ENCRYPTED = 0x1  # zip: general purpose bit flag (APPNOTE 4.4.4)
SPECIAL = "is no regular file, but a link, a device or a FIFO"
NAME_TAKEN = (errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)
# What Python's modules raise on damaged archives: gzip and bz2 OSError, zipfile NotImplementedError for an unknown
# version or compression, tarfile RecursionError for headers of headers.
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    OverflowError, NotImplementedError, RecursionError,
)  # fmt: skip
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
TRUSTED = "if it is no archive bomb, unpack it yourself and use the source folder"

Member = tuple[str, int, str | None, Callable[[], Any]]  # name, size, why it is not copied, opener


def unpack(path: Path, to: Path, name: str) -> Iterator[Skipped]:
    """Copy the regular files of an archive, `name` in messages, below the folder `to`; yield what is not copied.

    `ArtifactError` if it is neither zip nor tar, is damaged as a whole, exceeds a limit, or can't be written.
    """
    to.mkdir(parents=True, exist_ok=True)
    folders = set[PurePosixPath]()
    try:
        with tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None, delay=2, leave=False) as bar:
            limit = _Limit(name, path.stat().st_size, bar)
            with path.open("rb") as file:
                zipped = file.read(2) == b"PK"
            members = _in_zip(path) if zipped else _in_tar(path, limit)
            for number, (member, size, refused, opened) in enumerate(members):
                reason = refused or _unfit(member, size)
                folders.update([] if reason else PurePosixPath(member).parents)
                if number + len(folders) > MAX_MEMBERS:
                    raise ArtifactError(f"{name}: holds more than {MAX_MEMBERS:,} files and folders; {TRUSTED}")
                if reason := reason or _copy(opened, to / member, limit, zipped):
                    yield Skipped(shown(member), reason)
    except DAMAGE as error:
        raise ArtifactError(f"{name}: neither a zip nor a tar (plain, .gz, .bz2, .xz), or damaged: {error}") from error


def _in_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/"):  # a folder; `is_dir` fails on an empty name
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 unless made on Unix
            refused = None if kind in (0, stat.S_IFREG) else SPECIAL
            if member.flag_bits & ENCRYPTED:
                refused = "is encrypted"
            yield member.filename, member.file_size, refused, partial(archive.open, member)


def _in_tar(path: Path, limit: "_Limit") -> Iterator[Member]:
    with path.open("rb") as file:
        start = file.read(6)
        file.seek(0)
        opener: Any = next((COMPRESSED[magic] for magic in COMPRESSED if start.startswith(magic)), nullcontext)
        with opener(file) as content, tarfile.open(fileobj=_Counted(content, limit), mode="r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # else it keeps all members and comments
                archive.pax_headers = {}
                if not member.isdir():
                    refused = None if member.isreg() else SPECIAL
                    refused = "has holes, which may be of any size" if member.issparse() else refused
                    yield member.name, member.size, refused, partial(archive.extractfile, member)
            _check_end(archive)


class _Counted(io.RawIOBase):
    """Counts what is read: a member of a zip, or all of a tar, including headers and skipped members."""

    def __init__(self, file: Any, limit: "_Limit") -> None:
        self.file = file
        self.limit = limit

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise ArtifactError(f"{self.limit.name}: has a header of more than {MAX_HEADER >> 20} MiB")
        try:
            content = self.file.read(size)
        except OSError as error:  # not to be mistaken for an error of writing
            raise tarfile.ReadError(str(error)) from error
        self.limit.take(len(content))
        return content

    def seek(self, place: int, whence: int = 0) -> int:
        while (ahead := place - self.file.tell()) > 0 and self.read(min(ahead, CHUNK)):
            pass
        return self.file.seek(place) if ahead < 0 else self.file.tell()

    def tell(self) -> int:
        return self.file.tell()


def _check_end(archive: tarfile.TarFile) -> None:
    """A tar ends with at least two blocks of zeros; tarfile also takes a damaged or cut member for the end."""
    length = 0
    while chunk := archive.fileobj.read(CHUNK):
        length += len(chunk)
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a member's header is damaged, or something follows the end")
    if length == 0:
        raise tarfile.ReadError("the end mark is missing")


def _unfit(name: str, size: int) -> str | None:
    """Why a member of this name and size is not copied."""
    path = PurePosixPath(name)
    reasons = {
        f"has more than {MAX_MEMBER >> 30} GiB, and no photograph has": size > MAX_MEMBER,
        "its name holds a zero byte": "\0" in name,
        "its name holds a backslash": "\\" in name,
        "its name is absolute": path.is_absolute() or re.match("[A-Za-z]:", name),
        "its name leads out of the archive": ".." in path.parts,
        f"lies in more than {MAX_DEPTH} folders": len(path.parts) > MAX_DEPTH,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


def _copy(opened: Callable[[], Any], to: Path, limit: "_Limit", zipped: bool) -> str | None:
    """Write a member; return why it can't be: its name, or damage to this member alone, which only zips can tell."""
    try:
        with opened() as content:
            return _write(_Counted(content, limit) if zipped else content, to)
    except NotImplementedError:
        return "is compressed in a way that is not read"
    except DAMAGE:
        if not zipped:
            raise
        return "is damaged: its content is not what was packed"  # the messages of Python versions differ


def _write(content: Any, to: Path) -> str | None:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("xb") as file:
            shutil.copyfileobj(content, file, CHUNK)
    except OSError as error:  # of writing: `_Counted` turns those of reading into another
        if error.errno in NAME_TAKEN:
            return "its name is too long, or taken by another member"
        raise ArtifactError(f"{to} can't be written: {error.strerror}") from error
    except BaseException:
        to.unlink(missing_ok=True)
        raise
    return None


class _Limit:
    """Counts unpacked bytes and stops an archive before it fills the disk."""

    def __init__(self, name: str, packed: int, bar: tqdm) -> None:
        self.name = name
        self.bar = bar
        self.most = min(MAX_UNPACKED, max(SMALL, MAX_RATIO * packed))
        self.used = 0

    def take(self, count: int) -> None:
        self.used += count
        self.bar.update(count)
        if self.used > self.most:
            much = f"{self.most >> 20} MiB, which is {MAX_RATIO} times its own size or {MAX_UNPACKED >> 30} GiB"
            raise ArtifactError(f"{self.name}: unpacks to more than {much}; {TRUSTED}")
