"""Source `archive`: image files in a zip or tar, on this machine or downloaded. Reading images is not done here.

Members are copied out one by one, as plain files below a folder of the stage: no link, mode, owner or time is ever
taken from an archive, and none is unpacked whose sha256 is not the one in params.yaml.
"""

from __future__ import annotations

import errno
import lzma
import re
import stat
import struct
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from stages.common.artifacts import ArtifactError, sha256_of
from stages.common.settings import Archive
from stages.fetch import folder
from stages.fetch.address import file_name, shown, without_secrets
from stages.fetch.photograph import Plan, Skipped
from stages.fetch.unpacked import once

CACHE = "AUTOENCODER_GRAYSCALE_CACHE"  # environment variable: where downloads are kept, instead of the user's cache
TRIES = 3  # per URL
WAIT = 1.0  # seconds before the second try, twice that before the third
TIMEOUT = 30.0  # seconds without a byte from the server
TRY_AGAIN = (408, 429)  # HTTP codes below 500 that may pass: Request Timeout, Too Many Requests (RFC 9110, RFC 6585)

CHUNK = 1 << 20  # bytes
MAX_UNPACKED = 64 << 30  # bytes; a larger set belongs into a folder: it would lie on the disk twice at every run
MAX_RATIO = 100  # unpacked to packed; photographs reach 20 as bare pixels, a bomb of zeros 1000 with deflate
SMALL = 64 << 20  # bytes that every archive may unpack to: little harm, and drawings compress well

ENCRYPTED = 0x1  # zip: general purpose bit flag (APPNOTE 4.4.4)
KINDS = {
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
# takes for a later version or another compression.
DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    OverflowError, NotImplementedError,
)  # fmt: skip


def plan(settings: Archive, keep: Path) -> Plan:
    """The files of an archive, unpacked below `keep`; names are paths of members.

    Raises:
        ArtifactError: no URL gives the archive, or the local file is missing; its sha256 is another; it is neither zip
            nor tar, is damaged, or unpacks to suspiciously much.
    """
    name = file_name(settings.urls[0]) if settings.urls else Path(settings.inputs).name  # whichever mirror gives it
    files, skipped = once(keep / "archive", lambda to: unpack(_checked(settings), to, name))
    found = folder.files(files, settings, source=name, licence="see the archive")
    return replace(found, skipped=[*skipped, *found.skipped])


def _checked(settings: Archive) -> Path:
    """The archive on this machine, by its sha256 the one that is wanted."""
    if settings.urls:
        return downloaded(settings)
    path = Path(settings.inputs)
    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; `inputs` must name a zip or tar, or `urls` say where to get it")
    found = sha256_of(path)
    if found != settings.sha256:
        raise ArtifactError(f"{path}: {_another_hash(found, settings.sha256)}; get it again, or correct `sha256`")
    return path


# === Download ===


def downloaded(settings: Archive) -> Path:
    """The archive in the cache, by its sha256; downloaded from the first of the URLs that gives it, if need be.

    A server error, a broken connection and silence are tried again, other answers are not. Proxies are those of the
    environment, as the package requests takes them.

    Raises:
        ArtifactError: no URL gives it; says what each gave. Nothing of a failed download is left behind.
    """
    failures = []
    for url in settings.urls:
        try:
            return _fetched(url, settings.sha256)
        except ArtifactError as error:
            failures.append(f"  {shown(url)}: {error}")
    raise ArtifactError(
        f"the archive with sha256 {settings.sha256[:12]}… can't be downloaded:\n" + "\n".join(failures) + "\n"
        "Correct `urls` or `sha256`, or get the file yourself: its path as `inputs`, and `urls: []`"
    )


def _fetched(url: str, sha256: str) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it would print the URL, and passwords in it
    cache = pooch.create(
        path=pooch.os_cache("autoencoder-grayscale"),
        base_url="",
        env=CACHE,
        registry={sha256: f"sha256:{sha256}"},
        urls={sha256: url},
    )
    for attempt in range(1, TRIES + 1):
        try:
            return Path(cache.fetch(sha256, downloader=partial(_download, sha256)))
        except (OSError, ValueError) as error:  # those of requests are OSError, of malformed URLs ValueError
            if attempt == TRIES or _is_final(error):
                raise ArtifactError(without_secrets(_cause(error), url)) from error
        time.sleep(WAIT * attempt)
    raise AssertionError("the last try returns or raises")


def _download(sha256: str, url: str, output: str, cache: object) -> None:
    """Write what `url` gives to `output`, a temporary file that pooch moves or removes.

    Raises:
        ArtifactError: it is another file; pooch would notice, too, but not say what came.
    """
    import pooch

    pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=CHUNK, timeout=TIMEOUT)(url, output, cache)
    with Path(output).open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()  # after a byte order mark
    if start.startswith((b"<!doctype html", b"<html")):
        raise ArtifactError("is an HTML page, not an archive: of an error, a login, or a page that links to the file")
    found = sha256_of(Path(output))
    if found != sha256:
        raise ArtifactError(_another_hash(found, sha256))


def _is_final(error: Exception) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status not in TRY_AGAIN


