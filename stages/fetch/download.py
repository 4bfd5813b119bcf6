"""A file from the first of several URLs that gives it, kept in the user's cache under its sha256."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from stages.common.artifacts import ArtifactError, sha256_of
from stages.fetch.address import shown, without_secrets

CACHE = "AUTOENCODER_GRAYSCALE_CACHE"  # environment variable: where downloads are kept, instead of the user's cache
TRIES = 3  # per URL
WAIT = 1.0  # seconds before the second try, twice that before the third
TIMEOUT = 30.0  # seconds without a byte from the server
TRY_AGAIN = (408, 429)  # HTTP codes below 500 that may pass: Request Timeout, Too Many Requests (RFC 9110, RFC 6585)
CHUNK = 1 << 20  # bytes


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
    """The message about a file that has another sha256."""
    return f"sha256 is {found[:12]}…, params.yaml says {wanted[:12]}…"


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
        raise ArtifactError(another_hash(found, sha256))


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
