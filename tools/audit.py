"""Is every stored byte what its name says? `python -m tools.audit [--remote NAME] [--repair]`.

DVC believes every cache file that is read-only, and every output that was checked out from there. Here all of it is
read and hashed again: the cache, the remote, and the outputs in the workspace. A repair deletes, restores from another
side, runs the stage again, and uploads again.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.utils import dict_sha256
from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from tqdm import tqdm

from tools import faults, orphans
from tools.remote import KINDS, RemoteError, kind_of

BLOCK = 1 << 20  # bytes

Output = Any  # dvc.output.Output, which has no types of its own


@dataclass
class Store:
    """One place of objects, all of them hashed: the cache, or a remote."""

    title: str
    odb: HashFileDB
    sound: set[str] = field(default_factory=set)  # ids of objects whose content has that hash
    corrupt: set[str] = field(default_factory=set)

    def members(self) -> Iterator[tuple[str, str, str]]:
        """Of every sound folder object: its id, and the path and id of each member."""
        for folder in sorted(oid for oid in self.sound if oid.endswith(".dir")):
            for key, _, info in Tree.load(self.odb, HashInfo("md5", folder)):
                yield folder, "/".join(key), info.value


@dataclass
class Findings:
    """What an audit saw that DVC would take for good."""

    cache: Store
    remote: Store | None
    outputs: list[str]  # of the workspace, that are not what dvc.lock says
    records: list[Path]  # of the run cache, that are not what their names say
    uses: dict[str, list[str]]  # id of an object → the files and folders of dvc.lock that it is

    @property
    def unlisted(self) -> set[str]:
        """Members of the remote's folders that are not there. DVC looks for the folder alone, and uploads no more."""
        if self.remote is None:
            return set()
        return {member for _, _, member in self.remote.members()} - self.remote.sound - self.remote.corrupt

    def faults(self) -> list[str]:
        """A line for each."""
        lines = []
        for store in filter(None, (self.cache, self.remote)):
            lines += [f"{store.title}: {self._described(oid)}: corrupt" for oid in sorted(store.corrupt)]
        lines += [f"remote: {self._described(oid)}: missing, its folder is there" for oid in sorted(self.unlisted)]
        lines += [f"workspace: {out}: not what dvc.lock says" for out in self.outputs]
        return lines + [f"run cache: {path.name}: corrupt" for path in self.records]

    def is_damaged(self, out: Output) -> bool:
        """Is an output itself, or one of its objects in the cache, not what its name says?"""
        paths = [Path(path) for oid in self.cache.corrupt for path in self.uses.get(oid, [])]
        return str(out) in self.outputs or any(path.is_relative_to(str(out)) for path in paths)

    def _described(self, oid: str) -> str:
        return f"{oid} ({', '.join(self.uses[oid])})" if oid in self.uses else oid


