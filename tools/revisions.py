"""Reads what git and DVC hold of a revision, and lists what changed in the inputs of two. Knows nothing of scores."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.config import Config
from dvc.exceptions import DvcException

from stages.common.artifacts import ArtifactError, read_table
from tools import printed, read_lock, trace

TEXT = ("method", "photo", "domain", "variant", "conversion")  # columns that are never numbers
PHOTO_INPUTS = (".csv", ".zip", ".tar", ".gz")  # data files that lie in folders of code
PIPELINE, PACKAGES, SCORES = "dvc.yaml", "environment.yaml", "metrics/scores/"


class UnavailableError(ArtifactError):
    """A result of a revision is missing here or damaged; the message says what to do."""


class Revision:
    """A commit, branch or tag, or the workspace with its dvc.lock.

    Files that DVC tracks come from the cache, or from the remote if they are not there. `title` is the name with the
    commit; for the workspace, the commit that it is based on. `stages` are the stages of dvc.yaml as in dvc.lock.
    """

    def __init__(self, name: str | None = None) -> None:
        """Open a revision, or without a name the workspace; `ArtifactError` if it is unknown or has no usable lock."""
        self.name = name
        commit = printed("git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name or 'HEAD'}^{{commit}}")
        if not commit:
            raise ArtifactError(f"git knows no revision {name!r}; name a commit, branch or tag (`git fetch` first?)")
        edited = not name and printed("git", "status", "--porcelain", "--untracked-files=no")
        based_on = f"{name or 'workspace'} ({commit[:7]}{' with changes' if edited else ''})"
        self.title = commit[:7] if name and commit.startswith(name) else based_on
        current = Config.from_cwd()  # the remote and secrets of today, not those of the old .dvc/config
        self._files = DVCFileSystem(rev=commit if name else None, config=dict(current))
        try:
            locked = read_lock(self._files.read_text("dvc.lock"))
            used = {stage.name for stage in self._files.repo.index.stages if stage.path_in_repo == PIPELINE}
        except FileNotFoundError:
            raise ArtifactError(f"{self.title} has no dvc.lock; {self._remedy}") from None
        except DvcException as error:
            raise ArtifactError(f"{self.title}: {error}") from error
        self.stages: dict[str, Any] = {stage: entry for stage, entry in locked.items() if stage in used}
        if not any(path.startswith(SCORES) for path in trace.makers(self.stages)):
            raise ArtifactError(f"{self.title} is older than {SCORES}; compare with a later revision")

    @property
    def _remedy(self) -> str:
        if not self.name:
            return "run `make repro`, or `make pull`"
        there = f"git switch --detach {self.name} &&"
        return f"run `{there} make pull && git switch -` (without a remote `make repro` instead of `make pull`)"

    @property
    def variants(self) -> list[str]:
        """The variants that were evaluated."""
        return [stage.partition("@")[2] for stage in self.stages if stage.startswith("evaluate@")]

    def stale(self) -> list[str]:
        """The workspace's stages whose code, params or data differ from dvc.lock; none of a commit.

        Raises:
            ArtifactError: DVC can't tell.
        """
        if self.name:
            return []
        try:
            status = self._files.repo.status(targets=[PIPELINE])
        except DvcException as error:
            raise ArtifactError(f"{self.title}: {error}") from error
        return [stage for stage, changed in status.items() if _modified(changed)]

    def md5(self, path: str) -> str | None:
        """The hash of an output in dvc.lock; `None` if no stage makes it."""
        outs = (out for entry in self.stages.values() for out in entry.get("outs", []))
        return next((out["md5"] for out in outs if out["path"] == path), None)

    def read(self, path: str) -> bytes:
        """The content of a file that DVC tracks; `UnavailableError` if it is missing or damaged."""
        data = self._files.repo.datafs
        try:
            content = bytes(data.cat_file(path))
        except Exception as error:  # each kind of remote has its own
            reason = " ".join(str(error).split())
            message = f"{self.title}: {path} is not available ({reason}); {self._remedy}, then compare again"
            raise UnavailableError(message) from error
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != data.info(path)["md5"]:
            raise UnavailableError(
                f"{self.title}: {path} is damaged in the cache or on the remote; run `make audit REPAIR=1`"
            )
        return content

    def table(self, path: str) -> pd.DataFrame:
        """A CSV file that DVC tracks; `UnavailableError` if it is missing or damaged, `ArtifactError` if no table."""
        return parsed(self.read(path), partial(read_table, text=TEXT))

    def git_file(self, path: str) -> bytes:
        """The content of a file that git tracks; empty if there is none."""
        return bytes(self._files.read_bytes(path)) if self._files.isfile(path) else b""

    def code(self, path: str) -> dict[str, bytes]:
        """Path → content of a file of code, or of all files in a folder of it."""
        files = (name.lstrip("/") for name in self._files.find(path) if "__pycache__" not in name)
        return {name: self.git_file(name) for name in files}


def parsed(content: bytes, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """Apply a function that reads a file to `content`."""
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(content)
        return read(path)


@dataclass(frozen=True)
class Changes:
    """What differs between the inputs of two revisions' results, one line to print for each."""

    params: list[str] = field(default_factory=list)  # `key: old → new`
    packages: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)  # files, with the stages that use them
    data: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)  # variants that only the new revision has
    removed: list[str] = field(default_factory=list)


