"""What a failed transfer means and what to do: from what DVC and its file systems log and raise, to one paragraph.

Only words are chosen here; what is done before and after stands in sharing.py.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.remote import KINDS, Kind


@dataclass(frozen=True)
class Fault:
    """A cause that a user can do something about."""

    signs: re.Pattern[str]  # in the texts of the errors
    message: str


def _fault(signs: str, message: str) -> Fault:
    return Fault(re.compile(signs, re.IGNORECASE), message)


# The first that fits is told: a refused login also looks like a lost connection, and a full disk like no permission.
FAULTS = [
    _fault(
        r"LockError|is busy",
        "Another DVC command is at work in this clone. Wait for its end, then run this again.",
    ),
]


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
        """From now on. What DVC does with a corrupt object, it says with -v alone; from now on it is an error."""
        for name in ("dvc", "dvc_data", "dvc_objects"):
            logging.getLogger(name).addHandler(self)
        objects = logging.getLogger("dvc_data.hashfile.db")
        objects.setLevel(logging.DEBUG)
        objects.addFilter(_as_error)


def _as_error(record: logging.LogRecord) -> bool:
    record.levelno, record.levelname = logging.ERROR, "ERROR"
    return True


def lineage(error: BaseException | None) -> Iterator[str]:
    """An error and what it came from, each with its class."""
    while error is not None:
        yield f"{type(error).__name__} {error}"
        error = error.__cause__ or error.__context__


def advice(verb: str, kind: Kind, texts: list[str]) -> str:
    return "ADVICE"
