"""Is every stored byte what its name says? `python -m tools.audit [--repair]` (`make audit`).

DVC believes every cache file that is read-only, and every output that was checked out from there. Here the cache, a
remote and the outputs in the workspace are read and hashed again. A repair replaces what is corrupt by a sound copy.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvc.api import DVCFileSystem
from ruamel.yaml import YAML
from tqdm import tqdm

from grayscale.core.atomic import atomic
from tools.sharing import SharingError, refuse_absent, remote_url

LOCK = Path("dvc.lock")
OBJECTS = Path("files/md5")  # in a cache, and in a remote: ab/cdef…, named by the MD5 of the content
READ_ONLY = 0o444


@dataclass
class Audit:
    """What was seen: where a sound copy of some content is, and what is not what it should be."""

    sound: dict[str, Path] = field(default_factory=dict)  # by MD5
    faults: dict[Path, str] = field(default_factory=dict)  # file → MD5 that it should have
    away: list[str] = field(default_factory=list)  # faults of a remote that is no folder

    def look(self, title: str, expected: dict[Path, str]) -> None:
        """Hash files, each of which should have an MD5; print what is wrong."""
        for path, wanted in tqdm(expected.items(), desc=title, unit="file", disable=None):
            found = md5_of(path) if path.exists() else "missing"
            if found == wanted:
                self.sound[wanted] = path
            else:
                self.faults[path] = wanted
                print(f"{title}: {path}: {found if found == 'missing' else 'corrupt'}, it should be {wanted}")

    def repair(self) -> list[Path]:
        """Replace what is corrupt by a sound copy, or delete it; returns the files without one."""
        for path in self.faults:
            path.unlink(missing_ok=True)
        for path, md5 in self.faults.items():
            if md5 in self.sound:
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic(path) as copy:
                    shutil.copyfile(self.sound[md5], copy)
                    copy.chmod(READ_ONLY if path.parts[-4:-2] == OBJECTS.parts else 0o644)
                print(f"audit: {path}: restored from {self.sound[md5]}")
        return [path for path, md5 in self.faults.items() if md5 not in self.sound]


def main() -> None:
    """Audit, repair if that is wanted, and exit with 1 if a fault is left."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--repair", action="store_true", help="replace what is corrupt by a sound copy")
    repair = parser.parse_args().repair
    try:
        url = remote_url()
        refuse_absent(url)
    except SharingError as error:
        print(f"audit: {error}; no remote is looked at", file=sys.stderr)
        url = ""
    seen = audit(url)
    left = seen.repair() if repair else list(seen.faults)
    if left or seen.away:
        advice = "make repro makes them anew, then make share" if repair else "make audit REPAIR=1 repairs"
        raise SystemExit(f"audit: {len(left) + len(seen.away)} faults are left: {advice}")
    print(f"audit: {len(seen.sound)} contents are what their names say")


def audit(url: str) -> Audit:
    """Hash the cache, the remote at a URL or path (none if empty), and the outputs that dvc.lock names."""
    seen = Audit()
    stores = {"cache": cache_folder()} | ({"remote": Path(url)} if url and "://" not in url else {})
    for title, folder in stores.items():
        seen.look(title, dict(objects(folder)))
        seen.look(title, {path: md5 for path, md5 in members(folder, seen) if not path.exists()})
    seen.look("workspace", dict(outputs(seen)))
    if "://" in url:
        seen.away = list(faults_away())
        print("\n".join(seen.away), end="\n" if seen.away else "")
    return seen


def objects(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every object of a cache or remote, and the MD5 that its name says."""
    for path in sorted((folder / OBJECTS).glob("[0-9a-f][0-9a-f]/*")):
        if len(path.stem) == 30 and path.suffix in ("", ".dir"):  # others are half a copy
            yield path, path.parent.name + path.stem


def members(folder: Path, seen: Audit) -> Iterator[tuple[Path, str]]:
    """The objects that lists of folders name. DVC takes a folder to be there if its list is."""
    for path, _ in objects(folder):
        if path.suffix == ".dir" and path not in seen.faults:
            for row in json.loads(path.read_bytes()):
                yield folder / OBJECTS / row["md5"][:2] / row["md5"][2:], row["md5"]


def outputs(seen: Audit) -> Iterator[tuple[Path, str]]:
    """The files in the workspace that dvc.lock names, and their MD5; not links, and not what git keeps."""
    known = {*seen.sound, *seen.faults.values()}
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=False).stdout.splitlines()
    for out in locked():
        path, md5 = Path(out["path"]), out["md5"].removesuffix(".dir")
        files = {path: md5}
        if out["md5"] != md5:
            listed = seen.sound.get(md5)
            files = {path / row["relpath"]: row["md5"] for row in json.loads(listed.read_bytes())} if listed else {}
        for file, wanted in files.items():
            if wanted in known and str(file) not in tracked and file.exists() and not file.is_symlink():
                yield file, wanted


def faults_away() -> Iterator[str]:
    """What a remote that is no folder lacks or holds corrupt, of the outputs in dvc.lock.

    `dvc push` uploads a file of a folder only if the folder's list is not there either.
    """
    with tempfile.TemporaryDirectory() as empty:
        remote = DVCFileSystem(".", config={"cache": {"dir": empty}})
        for path, entry in remote.find("/", detail=True, dvc_only=True).items():
            try:
                sound = hashlib.md5(remote.read_bytes(path), usedforsecurity=False).hexdigest() == entry["md5"]
            except FileNotFoundError:
                sound = False
            if not sound:
                lists = [out["md5"] for out in locked() if Path(path.lstrip("/")).is_relative_to(out["path"])]
                names = " and ".join(f"{OBJECTS}/{md5[:2]}/{md5[2:]}" for md5 in {entry["md5"]: 0, lists[0]: 0})
                yield f"remote: {path}: missing or corrupt; delete {names} there, then make share"


def locked() -> list[dict[str, str]]:
    """The outputs in dvc.lock."""
    entries = YAML(typ="safe").load(LOCK)["stages"].values() if LOCK.exists() else []
    return [out for entry in entries for out in entry.get("outs", [])]


def cache_folder() -> Path:
    """DVC's cache, wherever the clone keeps it."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def md5_of(path: Path) -> str:
    """The MD5 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


if __name__ == "__main__":
    main()
