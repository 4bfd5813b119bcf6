"""What lies in a folder of photographs that DVC would stop at, or wait for, before any code of ours runs."""

import os
import stat
from pathlib import Path

from grayscale.reading.names import shown

KINDS = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def unfit(inputs: Path) -> list[str]:
    """Each such name below `inputs`, sorted, with the reason; hidden ones, too, as DVC reads them."""
    found = []
    for here, folders, files in os.walk(inputs):
        for path in [Path(here, name) for name in (*folders, *files)]:
            if reason := _reason(path):
                found.append(f"{shown(path.relative_to(inputs))}: {reason}")
    return sorted(found)


def _reason(path: Path) -> str | None:
    try:
        os.fsencode(path.name).decode("utf-8")
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a symbolic link to nowhere"
    except OSError as error:  # a loop of links, for one
        return str(error.strerror)
    kind = KINDS.get(stat.S_IFMT(mode))
    return kind and (f"a link to {kind}" if path.is_symlink() else kind)