def _cause(error: BaseException) -> str:
    """What went wrong at the bottom, under the layers of requests and urllib3."""
    response = getattr(error, "response", None)
    if response is not None and response.status_code >= 400:
        return f"{response.status_code} {response.reason}"
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    if isinstance(error, TimeoutError):
        return f"silent for {TIMEOUT:g} s"
    return f"connection closed early: {error}" if "IncompleteRead" in type(error).__name__ else str(error)


def _another_hash(found: str, wanted: str) -> str:
    return f"sha256 is {found[:12]}…, params.yaml says {wanted[:12]}…"


# === Unpacking ===


def is_archive(path: Path) -> bool:
    """Does a file start as a zip or a tar does, compressed or not?"""
    try:
        return _is_zip(path) or tarfile.is_tarfile(path)
    except DAMAGE:
        return False


def unpack(path: Path, to: Path, name: str) -> Iterator[Skipped]:
    """Copy the regular files of an archive below the folder `to`; give what is not copied, and why.

    `name` is that of the archive in messages.

    Raises:
        ArtifactError: it is neither zip nor tar, is damaged as a whole, or unpacks to suspiciously much.
    """
    to.mkdir(parents=True, exist_ok=True)
    try:
        with tqdm(desc="unpacking", unit="B", unit_scale=True, disable=None, delay=2, leave=False) as bar:
            room = _Room(name, path.stat().st_size, bar)
            yield from _unzip(path, to, room) if _is_zip(path) else _untar(path, to, room)
    except DAMAGE as error:
        raise ArtifactError(
            f"{name}: neither a zip nor a tar (plain, .gz, .bz2, .xz), or damaged when it was made: {error}"
        ) from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _unzip(path: Path, to: Path, room: _Room) -> Iterator[Skipped]:
    names: set[PurePosixPath] = set()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith("/"):  # a folder; `is_dir` fails on an empty name
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)  # of Unix; 0 from elsewhere
            reason = _refusal(member.filename, names)
            if member.flag_bits & ENCRYPTED:
                reason = "is encrypted"
            elif kind not in (0, stat.S_IFREG):
                reason = f"is {KINDS.get(kind, 'no regular file')}"
            if reason is None:
                try:
                    with archive.open(member) as content:
                        reason = _copy(content, to / member.filename, room)
                except NotImplementedError:
                    reason = "is compressed in a way that is not read"
                except DAMAGE:  # of this member alone; the words of Python's versions differ
                    reason = "is damaged: its content is not what was packed"
            if reason:
                yield _skipped(member.filename, reason)


def _untar(path: Path, to: Path, room: _Room) -> Iterator[Skipped]:
    names: set[PurePosixPath] = set()
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isdir():
                continue
            reason = _refusal(member.name, names)
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                reason = f"is {KINDS.get(member.type, 'no regular file')}"
            elif reason is None:
                reason = _copy(content, to / member.name, room)
            if reason:
                yield _skipped(member.name, reason)
        _check_end(archive, room)


def _check_end(archive: tarfile.TarFile, room: _Room) -> None:
    """A tar ends with at least two blocks of zeros; tarfile takes a damaged or cut member for the end, too."""
    length = 0
    while chunk := archive.fileobj.read(CHUNK):
        room.take(len(chunk))
        length += len(chunk)
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a member's header is damaged, or something follows the end")
    if length == 0:
        raise tarfile.ReadError("it ends without the mark of the end")


def _refusal(name: str, names: set[PurePosixPath]) -> str | None:
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
    if path in names:
        return "is the second member of this name"
    names.add(path)
    return None


def _skipped(name: str, reason: str) -> Skipped:
    """Escaped where it could not be written into a table."""
    return Skipped(name if name.isprintable() else ascii(name)[1:-1], reason)


def _copy(content: IO[bytes], to: Path, room: _Room) -> str | None:
    """Write a member; give the reason if its name is too long, or if a file stands where it needs a folder.

    Raises:
        ArtifactError: there is no room for it.
    """
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        file = to.open("xb")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return "its name is too long"
        if error.errno in (errno.EEXIST, errno.EISDIR, errno.ENOTDIR):
            return "its name takes a file for a folder, or a folder for a file"
        raise _no_room(error) from error
    try:
        with file:
            while chunk := content.read(CHUNK):
                room.take(len(chunk))
                _write(file, chunk)
    except BaseException:
        to.unlink()
        raise
    return None


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:  # told from one of reading the archive
        raise _no_room(error) from error


def _no_room(error: OSError) -> ArtifactError:
    return ArtifactError(f"can't unpack: {error.strerror}; make room on the disk of this repository")


class _Room:
    """How much may still be unpacked of an archive, so that none fills the disk."""

    def __init__(self, name: str, packed: int, bar: tqdm) -> None:
        self.name = name
        self.bar = bar
        self.limit = min(MAX_UNPACKED, max(SMALL, MAX_RATIO * packed))
        self.used = 0

    def take(self, count: int) -> None:
        """Raises: ArtifactError: that is more than an honest archive of photographs holds."""
        self.used += count
        self.bar.update(count)
        if self.used > self.limit:
            raise ArtifactError(
                f"{self.name}: unpacks to more than {self.limit >> 20} MiB, which is {MAX_RATIO} times its own size or "
                f"{MAX_UNPACKED >> 30} GiB; if it is no archive bomb, unpack it yourself and use the source folder"
            )
