"""Give results to the team and take them over: `python -m tools.sharing share|pull` (`make share`, `make pull`).

DVC is asked in this process, by its Python interface: its bars and messages appear as always, and the causes of a
failure, some of which it shows with `-v` alone, are at hand to say what to do.
"""

from __future__ import annotations

import argparse
from typing import Any

from dvc.repo import Repo
from dvc.stage.cache import RunCacheNotFoundError, StageCache
from dvc.ui import ui

from tools.faults import Causes, advice, lineage

PIPELINE = "dvc.yaml"


class SharingError(Exception):
    """Something was not shared or taken over; the message says what to do."""


def main() -> None:
    """Do what is asked, or exit with 1 and one paragraph on what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.sharing", description=__doc__)
    parser.add_argument("verb", choices=["share", "pull"], help="upload what is current, or take over and rebuild")
    verb = parser.parse_args().verb
    ui.enable()
    causes = Causes()
    causes.listen()
    try:
        with Repo() as repo:
            refuse_without_remote(repo)
            share(repo, causes) if verb == "share" else pull(repo, causes)
    except SharingError as error:
        raise SystemExit(f"{verb}: {error}") from None
    except Exception as error:  # each kind of remote has its own
        import traceback; traceback.print_exc()
        print("CAUSES", "\n".join([*causes.texts, *lineage(error)]))
        raise SystemExit(f"{verb}: {advice(verb, None, [*causes.texts, *lineage(error)])}") from None


def refuse_without_remote(repo: Repo) -> None:
    """Raise `SharingError` if no remote is set up."""
    if not repo.config["core"].get("remote"):
        raise SharingError("no remote is set up; run make remote URL=…, where … is a folder or a URL of the team's")


def share(repo: Repo, causes: Causes) -> None:
    """Upload the objects of dvc.lock, then the records of runs by which others find them, if all is current."""
    if repo.status(targets=[PIPELINE]):
        raise SharingError("results are not current, nothing was uploaded; run make repro, commit, and share again")
    repo.push()
    repo.stage_cache.push(None)
    print("CAUSES", "\n".join(causes.texts))


class CautiousStageCache(StageCache):
    """Lets no stage run in place of a transfer that failed: it could take hours, and hide the failure."""

    def __init__(self, repo: Repo, causes: Causes) -> None:
        super().__init__(repo)
        self.causes = causes

    def restore(self, stage: Any, *arguments: Any, **options: Any) -> None:
        """Take a stage's outputs over from the cache or the remote."""
        try:
            super().restore(stage, *arguments, **options)
        except RunCacheNotFoundError:
            if self.causes.texts:
                raise SharingError("withheld") from None
            raise


def pull(repo: Repo, causes: Causes) -> None:
    """Take over what others have computed, and rebuild the rest."""
    repo.stage_cache = CautiousStageCache(repo, causes)
    repo.reproduce(pull=True)
    if repo.status(targets=[PIPELINE]):
        raise SharingError("results are not current; see dvc status dvc.yaml")
    print("CAUSES", "\n".join(causes.texts))


if __name__ == "__main__":
    main()
