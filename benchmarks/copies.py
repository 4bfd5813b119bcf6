"""Copies of the repository in which commands may run without touching the working tree."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.measure import BenchmarkError, run


def files_only(repository: Path, folder: Path) -> None:
    """Copy the files that git would commit now from `repository` into `folder`, a repository of its own."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    run(["git", "init", "--quiet"], folder)


def with_results(repository: Path, folder: Path) -> None:
    """The same, with the results in `data`, and with the cache of `repository`, where DVC looks for them.

    Raises:
        BenchmarkError: the results are not current.
    """
    files_only(repository, folder)
    shutil.copytree(repository / "data", folder / "data", dirs_exist_ok=True)
    asked = run(["dvc", "cache", "dir"], repository).output.splitlines()[-1]
    cache = str((repository / asked).absolute())
    run(["dvc", "cache", "dir", "--local", cache], folder)
    if "Running stage" in run(["dvc", "repro", "--dry"], folder).output:
        raise BenchmarkError(f"the results in {repository.absolute()} are not current; run `make repro`")
