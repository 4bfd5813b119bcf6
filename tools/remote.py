"""Set the team's DVC remote up: `python -m tools.remote URL [--endpoint URL]` (`make remote`).

Its URL goes into .dvc/config, which git keeps. Secrets never do: what is printed says where each colleague puts them.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dvc.config import Config, ConfigError
from dvc.repo import Repo

NAME = "team"
SILENCE = 30  # seconds without an answer after which a request is given up; of S3 it is made up to ten times


class RemoteError(Exception):
    """A URL that can't be the team's remote; the message says why, and what to do."""


@dataclass(frozen=True)
class Kind:
    """One kind of remote: what it needs, and where its secrets go."""

    title: str
    package: str  # what DVC needs to speak to it
    options: dict[str, Any] = field(default_factory=dict)  # of the remote, beside `url` and `verify`
    secrets: tuple[str, ...] = ()  # options of the remote, for `dvc remote modify --local`
    otherwise: str = ""  # how else the secrets can be given

    def where_secrets_go(self) -> str:
        """The commands, one per line, and what can be done instead; nothing if there are no secrets."""
        commands = [f"  dvc remote modify --local {NAME} {option} …" for option in self.secrets]
        return "\n".join([*commands, f"  or {self.otherwise}"] if commands else [])


WEBDAV = Kind(
    "WebDAV",
    "dvc_webdav",
    {"timeout": SILENCE},
    ("user", "password"),
    "`ask_password true` for the password, or `token`",
)
KINDS = {
    "": Kind("a folder that all can reach, such as NFS", "dvc"),
    "s3": Kind(
        "S3 and what speaks it",
        "dvc_s3",
        {"connect_timeout": SILENCE, "read_timeout": SILENCE},
        ("access_key_id", "secret_access_key"),
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or a `profile` of ~/.aws",
    ),
    "ssh": Kind("SSH", "dvc_ssh", {}, ("user", "keyfile"), "a key of ssh-agent or ~/.ssh, or `ask_password true`"),
    "webdav": WEBDAV,
    "webdavs": WEBDAV,
}


def main() -> None:
    """Write .dvc/config and print what to do next, or exit with a message."""
    parser = argparse.ArgumentParser(prog="python -m tools.remote", description=__doc__)
    parser.add_argument("url", help="a folder, s3://bucket/folder, ssh://host/folder, webdav(s)://host/folder")
    parser.add_argument("--endpoint", default="", help="of s3:// alone: the server, if it is not Amazon's")
    arguments = parser.parse_args()
    try:
        kind = checked(arguments.url, arguments.endpoint)
        where = write(arguments.url, arguments.endpoint)
    except (RemoteError, ConfigError) as error:
        raise SystemExit(f"remote: {error}") from None
    print(f"remote: {NAME} is {where}, the default remote; written to .dvc/config")
    if kind.secrets:
        print(f"Each colleague, in each clone; git never sees it:\n{kind.where_secrets_go()}")
    print('Then:\n  git commit --message "Share results" .dvc/config\n  make share')


def kind_of(url: str) -> Kind:
    """The kind of remote that a URL or path names.

    Raises:
        RemoteError: none of the known ones.
    """
    scheme = scheme_of(url)
    if scheme not in KINDS:
        raise RemoteError(f"{scheme}:// is not known here; use a folder, s3://, ssh://, webdav:// or webdavs://")
    return KINDS[scheme]


def scheme_of(url: str) -> str:
    """What stands before `://`; empty for a path."""
    return urlsplit(url).scheme if "://" in url else ""


def checked(url: str, endpoint: str) -> Kind:
    """The kind of remote, if the URL and the endpoint can be used, and committed.

    Raises:
        RemoteError: a password in one of them, an unknown scheme, an incomplete URL, a folder that isn't there, an
            endpoint that does not belong, or an optional package that isn't installed.
    """
    kind = kind_of(url)
    refuse_credentials(url, kind)
    refuse_credentials(endpoint, kind)
    if kind is not KINDS["s3"] and endpoint:
        raise RemoteError("ENDPOINT belongs to s3:// alone")
    if endpoint and not re.match(r"https?://[^/]", endpoint):
        raise RemoteError(f"ENDPOINT {endpoint} must be a URL like https://s3.example.org")
    if kind is KINDS[""]:
        if not Path(url).expanduser().is_dir():
            raise RemoteError(f"{url} is not a folder; make or mount it first")
    elif not urlsplit(url).netloc:
        raise RemoteError(f"{url} names no {'bucket' if kind is KINDS['s3'] else 'server'}")
    if find_spec(kind.package) is None:
        raise RemoteError(f"{kind.title} needs a package that is not installed: make setup-remotes")
    return kind


def refuse_credentials(url: str, kind: Kind) -> None:
    """Let no URL pass with a password, or for S3 a key, in it.

    Raises:
        RemoteError: there is one; the message does not repeat it.
    """
    parts = urlsplit(url)
    if "://" in url and (":" in parts.netloc.rpartition("@")[0] or (kind is KINDS["s3"] and "@" in parts.netloc)):
        raise RemoteError(
            f"{without_user(parts)} was given with a secret in it, which git would keep for ever; give it without:\n"
            f"{kind.where_secrets_go()}"
        )


def without_user(parts: SplitResult) -> str:
    """A URL without what stands before @."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def write(url: str, endpoint: str) -> str:
    """Make the URL, or path relative to the working directory, the default remote in .dvc/config.

    Other options of the remote stay if it stays of the same kind.

    Returns:
        The remote, in words.

    Raises:
        ConfigError: .dvc/config.local holds what a remote of this kind does not have.
    """
    kind = kind_of(url)
    server = {"endpointurl": endpoint} if endpoint else {}
    try:
        config = Config(Repo.find_dvc_dir(), validate=False)
        with config.edit("repo", validate=False) as file:
            before = file["remote"].get(NAME, {})
            kept = before if "url" in before and KINDS.get(scheme_of(before["url"])) is kind else {}
            kept.pop("endpointurl", None)
            file["remote"][NAME] = {**kind.options, **kept, "url": url, "verify": True, **server}
            file["core"]["remote"] = NAME
        config.load()
    except ConfigError as error:
        raise ConfigError(f"{error}\n.dvc/config.local is of another kind of remote; correct it there") from None
    return f"{url} at {endpoint}" if endpoint else url


if __name__ == "__main__":
    main()
