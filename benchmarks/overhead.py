"""What the pipeline costs when there is nothing to do: a no-op `dvc repro`, and the start of every stage.

The commands run in a copy of the repository whose results are current, each in a process of its own, wall-clock time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import copies
from benchmarks.measure import BenchmarkError, by_turns, goal, ratio, run, spread

TITLE = "Pipeline overhead"
# Every command of dvc.yaml, with what it needs to get as far as its settings.
STAGES: dict[str, Sequence[str]] = {
    "fetch": (),
    "targets": (),
    "train": ("subpixel",),
    "evaluate": ("subpixel",),
    "test_sets": ("kodak",),
    "report": (),
    "study": ("any",),
}


def measure(rounds: int, repository: Path = Path()) -> dict[str, Any]:
    """Time them by turns, after one warm-up of each.

    Raises:
        BenchmarkError: the results of `repository` are not current.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies.with_results(repository, folder)
        commands = {"dvc --version": ["dvc", "--version"], "dvc repro": ["dvc", "repro"]}
        commands |= {"python": [sys.executable, "-c", "pass"]}
        commands |= {f"{stage} --help": [sys.executable, "-m", f"stages.{stage}", "--help"] for stage in STAGES}
        for command in commands.values():
            run(command, folder)
        times = by_turns({name: partial(_seconds, command, folder) for name, command in commands.items()}, rounds)
        heavy = [name for name, command in commands.items() if "tensorflow" in imported(command, folder)]
        (folder / "params.yaml").write_text("nonsense: 1\n")
        faults = {
            f"{stage}, settings error": [sys.executable, "-m", f"stages.{stage}", *arguments]
            for stage, arguments in STAGES.items()
        }
        fault_times = by_turns({name: partial(_refusal, command, folder) for name, command in faults.items()}, rounds)
        heavy += [name for name, command in faults.items() if "tensorflow" in imported(command, folder, fails=True)]
    took = {name: spread(found) for name, found in {**times, **fault_times}.items()}
    return {
        "seconds": took,
        "import_tensorflow": heavy,
        "goals": {
            "no_op": goal(
                "No-op `dvc repro`, in multiples of `dvc --version` (nothing idle imports TensorFlow)",
                f"{took['dvc repro']['median']:.2f} s",
                f"`dvc --version`: {took['dvc --version']['median']:.2f} s",
                ratio(times["dvc repro"], times["dvc --version"]),
                most=3,
                also=not heavy,
            )
        },
    }


def imported(command: Sequence[str], folder: Path, fails: bool = False) -> set[str]:
    """The packages that a command and its children import, by the name of their top."""
    lines = run(command, folder, {"PYTHONPROFILEIMPORTTIME": "1"}, fails=fails).errors.splitlines()
    names = (line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:"))
    return {name.partition(".")[0] for name in names}


def _seconds(command: Sequence[str], folder: Path, fails: bool = False) -> float:
    cost = run(command, folder, fails=fails)
    if "Running stage" in cost.output:
        raise BenchmarkError(f"{' '.join(command)}: had something to do; run `make repro`")
    return cost.seconds


def _refusal(command: Sequence[str], folder: Path) -> float:
    return _seconds(command, folder, fails=True)
