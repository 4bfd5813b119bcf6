"""Reads the results of a revision from git and DVC."""

import hashlib
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.config import Config
from dvc.exceptions import DvcException

from stages.common.artifacts import ArtifactError, read_table
from tools import output_of, read_lock, trace

TEXT = ("method", "photo", "domain")  # columns that are never numbers
PIPELINE, SCORES, EVALUATIONS = "dvc.yaml", "metrics/scores/", "data/evaluations/"


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
        commit = output_of(
            "git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name or 'HEAD'}^{{commit}}"
        )
        if not commit:
            raise ArtifactError(f"git knows no revision {name!r}; name a commit, branch or tag (`git fetch` first?)")
        edited = not name and output_of("git", "status", "--porcelain", "--untracked-files=no")
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

    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Folder of an evaluation → the entry in dvc.lock of the stage that made it."""
        made_by = trace.makers(self.stages).items()
        return {path: self.stages[stage] for path, stage in made_by if path.startswith(EVALUATIONS)}

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


def parsed(content: bytes, read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """Apply a function that reads a file to `content`."""
    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)
        path.write_bytes(content)
        return read(path)


def _modified(changed: Any) -> bool:
    """Whether an entry of DVC's status reports more than missing files."""
    if isinstance(changed, dict | list):
        return any(map(_modified, changed.values() if isinstance(changed, dict) else changed))
    return changed not in ("deleted", "not in cache")
