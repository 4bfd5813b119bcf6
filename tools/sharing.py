"""Give results to the team and take them over: `python -m tools.sharing share|pull` (`make share`, `make pull`).

DVC is asked in this process, by its Python interface: its bars and messages appear as always, and the causes of a
failure, of which it shows some with `-v` alone, can be read to say what to do.
"""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.cache import RunCacheNotFoundError, StageCache
from dvc.ui import ui

from tools.remote import NAME, kind_of

PIPELINE = "dvc.yaml"


class SharingError(Exception):
    """Something was not shared; the message says what to do."""


def main() -> None:
    """Do what is asked, or exit with 1 and one paragraph on what was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.sharing", description=__doc__)
    parser.add_argument("verb", choices=["share", "pull"], help="upload what is current, or take over and rebuild")
    verb = parser.parse_args().verb
    ui.enable()
    try:
        with Repo() as repo:
            refuse_without_remote(repo)
            share(repo) if verb == "share" else pull(repo)
    except (SharingError, DvcException) as error:
        raise SystemExit(f"{verb}: {error}") from None


def refuse_without_remote(repo: Repo) -> None:
    """Raise `SharingError` if no remote is set up."""
    if not repo.config["core"].get("remote"):
        raise SharingError("no remote is set up; run make remote URL=…, where … is a folder or a URL of the team's")


def share(repo: Repo) -> None:
    """Upload the objects of dvc.lock and the records of runs, if all is current."""
    if repo.status(targets=[PIPELINE]):
        raise SharingError("results are not current, nothing was uploaded; run make repro, commit, and share again")
    repo.push(run_cache=True)


def pull(repo: Repo) -> None:
    """Take over what others have computed, and rebuild the rest."""
    repo.reproduce(pull=True)
    if repo.status(targets=[PIPELINE]):
        raise SharingError("results are not current; see dvc status dvc.yaml")


if __name__ == "__main__":
    main()
