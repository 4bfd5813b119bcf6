"""Reads the results of a revision from git and DVC."""

import hashlib
import io
from typing import Any

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.config import Config
from dvc.exceptions import DvcException

from stages.common.artifacts import ArtifactError
from tools import makers, output_of, read_lock

PIPELINE, EVALUATIONS = "dvc.yaml", "data/evaluations/"
TEXT = {"method": str, "photo": str}  # columns that are never numbers


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
            raise ArtifactError(f"git knows no revision {name!r}; name a commit, branch or tag, such as origin/main")
        edited = not name and output_of("git", "status", "--porcelain", "--untracked-files=no")
        self.title = f"{name or 'workspace'} ({commit[:7]}{' with changes' if edited else ''})"
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

    @property
    def _remedy(self) -> str:
        if not self.name:
            return "run `make repro`, or `make pull`"
        there = f"git switch --detach {self.name} &&"
        return f"run `{there} make pull && git switch -` (without a remote `make repro` instead of `make pull`)"

    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Folder of an evaluation → the entry in dvc.lock of the stage that made it."""
        made_by = makers(self.stages).items()
        return {path: self.stages[stage] for path, stage in made_by if path.startswith(EVALUATIONS)}

    def table(self, path: str) -> pd.DataFrame:
        """A CSV file of an evaluation; `UnavailableError` if it is missing or damaged."""
        data = self._files.repo.datafs
        try:
            content = bytes(data.cat_file(path))
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != data.info(path)["md5"]:
                raise ArtifactError("damaged, see `make audit`")
        except Exception as error:  # each kind of remote has its own
            reason = " ".join(str(error).split())
            message = f"{self.title}: {path} is not available ({reason}); {self._remedy}, then compare again"
            raise UnavailableError(message) from error
        return pd.read_csv(io.BytesIO(content), dtype=TEXT, keep_default_na=False, na_values=[""])
