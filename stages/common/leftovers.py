"""Removes what stages of removed variants and test sets made, so that no stage after them hashes it as an input.

Only what dvc.lock has, byte for byte, is removed: it can be had again. Anything else is left alone.
"""

import hashlib
import json
import shutil
from pathlib import Path

from stages.common import settings

LOCK = Path("dvc.lock")
OWNERS = {"train": "variants", "evaluate": "variants", "fetch_set": "test_sets", "evaluate_set": "test_sets"}


def remove() -> None:
    """Remove the outputs of stages that params.yaml no longer has, and say so in one line."""
    try:
        wanted, locked = settings.read_yaml(settings.PARAMS), settings.read_yaml(LOCK)["stages"]
    except settings.SettingsError:
        return  # the stage says so
    gone = []
    for name, entry in locked.items():
        stage, _, item = name.partition("@")
        owners = wanted.get(OWNERS.get(stage)) if isinstance(wanted, dict) else None
        if isinstance(owners, dict) and item not in owners:
            gone += [path for out in entry.get("outs", []) if unchanged(path := Path(out["path"]), out["md5"])]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if gone:
        print(f"removed what no variant or test set owns any more: {', '.join(sorted(map(str, gone)))}")


def unchanged(path: Path, md5: str) -> bool:
    """Whether `path` is there, and is what dvc.lock says: the MD5 of a file, or DVC's hash of a folder's listing."""
    if path.is_symlink() or not path.is_dir():
        return path.is_file() and _md5(path.read_bytes()) == md5
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listing = [{"md5": _md5(file.read_bytes()), "relpath": name} for name, file in files]
    return f"{_md5(json.dumps(listing, sort_keys=True).encode())}.dir" == md5


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
