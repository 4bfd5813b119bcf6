"""Remove what a removed variant left: `python -m tools.prune` (part of `make merge`).

DVC keeps the entry in dvc.lock of a stage that params.yaml no longer asks for, and leaves its outputs in place.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.common.artifacts import write_text

LOCK, PIPELINE, PARAMS = Path("dvc.lock"), Path("dvc.yaml"), Path("params.yaml")


def main() -> None:
    """Remove entries without a stage from dvc.lock, and the outputs that they name; the cache keeps its copies."""
    head, entries = split(LOCK.read_text(encoding="utf-8"))
    known = stages()
    dropped = {name: entry for name, entry in entries.items() if name not in known}
    kept = {name: entry for name, entry in entries.items() if name in known}
    for path in sorted(outputs(dropped) - outputs(kept)):
        remove(path)
        print(f"prune: removed {path}")
    for name in dropped:
        print(f"prune: removed {name} from {LOCK}")
    if dropped:
        write_text(LOCK, joined(head, kept))


def stages() -> set[str]:
    """The names of all stages, such as `report` and `train@simple`."""
    pipeline, params = (YAML(typ="safe").load(path) for path in (PIPELINE, PARAMS))
    names = set()
    for name, entry in pipeline["stages"].items():
        group = entry.get("foreach", "").removeprefix("${").removesuffix("}")
        names |= {f"{name}@{item}" for item in params[group] or {}} if group else {name}
    return names


def split(lock: str) -> tuple[str, dict[str, str]]:
    """The text of a lock file before its stages, and each stage's text by its name; `joined` undoes it."""
    head, *parts = re.split(r"^(?=  \S)", lock, flags=re.MULTILINE)
    return head, {part.partition(":\n")[0].strip(): part for part in parts}


def joined(head: str, entries: dict[str, str]) -> str:
    """The text of a lock file."""
    return head + "".join(entries.values())


def outputs(entries: dict[str, str]) -> set[Path]:
    """The paths that entries of a lock file name as outputs."""
    read: Any = (YAML(typ="safe").load(entry) for entry in entries.values())
    return {Path(out["path"]) for each in read for stage in each.values() for out in stage.get("outs", [])}


def remove(path: Path) -> None:
    """Delete a file or folder, or nothing if it is not there; of a link, the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
