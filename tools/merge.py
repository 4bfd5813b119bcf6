"""Results after `git merge` stopped in them: `make merge`, whose parts without a rebuild are `python -m tools.merge`.

Nobody edits what is generated, so that nobody should settle conflicts in it. The lock file is merged stage by stage;
the rest is built anew. README.md keeps only conflicts in what people write.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages.common.artifacts import write_bytes, write_text
from tools import orphans
from tools.readme import README, described

LOCK_FILES = ("dvc.lock",)
GENERATED = (*LOCK_FILES, "metrics", "docs/converted.png", str(README))
HEADS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")
PART = re.compile(r"(<!-- (?!end )(\w+) -->\n)(.*?)(?=<!-- end -->)", flags=re.DOTALL)
MARKER = re.compile(r"^(<{7}|>{7}) ", flags=re.MULTILINE)
ANYTHING = re.compile("")
OURS, THEIRS = "this branch", "the other branch"

Sides = tuple[bytes | None, bytes | None, bytes | None]  # where the branches parted, this branch, the other one


class ByHandError(Exception):
    """A conflict that only a person can settle; the message names the file and says what to do."""


def main() -> None:
    """Settle what can be settled, before the rebuild; with `--add`, hand the rebuilt files to git."""
    parser = argparse.ArgumentParser(prog="python -m tools.merge", description=__doc__)
    parser.add_argument("--add", action="store_true", help="add the generated files to git's index, after the rebuild")
    try:
        add() if parser.parse_args().add else settle()
    except ByHandError as error:
        raise SystemExit(f"merge: {error}") from None


def settle() -> None:
    """Leave no conflict in a generated file, and no data of a variant that the merged params don't have.

    Raises:
        ByHandError: no merge is in progress; or a file written by hand is in conflict, README.md as the last.
    """
    conflicts = unmerged()
    if not conflicts and not in_progress():
        raise ByHandError("nothing to do: no merge is in progress")
    others = [path for path in conflicts if not is_generated(path)]
    if others:
        raise ByHandError(
            f"in conflict, and written by hand: {', '.join(others)}. Edit them, `git add` them, then `make merge` again"
        )
    for path in conflicts:
        if path != str(README):
            settle_file(Path(path), versions(path))
            print(f"merge: {path}: {'merged by stage' if path in LOCK_FILES else 'as one branch has it, for now'}")
    remove_dropped()
    if "metrics/studies.csv" in conflicts:
        print("merge: `make study` does those runs of the studies again that the merged table does not have")
    if str(README) in conflicts:
        settle_readme(versions(str(README)))


def settle_file(path: Path, sides: Sides) -> None:
    """Write a generated file as the sides have it, or remove it where one of them did.

    One that only a side has, and never was where they parted, is new: git reports it where both have renamed a file.
    """
    base, ours, theirs = sides
    if str(path) in LOCK_FILES and ours and theirs:
        write_text(path, merged_lock((base or b"").decode(), ours.decode(), theirs.decode()))
        return
    removed = base is not None and (ours is None or theirs is None)
    kept = theirs if ours is None else ours
    if kept is not None and not removed:
        write_bytes(path, kept)
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # no empty folder stays; one that isn't empty, or is gone already, is no error
        path.parent.rmdir()


def settle_readme(sides: Sides) -> None:
    """Write README.md with the generated parts of this branch.

    Only parts that hold conflicts are replaced, so that what a person has settled around them already stays as it is.
    Where a conflict reaches across the border of a part, the whole text is merged anew.

    Raises:
        ByHandError: what is written by hand is in conflict, too.
    """
    now = README.read_text(encoding="utf-8") if README.exists() else ""
    if MARKER.search(now):
        merged = merged_readme(*((side or b"").decode() for side in sides))
        now = with_parts_of(merged, now, MARKER) if has_whole_parts(now) else merged
        write_text(README, now)
    if MARKER.search(now):
        raise ByHandError(
            f"{README} is in conflict in what is written by hand, too. Edit it, `git add {README}`, "
            "then `make merge` again"
        )
    print(f"merge: {README}: both sides; its numbers are written anew")


def has_whole_parts(text: str) -> bool:
    """Is each generated part there once, and does each conflict lie in one of them or outside?"""
    parts = {name: MARKER.findall(part) for _, name, part in PART.findall(text)}
    whole = all(marks.count("<" * 7) == marks.count(">" * 7) for marks in parts.values())
    return whole and len(parts) == len(PART.findall(text)) == text.count("<!-- end -->")


def three_way(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Entry by entry what the two sides made of `base`: a change of one side holds, so does a removal.

    Where both have changed an entry, ours is taken. The order is that of ours, what theirs added comes last.
    """
    merged = {}
    for key in dict.fromkeys([*ours, *theirs]):
        if key in base and not (key in ours and key in theirs):
            continue
        mine = key in ours and (key not in base or ours[key] != base[key])
        merged[key] = ours[key] if mine or key not in theirs else theirs[key]
    return merged


def merged_lock(base: str, ours: str, theirs: str) -> str:
    """The text of a lock file in which each stage has the entry of the side that ran it, as DVC would write it.

    A stage that both have run differently keeps our entry. Where that doesn't belong to the merged params and code, DVC
    sees it and runs the stage.
    """
    first, mine, other = (loads_yaml(text) or {} for text in (base, ours, theirs))
    mine["stages"] = three_way(first.get("stages", {}), mine.get("stages", {}), other.get("stages", {}))
    return dumps_yaml(mine)


