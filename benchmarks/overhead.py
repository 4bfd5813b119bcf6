"""What the pipeline costs when there is nothing to do: `dvc repro` beside `dvc --version`, and DVC alone.

CPU seconds of all processes, which other work on the machine changes little. What DVC takes by itself is seen in a
repository of one stage that copies a file.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import BenchmarkError, Row, by_turns, row, run

COMMANDS = {"version": ["dvc", "--version"], "here": ["dvc", "repro"], "one stage": ["dvc", "repro"]}


def measure(rounds: int) -> list[Row]:
    """Time them by turns, the first round being the warm-up.

    Raises:
        BenchmarkError: the results are not current.
    """
    if "Running stage" in run(["dvc", "repro", "--dry"]).output:
        raise BenchmarkError("the results are not current; run `make repro`")
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder)
        (one / "input").write_text("1\n", encoding="utf-8")
        stage = ["dvc", "stage", "add", "--name", "copy", "--deps", "input", "--outs", "output", "cp input output"]
        for command in (["git", "init", "--quiet"], ["dvc", "init"], stage, ["dvc", "repro"]):
            run(command, one)
        folders = {"one stage": one}
        timed = {name: partial(run, command, folders.get(name, Path())) for name, command in COMMANDS.items()}
        found = by_turns(timed, rounds + 1)
    cpu = {name: [cost.cpu_seconds for cost in costs[1:]] for name, costs in found.items()}
    peers = {"dvc --version": ("version", "≤ 3"), "dvc repro of one stage that copies a file": ("one stage", "")}
    return [
        row(f"no-op dvc repro, beside {words}", "CPU s", cpu["here"], cpu[peer], goal)
        for words, (peer, goal) in peers.items()
    ]
