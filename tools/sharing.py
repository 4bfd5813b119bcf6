"""Give results to the team and take them over: `python -m tools.sharing share|pull` (`make share`, `make pull`).

DVC is asked in this process, by its Python interface: its bars and messages appear as always, and the causes of a
failure, some of which it shows with `-v` alone, are at hand to say what to do (faults.py).
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.cache import RunCacheNotFoundError, StageCache
from dvc.ui import ui
from dvc_data.hashfile.db import HashFileDB

from tools import faults
from tools.remote import kind_of

PIPELINE = "dvc.yaml"

logger = logging.getLogger("dvc")


class SharingError(Exception):
    """There is nothing to share, or nowhere; the message says what to do."""


def main() -> None:
    """Do what is asked, or exit with 1 and one paragraph on what was wrong and what to do."""
    parser = argparse.ArgumentParser(prog="python -m tools.sharing", description=__doc__)
    parser.add_argument("verb", choices=["share", "pull"], help="upload what is current, or take over and rebuild")
    verb = parser.parse_args().verb
    os.environ.setdefault("AWS_MAX_ATTEMPTS", "2")  # of each of the five that the file system for S3 makes
    ui.enable()
    causes = faults.Causes()
    causes.listen()
    try:
        with Repo() as repo:
            url = url_of_remote(repo)
            share(repo, causes) if verb == "share" else pull(repo, causes)
    except SharingError as error:
        raise SystemExit(f"{verb}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"{verb}: interrupted; what has arrived is kept") from None
    except Exception:  # each kind of remote has its own
        logger.exception("%s did not succeed", verb)
        known = faults.OF_SHARE if verb == "share" else faults.OF_PULL
        raise SystemExit(f"{verb}: {faults.advice(known, causes.texts, kind_of(url))}") from None
    print("share: all is on the remote" if verb == "share" else "pull: all is current")


def url_of_remote(repo: Repo) -> str:
    """The URL or path of the default remote.

    Raises:
        SharingError: none is set up, or it is a folder that isn't there; DVC would make one, where nobody looks for it.
    """
    name = repo.config["core"].get("remote")
    if not name:
        raise SharingError(
            "no remote is set up; run make remote URL=…, with a folder or URL that all of the team reach"
        )
    url = str(repo.config["remote"][name]["url"])
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise SharingError(f"{faults.ABSENT.meaning} {faults.ABSENT.action}")
    return url


def share(repo: Repo, causes: faults.Causes) -> None:
    """Upload the objects of dvc.lock, then the records of runs by which others find them.

    Raises:
        SharingError: results are not current.
        DvcException: something did not arrive; or an error of the remote's own kind.
    """
    if repo.status(targets=[PIPELINE]):
        raise SharingError("results are not current, nothing was uploaded; run make repro, commit, and share again")
    repo.push()
    repo.stage_cache.push(None)  # goes on after an error, and only logs it
    if causes.texts:
        raise DvcException("records of runs did not arrive")
    mend(repo)


def mend(repo: Repo) -> None:
    """Upload again what the remote lacks, or has cut short, of the objects of dvc.lock.

    WebDAV keeps a file under its name at which a transfer broke off, DVC takes every file that is there to be whole,
    and every folder to be complete whose list is there.
    """
    near, far = repo.cache.local, repo.cloud.get_remote_odb(None, "share")
    wanted = sorted({str(info.value) for infos in repo.used_objs().values() for info in infos})
    damaged = [oid for oid in wanted if size(far, oid) != size(near, oid)]
    for oid in damaged:
        far.add(near.oid_to_path(oid), near.fs, oid, check_exists=False)
        print(f"share: {oid} was missing or cut short on the remote; uploaded again")


def size(objects: HashFileDB, oid: str) -> int | None:
    """Of an object, in bytes; None if it isn't there."""
    try:
        return objects.fs.size(objects.oid_to_path(oid))
    except FileNotFoundError:
        return None


def pull(repo: Repo, causes: faults.Causes) -> None:
    """Take over what others have computed, and rebuild the rest.

    Raises:
        DvcException: a transfer or a stage failed, or results are still not current; or an error of the remote's kind.
    """
    repo.stage_cache = CautiousStageCache(repo, causes)
    repo.reproduce(pull=True)
    if repo.status(targets=[PIPELINE]):
        raise DvcException("results are not current; see dvc status dvc.yaml")


class CautiousStageCache(StageCache):
    """Lets no stage run in place of a transfer that failed: that could take hours, and would hide the failure."""

    def __init__(self, repo: Repo, causes: faults.Causes) -> None:
        super().__init__(repo)
        self.causes = causes

    def restore(self, stage: Any, *arguments: Any, **options: Any) -> None:
        """Take a stage's outputs over from the cache or the remote; `DvcException` if an error has come before."""
        try:
            super().restore(stage, *arguments, **options)
        except RunCacheNotFoundError:
            if self.causes.texts:
                raise DvcException(
                    f"'{stage.addressing}' was not run in place of what could not be taken over"
                ) from None
            raise


if __name__ == "__main__":
    main()