def merged_readme(base: str, ours: str, theirs: str) -> str:
    """The merged text, with conflict markers where both sides have changed the same lines by hand.

    The parts between `<!-- name -->` and `<!-- end -->` are ours. Descriptions of methods stand in one of them but are
    written by hand: those of theirs come as rows below it, where `tools.readme` finds them, and those that both sides
    have changed as conflicts.

    Raises:
        ByHandError: git can't merge the texts.
    """
    texts = [with_parts_of(ours, text) for text in (ours, base, theirs)]
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder) / name) for name in ("ours", "base", "theirs")]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(text, encoding="utf-8")
        command = ["git", "merge-file", "--stdout", "-L", OURS, "-L", "base", "-L", THEIRS, *names]
        done = subprocess.run(command, capture_output=True, check=False)
    if not 0 <= done.returncode <= 127:  # up to there it is the number of conflicts
        raise ByHandError(
            f"{README}: git merge-file: {done.stderr.decode().strip()}. Merge it by hand, `git add {README}`, "
            "then `make merge` again"
        )
    rows = "".join(rows_to_add(described(base), described(ours), described(theirs)))
    return PART.sub(lambda part: part[0] + (rows if part[2] == "results" else ""), done.stdout.decode())


def rows_to_add(base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]) -> Iterator[str]:
    """Rows of the table of methods for descriptions that theirs has changed, and conflicts where both sides have."""
    for name, words in three_way(base, ours, theirs).items():
        mine, other = (f"| `{name}` | {side.get(name)} |\n" for side in (ours, theirs))
        if name in ours and name in theirs and len({base.get(name), ours[name], theirs[name]}) == 3:
            yield f"<<<<<<< {OURS}\n{mine}=======\n{other}>>>>>>> {THEIRS}\n"
        elif ours.get(name) != words:
            yield other


def with_parts_of(source: str, text: str, holding: re.Pattern[str] = ANYTHING) -> str:
    """`text` with the generated parts of `source`, by their names, in place of those in which `holding` is found."""
    parts = {name: part for _, name, part in PART.findall(source)}
    return PART.sub(
        lambda part: f"{part[1]}{parts.get(part[2], part[3]) if holding.search(part[3]) else part[3]}", text
    )


def remove_dropped() -> None:
    """Remove what belongs to variants and runs that the merged params don't have; the cache keeps what it holds.

    Only outputs that a lock file names: whatever else stands beside those of the variants is left to `make prune`.

    Raises:
        ByHandError: a stage is at work, or DVC can't read the merged pipeline.
    """
    try:
        orphans.refuse_during_a_run()
        with Repo() as repo:
            found = orphans.find(repo)
    except (orphans.BusyError, DvcException) as error:
        raise ByHandError(str(error)) from None
    locks = [Path(file).read_bytes() for file in LOCK_FILES if Path(file).exists()]
    locks += [text for commit in commits() for file in LOCK_FILES if (text := shown(f"{commit}:{file}"))]
    recorded = {Path(out["path"]) for lock in locks for out in outputs(lock)}
    dropped = orphans.Orphans(found.entries, [path for path in found.paths if path in recorded])
    if dropped:
        dropped.remove()
        print(dropped)


def outputs(lock: bytes) -> Iterator[dict[str, Any]]:
    """The outputs that a lock file names, with their hashes."""
    for entry in (loads_yaml(lock.decode()) or {}).get("stages", {}).values():
        yield from entry.get("outs", [])


def add() -> None:
    """Add to git's index what is generated, and say what is left to do."""
    known = [path for path in GENERATED if Path(path).exists() or git("ls-files", "--", path)]
    git("add", "--all", "--", *known)
    print("merge: results are current and added; look at `git status`, then `git commit`")


def is_generated(path: str) -> bool:
    """Does no person write this file, but for the text of README.md?"""
    return any(Path(path).is_relative_to(name) for name in GENERATED)


def unmerged() -> list[str]:
    """The files in which git has left conflicts."""
    listed = git("ls-files", "--unmerged", "-z").split("\0")
    return list(dict.fromkeys(entry.split("\t", 1)[1] for entry in listed if entry))


def versions(path: str) -> Sides:
    """A file in conflict where the branches parted, on this one, on the other one; None where it is not there."""
    base, ours, theirs = (shown(f":{side}:{path}") for side in (1, 2, 3))
    return base, ours, theirs


def shown(name: str) -> bytes | None:
    """The file that git knows by this name, `revision:path`; None where there is none."""
    done = subprocess.run(["git", "show", name], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def in_progress() -> bool:
    """Is git waiting for the result of a merge, or of what picks commits one by one?"""
    return len(commits()) > 1


def commits() -> list[str]:
    """This branch's commit, and the one that is merged or picked; of one that is reverted, the state before it."""
    heads = [head for head in HEADS if is_there(head)]
    if not (is_there("rebase-merge") or is_there("rebase-apply")):
        heads = [head for head in heads if head != "REBASE_HEAD"]  # git leaves it behind
    return ["HEAD", *(f"{head}^" if head == "REVERT_HEAD" else head for head in heads)]


def is_there(name: str) -> bool:
    """Does git keep a file or folder of this name beside its objects?"""
    return Path(git("rev-parse", "--git-path", name).strip()).exists()


def git(*arguments: str) -> str:
    """What a git command prints; `ByHandError` with its message if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise ByHandError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


if __name__ == "__main__":
    main()
