"""List the files below a folder, and escape their names for display."""

import os
import re
from pathlib import Path

# Control characters, bidirectional controls and line separators.
UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LINKED = "a symbolic link to a folder is not followed, as DVC does not; put the files here"


def shown(name: object) -> str:
    """The name with unsafe characters and bytes that are not UTF-8 escaped, as in `\\x1b` or `\\u202e`."""
    text = os.fsencode(str(name)).decode("utf-8", "backslashreplace")
    return UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else ascii(found[0])[1:-1], text)


def walk(top: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """All files below `top`, and the folders that are not entered with the reason: relative paths, sorted.

    Hidden files and folders are ignored. Links to folders are not followed.
    """
    names: list[str] = []
    closed: dict[str, str] = {}

    def below(*parts: str) -> str:
        return Path(*parts).relative_to(top).as_posix()

    def unreadable(error: OSError) -> None:
        closed[below(error.filename)] = "no permission to list this folder"

    for here, folders, files in os.walk(top, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [below(here, name) for name in folders if Path(here, name).is_symlink()]
        closed |= dict.fromkeys(links, LINKED)
        names += [below(here, name) for name in files if not name.startswith(".")]
    return sorted(names), sorted(closed.items())
