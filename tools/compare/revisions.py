"""Two states of the repository: reading what a revision holds, and what changed from one to the other.

A revision is a commit, branch or tag, or the workspace with its dvc.lock. Nothing here looks at a score.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from stages.common.artifacts import ArtifactError
from tools import trace

TEXT = ("method", "photo", "domain", "study", "run", "variant", "conversion")  # columns that are never numbers
PHOTO_INPUTS = (".csv", ".zip", ".tar", ".gz")  # what stands among the code and is none
PIPELINE, PACKAGES, SCORES = "dvc.yaml", "environment.yaml", "metrics/scores/"


class UnavailableError(ArtifactError):
    """What a revision's stages made is not to be had here, or damaged; the message has the remedy."""


class Revision:
    """What git and DVC hold of a revision; DVC's part comes from its cache, or from the remote if it is not there.

    Attributes:
        title: what it was called, with the commit; of the workspace that which it is based on.
        stages: those of dvc.yaml as dvc.lock has them; what only dvc.lock still has is of no use to anyone.

    Raises:
        ArtifactError: git knows no such revision, or its dvc.lock or dvc.yaml can't be read.
    """

    def __init__(self, name: str | None = None) -> None:
        """Args: name: of the revision; `None` is the workspace, whose results are those of its dvc.lock."""
        from dvc.api import DVCFileSystem
        from dvc.config import Config
        from dvc.exceptions import DvcException

        self.name = name
        commit = _commit(name or "HEAD")
        more = "" if name or not _edited() else " with changes"
        self.title = commit[:7] if name and commit.startswith(name) else f"{name or 'workspace'} ({commit[:7]}{more})"
        now = Config.from_cwd()  # the remote of today and its secrets, not what .dvc/config said then
        self._files = DVCFileSystem(rev=commit if name else None, config=dict(now))
        try:
            locked = YAML(typ="safe").load(self._files.read_text("dvc.lock"))["stages"]
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

    @cached_property
    def variants(self) -> list[str]:
        """Those that were evaluated."""
        return [stage.partition("@")[2] for stage in self.stages if stage.startswith("evaluate@")]

    def stale(self) -> list[str]:
        """The stages of the workspace whose code, params or data differ from dvc.lock; none of a commit.

        What is not checked out does not differ.

        Raises:
            ArtifactError: DVC can't tell, as while it rebuilds.
        """
        from dvc.exceptions import DvcException

        if self.name:
            return []
        try:
            status = self._files.repo.status(targets=["dvc.yaml"])
        except DvcException as error:
            raise ArtifactError(f"{self.title}: {error}") from error
        return [stage for stage, changed in status.items() if _modified(changed)]

    def md5(self, path: str) -> str | None:
        """The hash that dvc.lock has of an output; `None` if no stage makes it."""
        maker = trace.makers(self.stages).get(path)
        return next(out["md5"] for out in self.stages[maker]["outs"] if out["path"] == path) if maker else None

    def names(self, folder: str) -> set[str]:
        """The files in an output that is a folder.

        Raises:
            UnavailableError: neither the cache nor the remote has it.
        """
        try:
            found = self._files.repo.datafs.ls(folder, detail=False)
        except Exception as error:  # of the remote's library, whichever that is
            raise self._missing(folder, error) from error
        if not found:
            raise self._missing(folder, "not in the cache, and not at the remote")
        return {path.rpartition("/")[2] for path in found}

    def read(self, path: str) -> bytes:
        """The content of a file that DVC tracks.

        Raises:
            UnavailableError: neither the cache nor the remote has it, or its bytes are not those of its hash.
        """
        data = self._files.repo.datafs
        try:
            content = bytes(data.cat_file(path))
        except Exception as error:  # of the remote's library, whichever that is
            raise self._missing(path, error) from error
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != data.info(path)["md5"]:
            raise UnavailableError(
                f"{self.title}: {path} is damaged in the cache or at the remote; run `make audit REPAIR=1`"
            )
        return content

    def _missing(self, path: str, error: object) -> UnavailableError:
        reason = " ".join(str(error).split())
        return UnavailableError(f"{self.title}: {path} can't be had ({reason}); {self._remedy}, then compare again")

    def table(self, path: str) -> pd.DataFrame:
        """A CSV file that DVC tracks; `UnavailableError` as of `read`."""
        return _table(self.read(path))

    def git_file(self, path: str) -> bytes | None:
        """The content of a file that git tracks; `None` if there is none."""
        try:
            return bytes(self._files.repo.fs.cat_file(self._files.repo.fs.join(self._files.repo.root_dir, path)))
        except (FileNotFoundError, IsADirectoryError):
            return None

    def git_table(self, path: str) -> pd.DataFrame:
        """A CSV file that git tracks; empty if there is none."""
        content = self.git_file(path)
        return pd.DataFrame() if content is None else _table(content)

    def code(self, path: str) -> dict[str, bytes]:
        """Path → content of a file of code, or of all files in a folder of it."""
        content = self.git_file(path)
        if content is not None:
            return {path: content}
        top = self._files.repo.root_dir
        return {
            file: self.git_file(file) or b""
            for name in self._files.find(path)
            if "__pycache__" not in (file := name.removeprefix(f"{top}/").lstrip("/"))
        }


