"""Hashes of files and folders, in hexadecimal."""

import hashlib
import json
from pathlib import Path


def sha256(file: Path) -> str:
    """The sha256 of a file; `OSError` if it can't be read."""
    return _of_file(file, "sha256")


def of_dvc(path: Path) -> str:
    """What dvc.lock records: the MD5 of a file; of a folder, that of a list of its files' names and MD5, and `.dir`."""
    if not path.is_dir():
        return _of_file(path, "md5")
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    listing = json.dumps([{"md5": _of_file(path / name, "md5"), "relpath": name} for name in names])
    return f"{hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest()}.dir"


def _of_file(file: Path, kind: str) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
