"""Replaces a stage in tests of git and DVC: writes a few bytes that depend on its inputs, in a tenth of a second."""

import hashlib
import json
import os
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def main() -> None:
    """Write every output of the stage: its path, and a hash of the stage's data and params."""
    pipeline, params = (YAML(typ="safe").load(Path(name)) for name in ("dvc.yaml", "params.yaml"))
    name, _, item = os.environ["DVC_STAGE"].partition("@")
    entry = pipeline["stages"][name]
    entry = json.loads(json.dumps(entry.get("do", entry)).replace("${key}", item))
    deps = [Path(dep) for dep in entry["deps"] if dep.startswith("data/")]
    files = [path for dep in deps for path in sorted([dep, *dep.rglob("*")]) if path.is_file()]
    inputs: list[Any] = [reduce(getitem, key.split("."), params) for key in entry["params"] if isinstance(key, str)]
    inputs += [(str(path), path.read_text()) for path in files]
    made_from = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    for out in (*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])):
        write(Path(out if isinstance(out, str) else next(iter(out))), made_from)


def write(path: Path, made_from: str) -> None:
    """Write a file, or a folder with a small and a large one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps({"psnr": int(made_from[:6], 16)}) + "\n")
    elif path.suffix:
        path.write_text(f"path,made_from\n{path},{made_from}\n")
    else:
        path.mkdir(exist_ok=True)
        (path / "made_from").write_text(f"{path} {made_from}\n")
        (path / "large").write_text(f"{path} {made_from}\n" * 4000)


if __name__ == "__main__":
    main()
