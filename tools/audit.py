"""Is every stored byte what its name says? `python -m tools.audit [--repair]` (`make audit`).

DVC believes every cache file that is read-only, and every output that was checked out from there. Here the cache, a
remote and the outputs in the workspace are read and hashed again. A repair replaces what is corrupt by a sound copy.
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
    """What was seen: where a sound copy of some content is, and what is not what it should be."""

    sound: dict[str, Path] = field(default_factory=dict)  # by MD5
    faults: dict[Path, str] = field(default_factory=dict)  # file → MD5 that it should have

    def look(self, title: str, expected: Iterable[tuple[Path, str]]) -> None:
        """Hash files, each of which should have an MD5; print what is wrong."""
        for path, wanted in tqdm(dict(expected).items(), desc=title, unit="file", disable=None):
            if path.exists() and md5_of(path) == wanted:
                self.sound[wanted] = path
            else:
                self.faults[path] = wanted
                fault = "corrupt" if path.exists() else "missing"
                print(f"{title}: {path}: {fault}, it should be {wanted}")

    def missing(self, folder: Path) -> Iterator[tuple[Path, str]]:
        """The objects that lists of folders name and a store lacks. DVC takes a folder to be there if its list is."""
        for path, _ in objects(folder):
            if path.suffix == ".dir" and path not in self.faults:
                for md5 in [row["md5"] for row in json.loads(path.read_bytes())]:
                    if not (named := folder / OBJECTS / md5[:2] / md5[2:]).exists():
                        yield named, md5

    def outputs(self) -> Iterator[tuple[Path, str]]:
        """The files in the workspace that dvc.lock names, and their MD5; not links, and not what git keeps."""
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
        """Replace what is corrupt by a sound copy, or delete it; `faults` are then the files without one."""
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
    parser.add_argument("--repair", action="store_true", help="replace what is corrupt by a sound copy")
    repair = parser.parse_args().repair
    try:
        url = remote_url()
    except ToolError as error:
        print(f"audit: {error}; no remote is looked at", file=sys.stderr)
        url = ""
    seen = Audit()
    stores = {"cache": printed(*DVC, "cache", "dir")} | ({"remote": url} if url and "://" not in url else {})
    for title, folder in stores.items():
        seen.look(title, objects(Path(folder)))
        seen.look(title, seen.missing(Path(folder)))
    seen.look("workspace", seen.outputs())
    away = list(faults_away()) if "://" in url else []
    print("\n".join(away), end="\n" if away else "")
    if repair:
        seen.repair()
    if left := len(seen.faults) + len(away):
        advice = "make repro makes them anew, then make share" if repair else "make audit REPAIR=1 repairs"
        raise SystemExit(f"audit: {left} faults are left: {advice}")
    print(f"audit: {len(seen.sound)} contents are what their names say")


def objects(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every object of a cache or remote, and the MD5 that its name says."""
    for path in sorted((folder / OBJECTS).glob("[0-9a-f][0-9a-f]/*")):
        if len(path.stem) == 30 and path.suffix in ("", ".dir"):  # others are half a copy
            yield path, path.parent.name + path.stem


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
                lists = [md5 for out, md5 in locked().items() if Path(path.lstrip("/")).is_relative_to(out)]
                names = " and ".join(f"{OBJECTS}/{md5[:2]}/{md5[2:]}" for md5 in {entry["md5"]: 0, lists[0]: 0})
                yield f"remote: {path}: missing or corrupt; delete {names} there, then make share"


def locked() -> dict[Path, str]:
    """The outputs in dvc.lock and their MD5, which ends with `.dir` if it is that of a folder's list."""
    stages = read_lock() if LOCK.exists() else {}
    return {Path(out["path"]): out["md5"] for entry in stages.values() for out in entry.get("outs", [])}


def md5_of(path: Path) -> str:
    """The MD5 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


if __name__ == "__main__":
    main()
