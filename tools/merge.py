"""Results after `git merge` stopped in them: `make merge`, whose parts without a rebuild are `python -m tools.merge`.

Nobody edits what is generated, so that nobody should settle conflicts in it. Lock files are merged stage by stage, the
rest is taken from this branch, to be built anew; README.md keeps only the conflicts in what is written by hand.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import dumps_yaml, loads_yaml

from stages.artifacts import ArtifactError, write_bytes, write_table, write_text
from stages.settings import SettingsError
from stages.study import runs
from tools import orphans, studies
from tools.readme import README, described

LOCK_FILES = ("dvc.lock", "studies/dvc.lock")
GENERATED = (*LOCK_FILES, "metrics", "studies/results", "docs/converted.png", str(README))
HEADS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")
PART = re.compile(r"(<!-- (?!end )(\w+) -->\n)(.*?)(?=<!-- end -->)", flags=re.DOTALL)
MARKER = re.compile(r"^(<{7}|>{7}) ", flags=re.MULTILINE)

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
            print(f"merge: {path}: {'merged by stage' if path in LOCK_FILES else 'taken from this branch for now'}")
    if str(README) in conflicts:
        settle_readme(versions(str(README)))
    remove_orphans()
    if any(path.startswith((str(runs.RESULTS), str(studies.TABLE))) for path in conflicts):
        collect_studies()


def settle_file(path: Path, sides: Sides) -> None:
    """Write a generated file as the sides have it, or remove it where one of them did."""
    base, ours, theirs = sides
    if str(path) in LOCK_FILES and ours and theirs:
        write_text(path, merged_lock((base or b"").decode(), ours.decode(), theirs.decode()))
    elif ours is None or (theirs is None and base is not None):
        path.unlink(missing_ok=True)
    else:
        write_bytes(path, ours)


def settle_readme(sides: Sides) -> None:
    """Write README.md with the generated parts of this branch.

    Raises:
        ByHandError: the rest is in conflict, too. What a person has settled of it already stays as it is.
    """
    now = README.read_text(encoding="utf-8") if README.exists() else ""
    in_parts = any(MARKER.search(part) for _, _, part in PART.findall(now))
    if MARKER.search(now) and (in_parts or len(PART.findall(now)) != now.count("<!-- end -->")):
        now = merged_readme(*((side or b"").decode() for side in sides))
        write_text(README, now)
    if MARKER.search(now):
        raise ByHandError(
            f"{README} is in conflict around its numbers, too. Edit it, `git add {README}`, then `make merge` again"
        )
    print(f"merge: {README}: both sides; its numbers are written anew")


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
    written by hand: those of theirs come as rows below it, where `tools.readme` finds them.
    """
    texts = [with_parts_of(ours, text) for text in (ours, base, theirs)]
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder) / name) for name in ("ours", "base", "theirs")]
        for name, text in zip(names, texts, strict=True):
            Path(name).write_text(text, encoding="utf-8")
        command = ["git", "merge-file", "--stdout", "-L", "this branch", "-L", "base", "-L", "the other branch", *names]
        merged = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    mine = described(ours)
    found = three_way(described(base), mine, described(theirs))
    rows = [f"| `{name}` | {words} |\n" for name, words in found.items() if mine.get(name) != words]
    return PART.sub(lambda part: part[0] + ("".join(rows) if part[2] == "results" else ""), merged)


def with_parts_of(ours: str, text: str) -> str:
    """`text` with our generated parts, by their names."""
    parts = {name: part for _, name, part in PART.findall(ours)}
    return PART.sub(lambda part: f"{part[1]}{parts.get(part[2], part[3])}", text)


def remove_orphans() -> None:
    """Remove what belongs to variants that the other branch has taken out of params.yaml; the cache keeps it.

    Raises:
        ByHandError: a stage is at work, or DVC can't read the merged pipeline.
    """
    try:
        orphans.refuse_during_a_run()
        with Repo() as repo:
            left = orphans.find(repo)
    except (orphans.BusyError, DvcException) as error:
        raise ByHandError(str(error)) from None
    if left:
        left.remove()
        print(left)


def collect_studies() -> None:
    """Write the table of the studies from the runs of both sides; whether they are current is `make study`'s to say."""
    try:
        write_table(studies.TABLE, studies.collected(list(runs.load())))
    except (SettingsError, ArtifactError) as error:
        raise ByHandError(f"{error}; run `make study`, then `make merge` again") from None
    print("merge: `make current PIPELINES=studies/dvc.yaml` says whether all runs of the studies are current")


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
    shown = [subprocess.run(["git", "show", f":{side}:{path}"], capture_output=True, check=False) for side in (1, 2, 3)]
    base, ours, theirs = (done.stdout if done.returncode == 0 else None for done in shown)
    return base, ours, theirs


def in_progress() -> bool:
    """Is git waiting for the result of a merge, or of what picks commits one by one?"""
    return any(Path(git("rev-parse", "--git-path", head).strip()).exists() for head in HEADS)


def git(*arguments: str) -> str:
    """What a git command prints; `ByHandError` with its message if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        raise ByHandError(f"git {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


if __name__ == "__main__":
    main()
