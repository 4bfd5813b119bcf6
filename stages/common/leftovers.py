"""Remove the outputs of deleted variants and test sets, so that no later stage hashes them as inputs.

Only files that dvc.lock records, byte for byte, are removed: they can be restored.
"""

import hashlib
import json
import shutil
from pathlib import Path

from stages.common import settings

LOCK = Path("dvc.lock")
OWNERS = {"train": "variants", "evaluate": "variants", "fetch_set": "test_sets", "evaluate_set": "test_sets"}


def remove() -> None:
    """Remove the outputs of stages whose variant or test set is not in params.yaml, and print their paths."""
    try:
        wanted, locked = settings.read_yaml(settings.PARAMS), settings.read_yaml(LOCK)["stages"]
    except settings.SettingsError:
        return  # the stage reports it
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
    """Whether `path` has this hash of dvc.lock: the MD5 of a file, or of DVC's listing of a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.is_file() and _md5(path.read_bytes()) == md5
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listing = [{"md5": _md5(file.read_bytes()), "relpath": name} for name, file in files]
    return f"{_md5(json.dumps(listing, sort_keys=True).encode())}.dir" == md5


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
