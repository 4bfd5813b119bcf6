"""What sources fetch from elsewhere: files by URL, folders that are filled once, addresses without secrets."""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from stages.common.artifacts import ArtifactError, read_json, sha256_of, write_json
from stages.fetch.photograph import Skipped
from stages.formats.container import faults_named

CACHE = "AUTOENCODER_GRAYSCALE_CACHE"  # environment variable: where downloads are kept, instead of the user's cache
TRIES = 3  # per URL
WAIT = 1.0  # seconds before the second try, twice that before the third
TIMEOUT = 30.0  # seconds without a byte from the server
TRY_AGAIN = (408, 429)  # HTTP codes below 500 that may pass: Request Timeout, Too Many Requests (RFC 9110, RFC 6585)
CHUNK = 1 << 20  # bytes

FILES, SKIPPED = "files", "skipped.json"
URL = re.compile(r"(?P<scheme>[a-z0-9+.-]+://)(?:[^/?#]*@)?(?P<rest>[^?#]*)", re.IGNORECASE)
SECURE_SHELL = re.compile(r"[^/:]+@(?P<rest>[^/:]+:.+)")  # git's short form, git@host:owner/repository


# === Addresses ===


def shown(address: str) -> str:
    """A URL without user, password, query and fragment, where tokens hide; of a local path the last part alone."""
    if found := SECURE_SHELL.fullmatch(address):
        return found["rest"]
    found = URL.match(address)
    if found is None or found["scheme"].lower() == "file://":
        return Path(address.removeprefix("file://")).absolute().name  # of a link its own name, not its target's
    return found["scheme"] + found["rest"]


def file_name(url: str) -> str:
    """The last part of a URL's path, as people wrote it; of a URL without a path the host."""
    return unquote(shown(url).rstrip("/").rpartition("/")[2])


def without_secrets(text: str, address: str) -> str:
    """`text` with `address` as `shown` gives it, and without user and password in any other URL."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text.replace(address, shown(address)))


# === Downloads ===


def downloaded(urls: Sequence[str], sha256: str) -> Path:
    """The file in the cache; downloaded from the first of the URLs that gives it, if need be.

    A server error, a broken connection and silence are tried again, other answers are not. Proxies are those of the
    environment, as the package requests takes them.

    Raises:
        ArtifactError: no URL gives it; says what each gave. Nothing of a failed download is left behind.
    """
    failures = []
    for url in urls:
        try:
            return _fetched(url, sha256)
        except ArtifactError as error:
            failures.append(f"  {shown(url)}: {error}")
    raise ArtifactError(
        f"the archive with sha256 {sha256[:12]}… can't be downloaded:\n" + "\n".join(failures) + "\n"
        "Correct `urls` or `sha256`, or get the file yourself: its path as `inputs`, and no `urls`"
    )


def another_hash(found: str, wanted: str) -> str:
    """How an error tells that a file is another one than was meant."""
    return f"sha256 is {found[:12]}…, params.yaml says {wanted[:12]}…"


def _fetched(url: str, sha256: str, attempt: int = 1) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it would print the URL, and passwords in it
    cache = os.environ.get(CACHE) or pooch.os_cache("autoencoder-grayscale")
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", sha256, cache, downloader=partial(_download, sha256)))
    except (OSError, ValueError) as error:  # those of requests are OSError, of malformed URLs ValueError
        status = getattr(getattr(error, "response", None), "status_code", 0)
        if attempt == TRIES or (400 <= status < 500 and status not in TRY_AGAIN):
            raise ArtifactError(without_secrets(_cause(error), url)) from error
    time.sleep(WAIT * attempt)
    return _fetched(url, sha256, attempt + 1)


def _download(sha256: str, url: str, output: str, _: object) -> None:
    """Write what `url` gives to `output`, and refuse another file: pooch would, too, but not say what came."""
    import pooch

    pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=CHUNK, timeout=TIMEOUT)(url, output, None)
    with Path(output).open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()  # after a byte order mark
    if start.startswith((b"<!doctype html", b"<html")):
        raise ArtifactError("is an HTML page, not an archive: of an error, a login, or a page that links to the file")
    found = sha256_of(Path(output))
    if found != sha256:
        raise ArtifactError(another_hash(found, sha256))


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


# === Folders that are filled once ===


def once(folder: Path, fill: Callable[[Path], Iterable[Skipped] | None]) -> tuple[Path, list[Skipped]]:
    """Fill a folder below `folder`, unless an earlier run has finished that.

    `folder` is below `Stage.keep`: all workers see it, and it is removed when the stage has ended well. `fill` gets the
    path of a folder that it must create, and gives the faults that it meets, if any. Of a try that raises, nothing is
    left. Returns that folder, and the faults; raises `ArtifactError` if it can't be written, and what `fill` raises.
    """
    if not folder.exists():
        building = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(building, ignore_errors=True)  # what a killed run left
        try:
            with faults_named(building):
                building.mkdir(parents=True)
                skipped = [(fault.name, fault.reason) for fault in fill(building / FILES) or ()]
                write_json(building / SKIPPED, skipped)
                os.sync()  # or after a power failure the folder might have its name, and its files no content
                building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder / FILES, [Skipped(name, reason) for name, reason in read_json(folder / SKIPPED)]
