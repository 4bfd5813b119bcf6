"""Helpers of sources: download files, and show addresses without secrets."""

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from stages.common.artifacts import ArtifactError

CACHE = "AUTOENCODER_GRAYSCALE_CACHE"  # environment variable: folder for downloads, instead of the user's cache
TRIES = 3  # per URL
WAIT = 1.0  # seconds before the second try, twice that before the third
TIMEOUT = 30.0  # seconds without a byte from the server
TRY_AGAIN = (408, 429)  # temporary HTTP errors below 500: Request Timeout, Too Many Requests (RFC 9110, RFC 6585)

URL = re.compile(r"(?P<scheme>[a-z0-9+.-]+://)(?:[^/?#]*@)?(?P<rest>[^?#]*)", re.IGNORECASE)
SECURE_SHELL = re.compile(r"[^/:]+@(?P<rest>[^/:]+:.+)")  # git's short form, git@host:owner/repository


# === Addresses ===


def shown(address: str) -> str:
    """A URL without user, password, query and fragment, which may hold tokens; the last part of a local path."""
    if found := SECURE_SHELL.fullmatch(address):
        return found["rest"]
    found = URL.match(address)
    if found is None or found["scheme"].lower() == "file://":
        return Path(address.removeprefix("file://")).absolute().name  # of a link, not of its target
    return found["scheme"] + found["rest"]


def file_name(url: str) -> str:
    """The last part of a URL's path, unquoted; the host of a URL without a path."""
    return unquote(shown(url).rstrip("/").rpartition("/")[2])


def without_secrets(text: str, address: str) -> str:
    """`text` with `address` replaced by `shown(address)`, and without user and password in other URLs."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text.replace(address, shown(address)))


# === Downloads ===


def downloaded(urls: Sequence[str], sha256: str) -> Path:
    """The file in the cache, downloaded from the first URL that has it.

    Server errors, broken connections and timeouts are retried. Proxies come from the environment. `ArtifactError` says
    what each URL gave; failed downloads are removed.
    """
    failures = []
    for url in urls:
        try:
            return _fetched(url, sha256)
        except ArtifactError as error:
            failures.append(f"  {shown(url)}: {error}")
    raise ArtifactError(
        f"the archive with sha256 {sha256[:12]}… can't be downloaded:\n" + "\n".join(failures) + "\n"
        "Correct `urls` or `sha256`, or get the file yourself: set `inputs` to its path, and remove `urls`"
    )


def _fetched(url: str, sha256: str, attempt: int = 1) -> Path:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # at INFO it prints the URL with its password
    cache = os.environ.get(CACHE) or pooch.os_cache("autoencoder-grayscale")
    download = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 20, timeout=TIMEOUT)
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", sha256, cache, downloader=download))
    except (OSError, ValueError) as error:  # ValueError for another sha256, and for a malformed URL
        status = getattr(getattr(error, "response", None), "status_code", 0)
        final = isinstance(error, ValueError) or (400 <= status < 500 and status not in TRY_AGAIN)
        if final or attempt == TRIES:
            raise ArtifactError(without_secrets(_cause(error), url)) from error
    time.sleep(WAIT * attempt)
    return _fetched(url, sha256, attempt + 1)


def _cause(error: BaseException) -> str:
    """The message of the first error in a chain of requests and urllib3."""
    response = getattr(error, "response", None)
    if response is not None and response.status_code >= 400:
        return f"{response.status_code} {response.reason}"
    while deeper := error.__cause__ or error.__context__:
        error = deeper
    return str(error)
