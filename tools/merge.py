"""Resolves conflicts in generated files: `python -m tools.merge`, before the rebuild (`make merge`).

dvc.lock is merged stage by stage, the table of studies run by run: each entry comes from the branch that ran it. Other
files in metrics are taken from one branch; the rebuild writes them again. Files that people write are never touched.
"""

import re
import subprocess
from pathlib import Path

from stages.common import leftovers
from stages.common.artifacts import write_bytes, write_text
from tools import LOCK

STUDIES = Path("metrics/studies.csv")
GENERATED = ("dvc.lock", "metrics")


def main() -> None:
    listed = subprocess.run(["git", "ls-files", "--unmerged"], stdout=subprocess.PIPE, text=True, check=False)
    if listed.returncode != 0:
        raise SystemExit("merge: git can't list the conflicts; it says above why")
    conflicts = dict.fromkeys(line.split("\t")[1] for line in listed.stdout.splitlines())
    by_hand = [path for path in conflicts if not any(Path(path).is_relative_to(name) for name in GENERATED)]
    if by_hand:
        raise SystemExit(f"merge: resolve {', '.join(by_hand)} by hand, `git add` them, then run make merge again")
    for path in map(Path, conflicts):
        base, ours, theirs = (version(side, path) for side in (1, 2, 3))
        if ours and theirs and path in (LOCK, STUDIES):
            write_text(path, merged(path, (base or b"").decode(), ours.decode(), theirs.decode()))
            print(f"merge: {path}: each entry is taken from the branch that ran it")
        elif base and not (ours and theirs):
            path.unlink(missing_ok=True)  # one side removed it; the rebuild decides
        else:
            write_bytes(path, ours or theirs or b"")  # of one side only: a renamed file
    leftovers.remove()


def merged(path: Path, base: str, ours: str, theirs: str) -> str:
    """A lock file or the table of studies, merged entry by entry."""
    split = split_lock if path == LOCK else split_table
    (_, before), (head, mine), (_, other) = map(split, (base, ours, theirs))
    return head + "".join(three_way(before, mine, other).values())


def three_way(base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    """Merge entries: a change or removal on one side is kept; where both changed an entry, ours is.

    If that does not belong to the merged params and code, DVC or `make study` runs it again. The order is that of ours;
    entries that theirs added come last.
    """
    entries = {}
    for name in {**ours, **theirs}:
        if name in base and not (name in ours and name in theirs):
            continue
        changed_here = name in ours and ours[name] != base.get(name)
        entries[name] = ours[name] if changed_here or name not in theirs else theirs[name]
    return entries


def split_lock(text: str) -> tuple[str, dict[str, str]]:
    """The text of a lock file before its stages, and each stage's text by name."""
    head, *parts = re.split(r"^(?=  \S)", text, flags=re.MULTILINE)
    return head, {part.partition(":\n")[0].strip(): part for part in parts}


def split_table(text: str) -> tuple[str, dict[str, str]]:
    """The header of the table of studies, and its rows by study and run, the first two columns."""
    head, *rows = text.splitlines(keepends=True) or [""]
    return head, {",".join(row.split(",")[:2]): row for row in rows}


def version(side: int, path: Path) -> bytes | None:
    """A file in conflict in the common ancestor (1), on this branch (2) or the other (3); None if it lacks it."""
    result = subprocess.run(["git", "show", f":{side}:{path}"], capture_output=True, check=False)
    return result.stdout if result.returncode == 0 else None


if __name__ == "__main__":
    main()
