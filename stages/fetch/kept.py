"""Fill a folder once, for example with the content of an archive, and find it again after a kill."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from stages.common.artifacts import read_json, write_json
from stages.fetch.photograph import Skipped
from stages.formats.container import faults_named

FILES, SKIPPED = "files", "skipped.json"


def once(folder: Path, fill: Callable[[Path], Iterable[Skipped]]) -> tuple[Path, list[Skipped]]:
    """Fill a folder below `folder`, unless an earlier run has finished that.

    Args:
        folder: below `Stage.keep`: all workers see it, and it is removed when the stage has ended well.
        fill: gets the path of a file or folder that it must create, and gives the faults that it meets.

    Returns:
        What was created, and the faults.

    Raises:
        Exception: what `fill` raised; nothing is left of its try.
    """
    if not folder.exists():
        building = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(building, ignore_errors=True)  # what a killed run left
        try:
            with faults_named(building):
                building.mkdir(parents=True)
            skipped = list(fill(building / FILES))
            with faults_named(building):
                write_json(building / SKIPPED, [(fault.name, fault.reason) for fault in skipped])
                os.sync()  # or after a power failure the folder might have its name, and its files no content
                building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder / FILES, [Skipped(name, reason) for name, reason in read_json(folder / SKIPPED)]
