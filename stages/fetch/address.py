"""How addresses are shown to people and kept in manifests: without passwords, and without paths of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

URL = re.compile(r"(?P<scheme>[a-z0-9+.-]+://)(?:[^/?#]*@)?(?P<rest>[^?#]*)", re.IGNORECASE)
SECURE_SHELL = re.compile(r"[^/:]+@(?P<rest>[^/:]+:.+)")  # git's short form, git@host:owner/repository


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
