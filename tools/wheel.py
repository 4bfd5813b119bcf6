"""Builds a wheel of the library with the trained networks of dvc.lock: `python -m tools.wheel` (`make wheel`).

In the wheel, `grayscale/trained/list.json` holds for each variant the hash of its folder in dvc.lock, the sha256 of its
file, and its score on the test patches.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grayscale import models
from grayscale.core import hashes
from grayscale.models import ModelError
from stages.common import settings

FOLDER = Path("dist")
FILES = ("pyproject.toml", "README.md", "LICENSE")
DATE = "315532800"  # of all files in the wheel: 1980-01-01, the earliest date of a zip member


def main() -> None:
    try:
        for variant, model in build().items():
            print(f"{variant}: {model['sha256']}")
    except ModelError as error:
        raise SystemExit(f"make wheel: {error}") from None


def build() -> dict[str, dict[str, object]]:
    """Build the wheel of the clone in this folder; the entries of list.json, by variant.

    Raises:
        ModelError: a model is missing, or is not the one in dvc.lock.
    """
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        for name in FILES:
            shutil.copy2(name, source)
        shutil.copytree("grayscale", source / "grayscale", ignore=shutil.ignore_patterns("__pycache__"))
        packed = source / "grayscale" / models.PACKED.name
        entries = {}
        variants = settings.load().variants  # dvc.lock keeps removed ones
        for variant, facts in models.trained(here).items():
            if variant not in variants:
                continue
            file = models.find(variant, here)
            (packed / variant).mkdir(parents=True)
            shutil.copyfile(file, packed / variant / file.name)
            entries[variant] = {**facts, "sha256": hashes.sha256(file)}
        (packed / models.LIST).write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": DATE}
        subprocess.run([*pip, "--wheel-dir", str(here / FOLDER), folder], check=True, env=environment)
    return entries


if __name__ == "__main__":
    main()
