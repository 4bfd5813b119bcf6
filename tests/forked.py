"""Runs DVC's command in a fork of a process that has imported DVC, which saves 1.5 seconds."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["dvc.cli", "dvc.repo", "tests.forked"])


def dvc(command: Sequence[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `dvc …` in a folder, in a session of its own."""
    with tempfile.TemporaryDirectory() as kept:
        outputs = [Path(kept, name) for name in ("stdout", "stderr")]
        process = SERVER.Process(target=_run, args=(list(command), folder, environment, outputs))
        process.start()
        process.join()
        return subprocess.CompletedProcess(command, process.exitcode or 0, *(path.read_text() for path in outputs))


def _run(command: list[str], folder: Path, environment: dict[str, str], outputs: list[Path]) -> None:
    from dvc.cli import main

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    sys.argv = command
    sys.exit(main(command[1:]))
