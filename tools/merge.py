"""After `git merge` stopped in results: `python -m tools.merge` before the rebuild, `--add` after it (`make merge`).

In dvc.lock each stage gets the entry of the branch that ran it, and so does each run in the table of studies. The other
files in metrics are left as one branch has them: the rebuild writes them anew. What people write is never touched.
"""

import argparse
import re
import subprocess
from pathlib import Path

from stages.common import leftovers
from stages.common.artifacts import write_bytes, write_text
from tools import DVC, LOCK, ToolError, read_lock

STUDIES = Path("metrics/studies.csv")
GENERATED = ("dvc.lock", "metrics")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.merge", description=__doc__)
    parser.add_argument("--add", action="store_true", help="add the generated files to git's index, after the rebuild")
    try:
        if parser.parse_args().add:
            run("git", "add", "--all", "--", *GENERATED)
            print("merge: results are current and added; look at `git status`, then `git commit`")
        else:
            settle()
            prune()
    except ToolError as error:
        raise SystemExit(f"merge: {error}") from None


def settle() -> None:
    """Leave no conflict in a generated file; `ToolError` if a file that people write is in conflict."""
    conflicts = dict.fromkeys(line.split("\t")[1] for line in run("git", "ls-files", "--unmerged").splitlines())
    by_hand = [path for path in conflicts if not any(Path(path).is_relative_to(name) for name in GENERATED)]
    if by_hand:
        raise ToolError(f"written by hand: {', '.join(by_hand)}. Edit, `git add` them, then run make merge again")
    for path in map(Path, conflicts):
        base, ours, theirs = (version(side, path) for side in (1, 2, 3))
        if path in (LOCK, STUDIES) and ours and theirs:
            write_text(path, merged(path, (base or b"").decode(), ours.decode(), theirs.decode()))
            print(f"merge: {path}: each entry as the branch has it that ran it")
        elif base is not None and (ours is None or theirs is None):
            path.unlink(missing_ok=True)  # one side removed it; the rebuild decides
        else:
            write_bytes(path, ours if ours is not None else theirs or b"")


def merged(path: Path, base: str, ours: str, theirs: str) -> str:
    """A lock file or the table of studies with each stage or run as the side has it that ran it."""
    split = split_lock if path == LOCK else split_table
    (_, before), (head, mine), (_, other) = map(split, (base, ours, theirs))
    return head + "".join(three_way(before, mine, other).values())


def three_way(base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    """Entry by entry what the two sides made of `base`: a change of one side holds, so does a removal.

    Where both have changed an entry, ours is taken. If it does not belong to the merged params and code, DVC, or
    `make study`, runs it again. The order is that of ours; what theirs added comes last.
    """
    found = {}
    for name in {**ours, **theirs}:
        if name in base and not (name in ours and name in theirs):
            continue
        changed_here = name in ours and ours[name] != base.get(name)
        found[name] = ours[name] if changed_here or name not in theirs else theirs[name]
    return found


def split_lock(text: str) -> tuple[str, dict[str, str]]:
    """The text of a lock file before its stages, and each stage's text by its name."""
    head, *parts = re.split(r"^(?=  \S)", text, flags=re.MULTILINE)
    return head, {part.partition(":\n")[0].strip(): part for part in parts}


def split_table(text: str) -> tuple[str, dict[str, str]]:
    """The header of the table of studies, and each row by its first two columns, study and run."""
    head, *rows = text.splitlines(keepends=True) or [""]
    return head, {",".join(row.split(",")[:2]): row for row in rows}


def prune() -> None:
    """Remove what a removed variant left: its outputs, as stages do, and its entries in dvc.lock, which DVC keeps.

    Raises:
        ToolError: DVC can't list the stages.
    """
    leftovers.remove()
    known = run(*DVC, "stage", "list", "--name-only").split()
    dropped = [name for name in read_lock() if name not in known]
    if dropped:
        head, entries = split_lock(LOCK.read_text(encoding="utf-8"))
        write_text(LOCK, head + "".join(text for name, text in entries.items() if name in known))
        print(f"merge: removed {', '.join(dropped)} from {LOCK}")


def version(side: int, path: Path) -> bytes | None:
    """A file in conflict where the branches parted (1), on this branch (2), on the other (3); None if it has none."""
    done = subprocess.run(["git", "show", f":{side}:{path}"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def run(*command: str) -> str:
    """What a command of git or DVC prints; `ToolError` with its message if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
