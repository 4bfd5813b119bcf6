"""What no stage owns any more: `python -m tools.orphans [--remove]`.

Taking a variant out of params.yaml leaves its entry in the lock file and what it made; a killed stage that never runs
again leaves its half-built output, or parts of it. DVC lists none of them.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml
from ruamel.yaml import YAML

from stages.common.stage import KEPT, LOCKS

LOCK_FILES, DATA = (Path("dvc.lock"),), Path("data")


class BusyError(Exception):
    """A stage is at work, so that what lies under data is neither old nor new."""


@dataclass(frozen=True)
class Orphans:
    """Entries of a lock file without a stage, and files or folders that belong to none."""

    entries: list[tuple[Path, str]] = field(default_factory=list)  # lock file and name of the stage
    paths: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.entries or self.paths)

    def __str__(self) -> str:
        lines = [f"{lock}: {name}: no such stage" for lock, name in self.entries]
        return "\n".join([*lines, *(f"{path}: no stage makes it" for path in self.paths)])

    def remove(self) -> None:
        """Take the entries out of their lock files, delete the paths; the cache keeps what it holds."""
        for path in self.paths:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        for file, name in self.entries:
            with modify_yaml(file) as lock:
                del lock["stages"][name]


def main() -> None:
    """List what no stage owns and exit with 1, or remove it and exit with 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.orphans", description=__doc__)
    parser.add_argument("--remove", action="store_true", help="remove what is found")
    remove = parser.parse_args().remove
    try:
        refuse_during_a_run()
        with Repo() as repo:
            orphans = find(repo)
    except (BusyError, DvcException) as error:
        raise SystemExit(f"orphans: {error}") from None
    print(orphans or "orphans: none")
    if orphans and not remove:
        raise SystemExit("orphans: `make prune` removes them")
    if orphans:
        orphans.remove()
        print("orphans: removed")


def find(repo: Repo) -> Orphans:
    """Look through the lock file and data.

    There only three things count, since other files may be the user's: outputs of an entry without a stage, what
    lies beside those of the variants, and half-built outputs. What a killed stage kept counts where there is no such
    stage; another may go on from there.
    """
    recorded = {
        (file, name): entry
        for file in LOCK_FILES
        if file.exists()
        for name, entry in YAML(typ="safe").load(file)["stages"].items()
    }
    stages = list(repo.index.stages)
    owned = {Path(str(out)) for stage in stages for out in stage.outs}
    known = {(Path(stage.path_in_repo).with_suffix(".lock"), stage.name) for stage in stages}
    entries = [key for key in recorded if key not in known]

    rooms = {Path(str(out)).parent for stage in stages if "@" in stage.addressing for out in stage.outs}
    left = {Path(out["path"]) for key in entries for out in recorded[key].get("outs", [])}
    left |= {path for room in rooms if room.is_dir() for path in room.iterdir()}
    left |= set(DATA.rglob(".*.partial"))
    left |= set(KEPT.glob("*")) - {KEPT / str(stage.name) for stage in stages} - set(KEPT.glob("run@*"))  # of studies
    left -= owned
    holding = {parent for out in owned for parent in out.parents}
    return Orphans(entries, sorted(path for path in left - holding if path.exists() and left.isdisjoint(path.parents)))


def refuse_during_a_run() -> None:
    """Raise `BusyError`, naming the stage, if one holds its lock now."""
    for path in sorted(LOCKS.glob("*.lock")):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BusyError(f"stage {path.stem} is at work; try again when it has ended") from None


if __name__ == "__main__":
    main()
