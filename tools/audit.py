"""Hashes what DVC trusts: `python -m tools.audit [--repair]` (`make audit`).

DVC trusts every read-only file in its cache, and every output that was checked out from there. The audit hashes the
objects in the cache and on the remote, and the outputs in the workspace. A repair replaces a corrupt object by the copy
on the other side, if that is sound.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc_data.hashfile.hash import file_md5
from tqdm import tqdm

from tools import LOCK, ToolError, output_of, read_lock
from tools.sharing import require_remote

OBJECT = re.compile(r"[0-9a-f]{32}(\.dir)?")  # the MD5 of the content; other names are unfinished copies


class Store:
    """The cache or the remote, with every object hashed."""

    def __init__(self, name: str, database: Any) -> None:
        self.name, self.database = name, database
        self.sound: dict[str, str] = {}  # MD5 in the name of an object → its path
        self.corrupt: dict[str, str] = {}
        fs = database.fs
        for path in tqdm(sorted(fs.find(database.path)), desc=name, unit="file", disable=None):
            md5 = "".join(fs.parts(path)[-2:])
            if OBJECT.fullmatch(md5):
                is_sound = file_md5(path, fs) == md5.removesuffix(".dir")
                (self.sound if is_sound else self.corrupt)[md5] = path

    def repair(self, other: "Store") -> None:
        """Replace the corrupt objects of which `other` has sound copies."""
        for md5 in self.corrupt.keys() & other.sound.keys():
            self.database.delete(md5)
            self.database.add(other.sound[md5], other.database.fs, md5)
            print(f"{self.name}: {self.corrupt.pop(md5)}: replaced by the copy in the {other.name}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--repair", action="store_true", help="replace corrupt objects by sound copies")
    repair = parser.parse_args().repair
    repo = Repo()
    stores = [Store("cache", repo.cache.local)]
    unread = None
    try:
        require_remote()
        stores.append(Store("remote", repo.cloud.get_remote_odb()))
    except ToolError as error:
        print(f"audit: {error}; no remote is checked", file=sys.stderr)
    except Exception as error:  # each kind of remote has its own
        unread = f"audit: no file is corrupt here, but the remote can't be read: {error!r}"
    files = list(outputs(stores))
    names = {md5: file for file, md5, _ in files}
    for store in stores:
        for md5, path in store.corrupt.items():
            print(f"{store.name}: {path}: corrupt; it is {names.get(md5, 'in no output of dvc.lock')}")
    in_git = output_of("git", "ls-files").splitlines()
    faults = 0
    for file, md5, output in files:
        if str(file) not in in_git and file.is_file() and not file.is_symlink() and file_md5(str(file)) != md5:
            print(f"workspace: {file}: corrupt or edited; delete it, then `dvc checkout {output}` restores it")
            faults += 1
    if repair:
        for store, other in permutations(stores, 2):
            store.repair(other)
    if faults := faults + sum(len(store.corrupt) for store in stores):
        advice = "delete objects that have no sound copy, then make repro and make share"
        raise SystemExit(
            f"audit: corrupt files: {faults}; {advice if repair else 'make audit REPAIR=1 replaces what it can'}"
        )
    if unread:
        raise SystemExit(unread)
    print("audit: no file is corrupt")


def outputs(stores: list[Store]) -> Iterator[tuple[Path, str, str]]:
    """The outputs in dvc.lock and the files in them: path, MD5, path of the output."""
    for entry in (read_lock() if LOCK.exists() else {}).values():
        for out in entry.get("outs", []):
            path, md5 = out["path"], out["md5"]
            yield Path(path), md5, path
            holder = next((store for store in stores if md5 in store.sound), None)
            if holder and md5.endswith(".dir"):
                with holder.database.fs.open(holder.sound[md5], "rb") as file:
                    yield from ((Path(path, row["relpath"]), row["md5"], path) for row in json.load(file))


if __name__ == "__main__":
    main()
