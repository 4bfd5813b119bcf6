"""What the pipeline costs when there is nothing to do: a no-op `dvc repro`, and the start of every stage.

The commands run in a copy of the repository whose results are current, each in a process of its own. The ratio is that
of CPU seconds of all its processes, which other work on the machine changes little; wall-clock time stands beside it.
What DVC takes by itself is seen in a repository of one stage that copies a file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import copies
from benchmarks.measure import BenchmarkError, Cost, by_turns, goal, ratio, run, spread

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
SMALLEST = "dvc repro of one stage"


def measure(rounds: int, repository: Path = Path()) -> dict[str, Any]:
    """Time them by turns, after one warm-up of each.

    Raises:
        BenchmarkError: the results of `repository` are not current.
    """
    idle = {"dvc --version": ["dvc", "--version"], "dvc repro": ["dvc", "repro"], "python": [sys.executable, "-c", ""]}
    helps = {f"{stage} --help": [sys.executable, "-m", f"stages.{stage}", "--help"] for stage in STAGES}
    faults = {
        f"{stage}, settings error": [sys.executable, "-m", f"stages.{stage}", *arguments]
        for stage, arguments in STAGES.items()
    }
    with tempfile.TemporaryDirectory() as name:
        folder, one = Path(name) / "repository", Path(name) / "one stage"
        copies.with_results(repository, folder)
        _one_stage(one)
        timed = {name: partial(cost, command, folder) for name, command in (idle | helps).items()}
        costs = by_turns({**timed, SMALLEST: partial(cost, ["dvc", "repro"], one)}, rounds + 1)
        heavy = [name for name, command in (idle | helps).items() if "tensorflow" in imported(command, folder)]
        (folder / "params.yaml").write_text("nonsense: 1\n", encoding="utf-8")
        refused = {name: partial(cost, command, folder, fails=True) for name, command in faults.items()}
        costs |= by_turns(refused, rounds + 1)
        heavy += [name for name, command in faults.items() if "tensorflow" in imported(command, folder, fails=True)]
    cpu = {name: [cost.cpu_seconds for cost in found[1:]] for name, found in costs.items()}
    wall = {name: [cost.seconds for cost in found[1:]] for name, found in costs.items()}
    return {
        "cpu_seconds": {name: spread(found) for name, found in cpu.items()},
        "seconds": {name: spread(found) for name, found in wall.items()},
        "import_tensorflow": heavy,
        "goals": {
            "no_op": goal(
                "No-op `dvc repro`, in multiples of `dvc --version`, CPU time; nothing idle imports TensorFlow",
                f"{spread(cpu['dvc repro'])['median']:.2f} s; in a repository of one stage that copies a file "
                f"{spread(cpu[SMALLEST])['median']:.2f} s",
                f"`dvc --version`: {spread(cpu['dvc --version'])['median']:.2f} s",
                ratio(cpu["dvc repro"], cpu["dvc --version"]),
                most=3,
                also=not heavy,
            )
        },
    }


def _one_stage(folder: Path) -> None:
    folder.mkdir()
    (folder / "input").write_text("1\n", encoding="utf-8")
    stage = ["dvc", "stage", "add", "--name", "copy", "--deps", "input", "--outs", "output", "cp input output"]
    for command in (["git", "init", "--quiet"], ["dvc", "init"], stage, ["dvc", "repro"]):
        run(command, folder)


def imported(command: Sequence[str], folder: Path, fails: bool = False) -> set[str]:
    """The packages that a command and its children import, by the name of their top."""
    lines = run(command, folder, {"PYTHONPROFILEIMPORTTIME": "1"}, fails=fails).errors.splitlines()
    names = (line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:"))
    return {name.partition(".")[0] for name in names}


def cost(command: Sequence[str], folder: Path, fails: bool = False) -> Cost:
    """What a command costs that has nothing to do.

    Raises:
        BenchmarkError: it had something to do.
    """
    found = run(command, folder, fails=fails)
    if "Running stage" in found.output:
        raise BenchmarkError(f"{' '.join(command)}: had something to do; run `make repro`")
    return found