@dataclass(frozen=True)
class Changes:
    """What differs between the inputs of two revisions' results, each line ready to print.

    Attributes:
        params: `key: old → new`.
        packages: the same.
        code: files, with the stages that use them.
        data: the same.
        added: variants that only the new revision has; `removed` those that only the old one has.
    """

    params: list[str]
    packages: list[str]
    code: list[str]
    data: list[str]
    added: list[str]
    removed: list[str]

    def __bool__(self) -> bool:
        return any((self.params, self.packages, self.code, self.data, self.added, self.removed))


def changes(old: Revision, new: Revision, stages: Iterable[str] | None = None) -> Changes:
    """What changed in the inputs of `stages`, as both dvc.lock have them; by default of all stages in either.

    Data that a stage made is left out: it changed because something else did.
    """
    names = [name for name in (old.stages if stages is None else stages) if name in old.stages and name in new.stages]
    made = {*trace.makers(old.stages), *trace.makers(new.stages)}
    users: dict[str, list[str]] = {}
    params: dict[str, None] = {}
    packages: dict[str, None] = {}
    for name in names:
        before, after = old.stages[name], new.stages[name]
        for path in _differing(*_shared(_deps(before), _deps(after))):
            if not any(path == out or out.startswith(f"{path}/") or path.startswith(f"{out}/") for out in made):
                users.setdefault(path, []).append(name)
        files = _shared(before.get("params", {}), after.get("params", {}))
        for file in files[0]:
            sides = [dict(_flat(side)) for side in _shared(files[0][file], files[1][file])]
            (packages if file == PACKAGES else params).update(dict.fromkeys(_pairs(*sides)))
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
    """Whether an entry of DVC's status tells of more than files that are not there."""
    if isinstance(changed, dict | list):
        return any(map(_modified, changed.values() if isinstance(changed, dict) else changed))
    return changed not in ("deleted", "not in cache")


def _commit(name: str) -> str:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise ArtifactError(f"git knows no revision {name!r}; name a commit, a branch or a tag (`git fetch` first?)")
    return found.stdout.strip()


def _edited() -> bool:
    """Whether a file that git tracks is not as it was committed."""
    command = ["git", "status", "--porcelain", "--untracked-files=no"]
    return bool(subprocess.run(command, capture_output=True, check=False).stdout)


def _table(content: bytes) -> pd.DataFrame:
    names = pd.read_csv(io.BytesIO(content), nrows=0).columns
    text = {name: str for name in names if name in TEXT}
    numbers = {name: "" for name in names if name not in TEXT}
    return pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False, na_values=numbers)


def _deps(entry: dict[str, Any]) -> dict[str, str]:
    return {dep["path"]: dep["md5"] for dep in entry.get("deps", [])}


def _shared(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without the keys that only one has: merely to declare a file or a param changes nothing."""
    keys = [key for key in before if key in after]
    return {key: before[key] for key in keys}, {key: after[key] for key in keys}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _pairs(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in _differing(before, after):
        yield f"{key}: {before.get(key, 'not set')} → {after.get(key, 'not set')}"


def _grouped(using: list[str], names: list[str]) -> str:
    """Stages by name; all those of a group as the group."""
    shown: dict[str, None] = {}
    for stage in using:
        group, at, _ = stage.partition("@")
        whole = at and all(name in using for name in names if name.startswith(f"{group}@"))
        shown[group if whole else stage] = None
    return ", ".join(shown)