def changes(old: Revision, new: Revision, stages: Iterable[str] | None = None) -> Changes:
    """What changed in the inputs of `stages`, by default of all that both dvc.lock have.

    Left out are data that a stage made, and inputs that only one revision declares: declaring one changes nothing.
    """
    names = [name for name in (old.stages if stages is None else stages) if name in old.stages and name in new.stages]
    made = [Path(path) for revision in (old, new) for path in trace.makers(revision.stages)]
    users: dict[str, list[str]] = {}
    packages: dict[str, None] = {}
    params: dict[str, None] = {}
    for name in names:
        before, after = (_inputs(revision.stages[name]) for revision in (old, new))
        for file, key in [what for what in before if what in after and before[what] != after[what]]:
            if file:
                lines = packages if file == PACKAGES else params
                lines |= dict.fromkeys(_settings(key, before[file, key], after[file, key]))
            elif not any(out.is_relative_to(key) or Path(key).is_relative_to(out) for out in made):
                users.setdefault(key, []).append(name)
    code: dict[str, list[str]] = {}
    data: dict[str, list[str]] = {}
    for path, using in users.items():
        if path.startswith(trace.CODE) and not path.endswith(PHOTO_INPUTS):
            for file in _differing(old.code(path), new.code(path)) or [path]:
                code.setdefault(file, []).extend(using)
        else:
            data[path] = using
    added = [name for name in new.variants if name not in old.variants]
    removed = [name for name in old.variants if name not in new.variants]
    theirs = tuple(f"variants.{name}." for name in (*added, *removed))
    return Changes(
        params=[line for line in params if not line.startswith(theirs)],
        packages=list(packages),
        code=[f"{path} ({_grouped(using, names)})" for path, using in code.items()],
        data=[f"{path} ({_grouped(using, names)})" for path, using in data.items()],
        added=added,
        removed=removed,
    )


def _modified(changed: Any) -> bool:
    """Whether an entry of DVC's status reports more than missing files."""
    if isinstance(changed, dict | list):
        return any(map(_modified, changed.values() if isinstance(changed, dict) else changed))
    return changed not in ("deleted", "not in cache")


def _inputs(entry: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """The inputs of a stage in dvc.lock: (file, key) → value of a param, ('', path) → hash of a file or folder."""
    found: dict[tuple[str, str], Any] = {("", dep["path"]): dep["md5"] for dep in entry.get("deps", [])}
    params = entry.get("params", {}).items()
    return found | {(file, key): value for file, values in params for key, value in values.items()}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _settings(key: str, *values: Any) -> Iterator[str]:
    """A line for each setting below a param that differs between the old and the new value."""
    before, after = (pd.json_normalize({key: value}).to_dict("records")[0] for value in values)
    for name in _differing(before, after):
        yield f"{name}: {before.get(name, 'not set')} → {after.get(name, 'not set')}"


def _grouped(using: list[str], names: list[str]) -> str:
    """Stage names; where all stages of a group occur, the name of the group."""
    shown: dict[str, None] = {}
    for stage in using:
        group, at, _ = stage.partition("@")
        whole = at and all(name in using for name in names if name.startswith(f"{group}@"))
        shown[group if whole else stage] = None
    return ", ".join(shown)