def main() -> None:
    """Audit, repair if that is wanted, and exit with 1 if a fault is left."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--remote", help="name of a remote; without it the default one, if there is one")
    parser.add_argument("--repair", action="store_true", help="repair what can be repaired")
    arguments = parser.parse_args()
    kind = KINDS[""]
    try:
        orphans.refuse_during_a_run()
        with Repo() as repo:
            if name := arguments.remote or repo.config["core"].get("remote"):
                kind = kind_of(repo.config["remote"].get(name, {}).get("url", ""))
            left = audit(repo, arguments.remote, repair=arguments.repair)
            unowned = orphans.find(repo)
    except (orphans.BusyError, DvcException, RemoteError) as error:
        raise SystemExit(f"audit: {error}") from None
    except Exception as error:  # each kind of remote has its own
        texts = list(faults.lineage(error))
        advice = faults.advice(faults.OF_PULL, texts, kind)
        raise SystemExit(f"audit: {': '.join(texts)}\n{advice}") from None
    if unowned:
        print(f"{unowned}\naudit: `make prune` removes what no stage owns")
    if left:
        advice = "could not be repaired" if arguments.repair else "`make audit REPAIR=1` repairs"
        raise SystemExit(f"audit: {left} faults; {advice}")
    if unowned:
        raise SystemExit(1)
    print("audit: every object, every output and every record of a run is what its name says")


def audit(repo: Repo, remote: str | None, *, repair: bool) -> int:
    """Look at everything, print what is wrong, and repair it if asked; how many faults are left."""
    findings = examine(repo, remote)
    faults = findings.faults()
    print("\n".join(faults), end="\n" if faults else "")
    if faults and repair:
        with lock_repo(repo):
            again = repair_here(repo, findings)
        if again:
            print(f"audit: no sound copy is known; running {', '.join(again)} again")
            subprocess.run([sys.executable, "-m", "dvc", "repro", *again], check=False)
        if findings.remote:
            findings.cache = hashed("cache", repo.cache.local)
            repair_remote(findings.remote, findings.cache, findings.remote.corrupt | findings.unlisted)
        print("audit: looking once more")
        faults = examine(repo, remote).faults()
        print("\n".join(faults), end="\n" if faults else "")
    return len(faults)


def examine(repo: Repo, remote: str | None) -> Findings:
    """Hash everything again.

    Raises:
        DvcException: the remote is unknown.
        Exception: it can't be read, each kind of remote with its own.
    """
    try:
        far = repo.cloud.get_remote_odb(remote, "audit")
    except NoRemoteError:
        far = None
    cache = hashed("cache", repo.cache.local)
    there = hashed("remote", far) if far else None
    with lock_repo(repo):
        outputs = [out for out in repo.index.outs if out.use_cache and out.hash_info]
        folders = {out.hash_info.value: str(out) for out in outputs}
        uses = {oid: {path} for oid, path in folders.items()}
        for store in filter(None, (cache, there)):
            for folder, path, oid in store.members():
                if folder in folders:
                    uses.setdefault(oid, set()).add(f"{folders[folder]}/{path}")
        overlooked = [str(out) for out in outputs if out.exists and is_overlooked(out)]
    records = corrupt_records(Path(repo.stage_cache.cache_dir))
    return Findings(cache, there, overlooked, records, {oid: sorted(paths) for oid, paths in uses.items()})


def reach(odb: HashFileDB) -> bool:
    """Whether a store has been begun. DVC's own question, whether a file is there, WebDAV answers with no if it fails.

    Raises:
        Exception: it can't be read, each kind of remote with its own.
    """
    try:
        odb.fs.ls(odb.path, detail=False, refresh=True)
    except FileNotFoundError as error:
        if "NoSuchBucket" in "".join(faults.lineage(error)):
            raise
        return False
    return True


def hashed(title: str, odb: HashFileDB) -> Store:
    """Read every object of a store.

    Raises:
        Exception: the store can't be read, each kind of remote with its own.
    """
    store = Store(title, odb)
    paths = list(odb.fs.find(odb.path)) if reach(odb) else []
    for path in tqdm(paths, desc=title, unit="object", disable=None):
        if Path(path).name.startswith(".") or path.endswith(".tmp"):
            continue  # half a copy: another DVC is at work, was cut off, or its disk was full
        try:
            oid = odb.path_to_oid(path)
        except ValueError:
            continue  # not an object: the run cache, or what another tool keeps there
        digest = hashlib.md5(usedforsecurity=False)
        with odb.fs.open(path, "rb") as file:
            while block := file.read(BLOCK):  # hashlib.file_digest does not take the files of SSH
                digest.update(block)
        found = digest.hexdigest()
        (store.sound if found == oid.removesuffix(".dir") else store.corrupt).add(oid)
    print(f"{title}: {len(store.sound)} objects are sound, {len(store.corrupt)} corrupt")
    return store


def is_overlooked(out: Output) -> bool:
    """Does an output differ from dvc.lock, though DVC's memory of its hash says that it doesn't?"""
    unremembered = HashFileDB(out.fs, out.cache.path)  # has no memory of hashes
    _, _, found = build(unremembered, out.fs_path, out.fs, out.hash_name, ignore=out.dvcignore, dry_run=True)
    return bool(found.hash_info != out.hash_info and out.get_hash() == out.hash_info)


def corrupt_records(runs: Path) -> list[Path]:
    """The records of the run cache that have not the content that they are named after."""
    return [path for path in sorted(runs.rglob("*")) if path.is_file() and not _is_sound_record(path)]


def drop(record: Path) -> None:
    """Delete a record of the run cache. DVC expects none of its folders to be empty."""
    record.unlink()
    if not any(record.parent.iterdir()):
        record.parent.rmdir()


def _is_sound_record(path: Path) -> bool:
    try:
        return dict_sha256(load_yaml(str(path)), exclude=["size", "nfiles"]) == path.name
    except YAMLFileCorruptedError:
        return False


def repair_here(repo: Repo, findings: Findings) -> list[str]:
    """Delete what is corrupt in cache and workspace, and restore it from the remote or from each other.

    Returns:
        The stages that must run again, since no sound copy of their output is known.
    """
    cache, remote = findings.cache, findings.remote
    damaged = [(stage, out) for stage in repo.index.stages for out in stage.outs if findings.is_damaged(out)]
    for path in findings.records:
        drop(path)
    for _, out in damaged:
        if str(out) in findings.outputs:
            out.remove()
    for oid in sorted(cache.corrupt):
        cache.odb.delete(oid)
        if remote and oid in remote.sound:
            copy(oid, remote, cache)
            print(f"cache: {oid}: restored from the remote")
        else:
            print(f"cache: {oid}: deleted")

    for _, out in damaged:
        if is_broken_link(Path(out.fs_path)):
            out.remove()
    for _, out in damaged:
        if out.exists and not out.changed_checksum():
            out.commit(relink=False)
            print(f"cache: {out}: complete with what the workspace has")
    missing = [(stage, out) for stage, out in damaged if not out.exists]
    for _, out in missing:
        if not out.changed_cache():
            out.checkout()
            print(f"workspace: {out}: restored from the cache")
    return list(dict.fromkeys(stage.addressing for stage, out in missing if not out.exists))


def is_broken_link(path: Path) -> bool:
    """Is a file, or one in a folder, a link to nothing, such as to an object that was deleted from the cache?"""
    return any(file.is_symlink() and not file.exists() for file in (path, *path.rglob("*")))


def repair_remote(remote: Store, cache: Store, oids: Iterable[str]) -> None:
    """Replace objects of the remote by those of the cache; what the cache has not is deleted."""
    for oid in sorted(oids):
        if oid in remote.corrupt:
            remote.odb.delete(oid)
        if oid in cache.sound:
            copy(oid, cache, remote)
            print(f"remote: {oid}: uploaded again")
        elif oid in remote.corrupt:
            print(f"remote: {oid}: deleted")


def copy(oid: str, source: Store, target: Store) -> None:
    """Take an object over from where it is sound."""
    target.odb.add(source.odb.oid_to_path(oid), source.odb.fs, oid)


if __name__ == "__main__":
    main()
