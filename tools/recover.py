"""After a kill: `python -m tools.recover`.

DVC writes down which process uses what, in a file that it writes in place. A kill in that moment leaves the file cut
off, and every later `dvc repro` stops at it. Here such a file is removed.
"""

from __future__ import annotations

import json
from pathlib import Path

from dvc.lock import LockError, make_lock

BOOKS = Path(".dvc/tmp/rwlock")


def main() -> None:
    """Remove the file if it is cut off; nobody is writing it while DVC's own guard is held."""
    if not BOOKS.exists():
        return
    try:
        with make_lock(str(BOOKS.with_name("rwlock.lock")), tmp_dir=str(BOOKS.parent)):
            if not is_whole(BOOKS):
                BOOKS.unlink()
                print(f"recover: {BOOKS} was cut off when DVC was killed; removed it")
    except LockError:
        return  # DVC is at work, so that it can read the file


def is_whole(path: Path) -> bool:
    """Is it JSON?"""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    main()
