"""What a failed transfer means and what to do: from what DVC and its file systems log and raise, to one paragraph.

Only causes and words live here; docs/team.md lists the same words, and what is done stands in sharing.py.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.remote import Kind


@dataclass(frozen=True)
class Fault:
    """A cause that a user can do something about, and the signs of it in the texts of errors."""

    meaning: str
    action: str
    signs: str = "(?!)"  # a regular expression, whose case does not matter


LOGIN = Fault(
    "The remote did not let you in: your user, key or password for it is missing, wrong or expired.",
    "Set it in this clone, then run this again:",  # and how, by the kind of remote
    r"Permission denied for user|NoCredentials|PartialCredentials|received 401|\(403\) when calling the Head"
    r"|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken",
)
ABSENT = Fault(
    "The remote's bucket or folder is not there.",
    "Make or mount it, or correct its URL: make remote URL=…",
    r"NoSuchBucket|ResourceConflict|SFTPNoSuchFile",
)
FULL = Fault(
    "The remote is full.",
    "What has arrived there is kept. Make room on it, then run this again.",
    r"\[Errno (28|122)\]|received 507|QuotaExceeded|StorageFull",
)
HERE_FULL = Fault("The disk of this machine is full.", "Make room, then run this again.", FULL.signs)
FORBIDDEN = Fault(
    "The remote let you in, but does not allow this: writing there may be for others.",
    "Ask who runs it for the right; to take over results, reading is enough.",
    r"AccessDenied|received 403|SFTPPermissionDenied|\[Errno (13|30)\]",
)
HERE_FORBIDDEN = Fault(
    "A file or folder that is named above may not be read or written by you.",
    "See whose it is, and what its rights are, then run this again.",
    r"\[Errno (13|30)\] [^:\n]*: '",  # a path of this machine; remotes name none
)
PACKAGE = Fault(
    "A package is missing that this kind of remote needs.",
    "Install it: make setup-remotes, then run this again.",
    r"RemoteMissingDeps|requires 'dvc-",
)
FAILING = Fault(
    "The remote failed with an error of its own; most often it is full.",
    "What has arrived there is kept. Ask who runs it to look at its disk and its log, then run this again.",
    r"received 500|\(500\)|InternalError|SFTPFailure",
)
LOST = Fault(
    "The remote can't be reached, or the connection was lost.",
    "What has arrived is kept. See that the server and your network are up, then run this again.",
    r"Connect|Timeout|timed out|gaierror|BrokenPipe|RemoteProtocolError|ResponseStreaming|IncompleteRead|PayloadError"
    r"|(received |\()50[234]|SlowDown",
)
CORRUPT = Fault(
    "What the remote holds is corrupt there; nothing of it was taken over.",
    "Whoever has a sound copy, such as the one who made it, runs make audit REPAIR=1; then run this again. Without one,"
    " make repro makes it anew, and make audit REPAIR=1 after it replaces what is corrupt.",
    r"is corrupt on the remote",
)
BUSY = Fault(
    "Another DVC command is at work in this clone.",
    "Wait for its end, then run this again.",
    r"LockError|is busy",
)
STAGE = Fault(
    "A stage failed; what it said stands above.",
    "Nothing is wrong with the remote. Mend it, then run this again, or make repro.",
    r"StageCmdFailedError",
)
UNKNOWN = Fault(
    "This failed for a reason that is not known here; it stands above.",
    "What has arrived is kept: when it is mended, run this again.",
)

# The first that fits is told: a refused login can also look like a lost connection.
OF_SHARE = (PACKAGE, LOGIN, ABSENT, FULL, FORBIDDEN, LOST, FAILING, BUSY)
OF_PULL = (STAGE, PACKAGE, LOGIN, ABSENT, HERE_FULL, HERE_FORBIDDEN, FORBIDDEN, LOST, FAILING, CORRUPT, BUSY)


def advice(known: tuple[Fault, ...], texts: list[str], kind: Kind) -> str:
    """What the errors mean and what to do, for a remote of this kind."""
    fault = next((fault for fault in known if re.search(fault.signs, "\n".join(texts), re.IGNORECASE)), UNKNOWN)
    lines = [f"{fault.meaning} {fault.action}"]
    return "\n".join([*lines, kind.where_secrets_go()] if fault is LOGIN else lines)


class Causes(logging.Handler):
    """Reads along what DVC logs, and keeps the errors as text."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error with what it came from."""
        error = record.exc_info[1] if record.exc_info else None
        self.texts.append(": ".join([record.getMessage(), *lineage(error)]))

    def listen(self) -> None:
        """From now on."""
        for name in ("dvc", "dvc_data", "dvc_objects"):
            logging.getLogger(name).addHandler(self)


def lineage(error: BaseException | None) -> Iterator[str]:
    """An error and what it came from, each with its class."""
    while error is not None:
        yield f"{type(error).__name__} {error}"
        error = error.__cause__ or error.__context__
