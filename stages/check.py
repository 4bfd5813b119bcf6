"""`python -m stages.check`: check params.yaml and the folders of photographs that it names, before any work.

DVC reads these folders before it starts a stage. It fails on some files without naming them, and hangs on others.
"""

import os
from pathlib import Path

from grayscale.reading.names import shown
from stages.common import settings
from stages.fetch.source import read
from stages.targets.cutting import require_known

RWLOCK = Path(".dvc/tmp/rwlock")  # which DVC process reads and writes what


def check() -> None:
    """Raise `SettingsError` if a stage would refuse params.yaml; it names each key or file."""
    checked = settings.load()
    sources = {"fetch": checked.fetch, **{f"test_sets.{name}": source for name, source in checked.test_sets.items()}}
    inputs = {key: read(key, source).inputs for key, source in sources.items()}
    require_known(checked.targets.conversion)
    for key, folder in inputs.items():
        below = [Path(here, name) for here, folders, files in os.walk(folder) for name in (*folders, *files)]
        faults = sorted(f"{shown(path.relative_to(folder))}: {why}" for path in below if (why := _unreadable(path)))
        if faults:
            lines = "\n  ".join([f"{key}.inputs: DVC can't read all of {folder}; move or rename:", *faults])
            raise settings.SettingsError(lines)


def _unreadable(path: Path) -> str | None:
    """Why DVC can't read a file or folder."""
    try:
        os.fsencode(path.name).decode("utf-8")
        if path.is_file() or path.is_dir():
            return None
    except UnicodeDecodeError:
        return "its name is not UTF-8"
    except OSError as error:  # no permission to enter its folder
        return str(error.strerror)
    return "a link to nowhere, or to no file or folder" if path.is_symlink() else "a FIFO, a socket or a device"


if __name__ == "__main__":
    try:
        check()
    except settings.SettingsError as error:
        raise SystemExit(str(error)) from None
    if RWLOCK.exists() and not RWLOCK.stat().st_size:
        RWLOCK.unlink()  # a kill can leave DVC's lock file empty, and DVC fails on it
