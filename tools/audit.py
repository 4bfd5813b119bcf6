"""Checks that every stored file has the hash in its name: `python -m tools.audit [--repair]` (`make audit`).

DVC trusts every read-only file in its cache, and every output that was checked out from there. The audit hashes the
cache, the remote and the outputs in the workspace again. A repair replaces corrupt files by sound copies.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dvc.api import DVCFileSystem
from tqdm import tqdm

from grayscale.core.atomic import atomic
from tools import DVC, LOCK, ToolError, printed, read_lock
from tools.sharing import remote_url

OBJECTS = Path("files/md5")  # in a cache, and in a remote: ab/cdef…, named by the MD5 of the content


@dataclass
class Audit:
    """The files hashed so far."""

    sound: dict[str, Path] = field(default_factory=dict)  # MD5 → a file with that content
    faults: dict[Path, str] = field(default_factory=dict)  # corrupt or missing file → MD5 that it should have

    def check(self, title: str, expected: Iterable[tuple[Path, str]]) -> None:
        """Hash files, each with its expected MD5, and print the faults."""
        for path, wanted in tqdm(dict(expected).items(), desc=title, unit="file", disable=None):
            if path.exists() and md5_of(path) == wanted:
                self.sound[wanted] = path
            else:
                self.faults[path] = wanted
                fault = "corrupt" if path.exists() else "missing"
                print(f"{title}: {path}: {fault}, it should be {wanted}")

    def missing(self, store: Path) -> Iterator[tuple[Path, str]]:
        """Objects that a store lacks although its folder lists name them. DVC checks only that the list is there."""
        for path, _ in objects(store):
            if path.suffix == ".dir" and path not in self.faults:
                for row in json.loads(path.read_bytes()):
                    if not (named := store / object_path(row["md5"])).exists():
                        yield named, row["md5"]

    def outputs(self) -> Iterator[tuple[Path, str]]:
        """Files of dvc.lock's outputs in the workspace, and their MD5; without links and files that git tracks."""
        known = {*self.sound, *self.faults.values()}
        tracked = printed("git", "ls-files").splitlines()
        for path, md5 in locked().items():
            files = {path: md5}
            if md5.endswith(".dir"):
                listed = self.sound.get(md5.removesuffix(".dir"))
                rows = json.loads(listed.read_bytes()) if listed else []
                files = {path / row["relpath"]: row["md5"] for row in rows}
            for file, wanted in files.items():
                if wanted in known and str(file) not in tracked and file.exists() and not file.is_symlink():
                    yield file, wanted

    def repair(self) -> None:
        """Replace corrupt and missing files by sound copies, or delete them; `faults` keeps those without a copy."""
        for path, md5 in list(self.faults.items()):
            path.unlink(missing_ok=True)
            if md5 in self.sound:
                with atomic(path) as copy:
                    shutil.copyfile(self.sound[md5], copy)
                    copy.chmod(0o444 if path.parts[-4:-2] == OBJECTS.parts else 0o644)
                print(f"audit: {path}: restored from {self.sound[md5]}")
                del self.faults[path]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--repair", action="store_true", help="replace corrupt files by sound copies")
    repair = parser.parse_args().repair
    try:
        url = remote_url()
    except ToolError as error:
        print(f"audit: {error}; no remote is checked", file=sys.stderr)
        url = ""
    audit = Audit()
    stores = {"cache": printed(*DVC, "cache", "dir")} | ({"remote": url} if url and "://" not in url else {})
    for title, folder in stores.items():
        audit.check(title, objects(Path(folder)))
        audit.check(title, audit.missing(Path(folder)))
    audit.check("workspace", audit.outputs())
    remote_faults = list(faults_at_url()) if "://" in url else []
    for fault in remote_faults:
        print(fault)
    if repair:
        audit.repair()
    if left := len(audit.faults) + len(remote_faults):
        advice = "make repro makes them anew, then make share" if repair else "make audit REPAIR=1 repairs"
        raise SystemExit(f"audit: {left} faults are left: {advice}")
    print(f"audit: {len(audit.sound)} contents have the hashes in their names")


def objects(store: Path) -> Iterator[tuple[Path, str]]:
    """Every object of a cache or remote folder, and the MD5 in its name."""
    for path in sorted((store / OBJECTS).glob("[0-9a-f][0-9a-f]/*")):
        if len(path.stem) == 30 and path.suffix in ("", ".dir"):  # others are unfinished copies
            yield path, path.parent.name + path.stem


def object_path(md5: str) -> Path:
    """Where a cache or remote holds the object of a hash."""
    return OBJECTS / md5[:2] / md5[2:]


def faults_at_url() -> Iterator[str]:
    """Outputs of dvc.lock that a remote which is no folder lacks or holds corrupt.

    `dvc push` uploads a file of a folder only if the folder's list is missing, too.
    """
    with tempfile.TemporaryDirectory() as empty:
        remote = DVCFileSystem(".", config={"cache": {"dir": empty}})
        for path, entry in remote.find("/", detail=True, dvc_only=True).items():
            try:
                sound = hashlib.md5(remote.read_bytes(path), usedforsecurity=False).hexdigest() == entry["md5"]
            except FileNotFoundError:
                sound = False
            if not sound:
                output = next(md5 for out, md5 in locked().items() if Path(path.lstrip("/")).is_relative_to(out))
                names = " and ".join(str(object_path(md5)) for md5 in dict.fromkeys([entry["md5"], output]))
                yield f"remote: {path}: missing or corrupt; delete {names} there, then make share"


def locked() -> dict[Path, str]:
    """The outputs in dvc.lock and their MD5, which ends in `.dir` for a folder."""
    stages = read_lock() if LOCK.exists() else {}
    return {Path(out["path"]): out["md5"] for entry in stages.values() for out in entry.get("outs", [])}


def md5_of(path: Path) -> str:
    """The MD5 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


if __name__ == "__main__":
    main()
