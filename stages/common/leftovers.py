"""Remove the outputs of deleted variants and test sets, so that no later stage hashes them as inputs.

Only files that dvc.lock records, byte for byte, are removed: they can be restored.
"""

import shutil
from pathlib import Path

from grayscale.core import hashes
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
            gone += [path for out in entry.get("outs", []) if _unchanged(path := Path(out["path"]), out["md5"])]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if gone:
        print(f"removed what no variant or test set owns any more: {', '.join(sorted(map(str, gone)))}")


def _unchanged(path: Path, recorded: str) -> bool:
    is_folder = path.is_dir() and not path.is_symlink()
    return (is_folder or path.is_file()) and hashes.of_dvc(path) == recorded
