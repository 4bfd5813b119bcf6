"""Tools around the pipeline: they read, move, merge and compare results, and compute none."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

LOCK = Path("dvc.lock")
DVC = (sys.executable, "-m", "stages.common.dvc")


class ToolError(Exception):
    """A tool stopped; the message says what to do."""


def output_of(*command: str) -> str:
    """The output of a command, stripped; its messages are shown, its exit code is ignored."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def read_lock(text: str | Path = LOCK) -> dict[str, Any]:
    """The stages of a lock file of DVC, given as text or path: name → cmd, deps, params and outs."""
    return dict(YAML(typ="safe").load(text)["stages"])


def makers(stages: dict[str, Any]) -> dict[str, str]:
    """Path of an output → the stage that makes it."""
    return {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}
