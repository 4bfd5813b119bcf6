"""Give results to the team and take them over: `python -m tools.sharing share|pull` (`make share`, `make pull`).

DVC is asked in this process, by its Python interface: its bars and messages appear as always, and the causes of a
failure, some of which it shows with `-v` alone, are at hand to say what to do (faults.py).
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dvc.config import ConfigError
from dvc.data_cloud import DataCloud
from dvc.exceptions import DvcException
from dvc.fs.callbacks import TqdmCallback
from dvc.repo import Repo
from dvc.stage.cache import RunCacheNotFoundError, StageCache, _can_hash, _get_stage_hash
from dvc.ui import ui
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.transfer import TransferResult
from dvc_objects.errors import ObjectFormatError

from tools import faults
from tools.audit import corrupt_records, drop, reach
from tools.remote import Kind, RemoteError, kind_of

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
        repo, kind = opened()
    except SharingError as error:
        raise SystemExit(f"{verb}: {error}") from None
    try:
        with repo:
            share(repo, causes) if verb == "share" else pull(repo, causes)
    except SharingError as error:
        raise SystemExit(f"{verb}: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(f"{verb}: interrupted; what has arrived is kept") from None
    except Exception:  # each kind of remote has its own
        logger.exception("%s did not succeed", verb)
        known = faults.OF_SHARE if verb == "share" else faults.OF_PULL
        raise SystemExit(f"{verb}: {faults.advice(known, causes.texts, kind)}") from None
    print("share: all is on the remote" if verb == "share" else "pull: all is current")


def opened() -> tuple[Repo, Kind]:
    """The repository, and of which kind its default remote is.

    Raises:
        SharingError: no remote is set up, or not one that is known here; or it is a folder that isn't there: DVC would
            make one, where nobody looks for it.
    """
    try:
        repo = Repo()
        name = repo.config["core"].get("remote")
        if not name:
            raise SharingError(
                "no remote is set up; run make remote URL=…, with a folder or URL that all of the team reach"
            )
        url = str(repo.config["remote"].get(name, {})["url"])
        kind = kind_of(url)
    except (ConfigError, RemoteError, KeyError) as error:
        said = "the default remote has no URL" if isinstance(error, KeyError) else error
        raise SharingError(
            f"{said}\nCorrect .dvc/config.local, which may be of another kind of remote, or run make remote URL=…"
        ) from error
    if "://" not in url and not Path(url).expanduser().is_dir():
        raise SharingError(f"{faults.ABSENT.meaning} {faults.ABSENT.action}")
    return repo, kind


def share(repo: Repo, causes: faults.Causes) -> None:
    """Upload the objects of dvc.lock, then the records of runs by which others find them.

    Raises:
        SharingError: results are not current, or corrupt in the cache.
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

    Raises:
        SharingError: what the cache has is not what its name says; it would replace what may be sound.
        DvcException: what was uploaded again is not whole, either; or an error of the remote's own kind.
    """
    near, far = repo.cache.local, repo.cloud.get_remote_odb(None, "share")
    wanted = sorted({str(info.value) for infos in repo.used_objs().values() for info in infos})
    here = sizes(near, wanted)
    there = sizes(far, list(here))
    for oid in (oid for oid in here if here[oid] != there.get(oid)):
        path = near.oid_to_path(oid)
        if file_md5(path, near.fs) != oid.removesuffix(".dir"):
            raise SharingError(f"{oid} is corrupt in the cache of this clone; run make audit REPAIR=1, and share again")
        far.add(path, near.fs, oid, check_exists=False)
        if sizes(far, [oid]).get(oid) != here[oid]:
            raise DvcException(f"{oid} did not arrive whole")
        print(f"share: {oid} was missing or cut short on the remote; uploaded again")


def sizes(objects: HashFileDB, oids: list[str]) -> dict[str, int]:
    """In bytes, of the objects that are there."""
    paths = [objects.oid_to_path(oid) for oid in oids]
    with TqdmCallback(desc=f"Checking {objects.path}", unit="file") as bar:
        found = objects.fs.info(paths, callback=bar, return_exceptions=True)
    for each in found:
        if isinstance(each, Exception) and not isinstance(each, FileNotFoundError):
            raise each
    return {oid: info["size"] for oid, info in zip(oids, found, strict=True) if not isinstance(info, Exception)}


def pull(repo: Repo, causes: faults.Causes) -> None:
    """Take over what others have computed, and rebuild the rest.

    Raises:
        DvcException: a transfer or a stage failed, or results are still not current; or an error of the remote's kind.
    """
    repo.cloud = StrictCloud(repo)
    repo.stage_cache = CautiousStageCache(repo, causes)
    reach(repo.cloud.get_remote_odb(None, "pull"))
    repo.reproduce(pull=True)
    if repo.status(targets=[PIPELINE]):
        raise DvcException("results are not current; see dvc status dvc.yaml")


class StrictCloud(DataCloud):
    """Tells what DVC keeps to itself: that the remote did not answer, and that what arrived was thrown away."""

    def pull(self, objs: Iterable[HashInfo], *arguments: Any, **options: Any) -> TransferResult:
        """Download objects; those that nobody has shared are no error.

        Raises:
            Exception: the remote can't be read, each kind with its own; it has been logged, since DVC may drop it.
        """
        objs = set(objs)
        try:
            result = super().pull(objs, *arguments, **options)
            missing = {info for info in objs if not self.repo.cache.local.exists(info.value)}
            if missing:  # WebDAV takes any failure to mean that a file is not there
                reach(self.get_remote_odb(None, "pull"))
        except (ObjectFormatError, AssertionError):
            logger.error("the list of a folder is corrupt on the remote; it was not taken over")
            raise
        except Exception:
            logger.exception("the remote could not be read")
            raise
        for info in sorted(result.transferred & missing, key=str):
            logger.error("%s is corrupt on the remote; it was not taken over", info.value)
        return result


class CautiousStageCache(StageCache):
    """Lets no stage run in place of a transfer that failed: that could take hours, and would hide the failure."""

    def __init__(self, repo: Repo, causes: faults.Causes) -> None:
        super().__init__(repo)
        self.causes = causes

    def pull(self, *arguments: Any) -> Any:
        """Download the records of runs, and drop those that did not arrive whole."""
        records = super().pull(*arguments)
        names = {name for _, name in records}
        for path in corrupt_records(Path(self.cache_dir)):
            if path.name in names:
                drop(path)
                logger.warning("a record of a run, %s, is corrupt on the remote; it was not taken over", path.name)
        return records

    def restore(self, stage: Any, *arguments: Any, **options: Any) -> None:
        """Take a stage's outputs over from the cache or the remote.

        Raises:
            RunCacheNotFoundError: nobody has shared them; the stage will run.
            DvcException: they, or the record of its run, could not be taken over.
        """
        before = len(self.causes.texts)
        try:
            super().restore(stage, *arguments, **options)
        except RunCacheNotFoundError:
            records = _get_stage_hash(stage) if _can_hash(stage) else None
            if self.causes.texts[before:] or (records and any(records in text for text in self.causes.texts)):
                raise DvcException(
                    f"'{stage.addressing}' was not run in place of what could not be taken over"
                ) from None
            raise


if __name__ == "__main__":
    main()
