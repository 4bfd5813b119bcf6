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

from stages.artifacts import ArtifactError
from tools import trace

TEXT = ("method", "photo", "domain", "study", "run", "variant", "conversion")  # columns that are never numbers
PHOTO_INPUTS = (".csv", ".zip", ".tar", ".gz")  # what stands among the code and is none


class Revision:
    """What git and DVC hold of a revision; DVC's part comes from its cache, or from the remote if it is not there.

    Raises:
        ArtifactError: git knows no such revision, or it has no dvc.lock.
    """

    def __init__(self, name: str | None = None) -> None:
        """Args: name: of the revision; `None` is the workspace, whose results are those of its dvc.lock."""
        from dvc.api import DVCFileSystem
        from dvc.config import Config

        self.name = name
        commit = _commit(name) if name else None
        self.title = (
            f"{name} ({commit[:7]})" if name and commit and not commit.startswith(name) else name or "workspace"
        )
        now = Config.from_cwd()  # the remote of today and its secrets, not what .dvc/config said then
        self._files = DVCFileSystem(rev=commit, config=dict(now))
        try:
            self.stages: dict[str, Any] = dict(YAML(typ="safe").load(self._files.read_text("dvc.lock"))["stages"])
        except FileNotFoundError:
            raise ArtifactError(f"{self.title} has no dvc.lock; {self._remedy}") from None

    @property
    def _remedy(self) -> str:
        return f"run `git switch {self.name} && make pull`" if self.name else "run `make repro`, or `make pull`"

    @cached_property
    def variants(self) -> list[str]:
        """Those that were evaluated."""
        return [stage.partition("@")[2] for stage in self.stages if stage.startswith("evaluate@")]

    def md5(self, path: str) -> str | None:
        """The hash that dvc.lock has of an output; `None` if no stage makes it."""
        maker = trace.makers(self.stages).get(path)
        return next(out["md5"] for out in self.stages[maker]["outs"] if out["path"] == path) if maker else None

    def names(self, folder: str) -> set[str]:
        """The files in an output that is a folder.

        Raises:
            ArtifactError: neither the cache nor the remote has it.
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
            ArtifactError: neither the cache nor the remote has it, or its bytes are not those of its hash.
        """
        data = self._files.repo.datafs
        try:
            content = bytes(data.cat_file(path))
        except Exception as error:  # of the remote's library, whichever that is
            raise self._missing(path, error) from error
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != data.info(path)["md5"]:
            raise ArtifactError(
                f"{self.title}: {path} is damaged in the cache or at the remote; run `make audit REPAIR=1`"
            )
        return content

    def _missing(self, path: str, error: object) -> ArtifactError:
        return ArtifactError(f"{self.title}: {path} can't be had ({error}); {self._remedy}, then compare again")

    def table(self, path: str) -> pd.DataFrame:
        """A CSV file that DVC tracks; `ArtifactError` as of `read`."""
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
    names = list(dict.fromkeys([*old.stages, *new.stages]) if stages is None else stages)
    made = {*trace.makers(old.stages), *trace.makers(new.stages)}
    users: dict[str, list[str]] = {}
    params: dict[str, None] = {}
    packages: dict[str, None] = {}
    for name in names:
        before, after = old.stages.get(name), new.stages.get(name)
        if before and after:
            for path in _differing(_deps(before), _deps(after)):
                if not any(path == out or out.startswith(f"{path}/") or path.startswith(f"{out}/") for out in made):
                    users.setdefault(path, []).append(name)
        for file in {**(before or {}).get("params", {}), **(after or {}).get("params", {})}:
            sides = [dict(_flat((entry or {}).get("params", {}).get(file, {}))) for entry in (before, after)]
            if before and after:
                lines = packages if file == "environment.yaml" else params
                lines.update(dict.fromkeys(_pairs(*sides)))
    code: dict[str, list[str]] = {}
    data: dict[str, list[str]] = {}
    for path, using in users.items():
        if path.startswith("stages/") and not path.endswith(PHOTO_INPUTS):
            for file in _files_that_differ(old, new, path):
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


def _commit(name: str) -> str:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise ArtifactError(f"git knows no revision {name!r}; name a commit, a branch or a tag (`git fetch` first?)")
    return found.stdout.strip()


def _table(content: bytes) -> pd.DataFrame:
    names = pd.read_csv(io.BytesIO(content), nrows=0).columns
    text = {name: str for name in names if name in TEXT}
    numbers = {name: "" for name in names if name not in TEXT}
    return pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False, na_values=numbers)


def _deps(entry: dict[str, Any]) -> dict[str, str]:
    return {dep["path"]: dep["md5"] for dep in entry.get("deps", [])}


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


def _files_that_differ(old: Revision, new: Revision, path: str) -> list[str]:
    """The files of a dependency whose bytes differ; the dependency itself if no such file is there any more."""
    return _differing(old.code(path), new.code(path)) or [path]


def _grouped(using: list[str], names: list[str]) -> str:
    """Stages by name; all those of a group as the group."""
    shown: dict[str, None] = {}
    for stage in using:
        group, at, _ = stage.partition("@")
        whole = at and all(name in using for name in names if name.startswith(f"{group}@"))
        shown[group if whole else stage] = None
    return ", ".join(shown)
