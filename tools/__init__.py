"""Tools around the pipeline: they read, move, merge and compare what stages left, and compute no result."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

LOCK = Path("dvc.lock")
DVC = (sys.executable, "-m", "stages.common.dvc")


class ToolError(Exception):
    """Something did not succeed, or only a person can settle it; the message says what to do."""


def printed(*command: str) -> str:
    """What a command prints, without white space around it; its messages are not shown, nor that it failed."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def read_lock(text: str | Path = LOCK) -> dict[str, Any]:
    """The stages of a lock file of DVC: name → cmd, deps, params and outs; of a path or a text."""
    return dict(YAML(typ="safe").load(text)["stages"])
