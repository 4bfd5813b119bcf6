"""Work that is done shard by shard and survives a kill: a finished shard is kept, and done only once.

What a shard is, the caller says. Where shards run stands in engine.py; which are kept, and until when, in stage.py.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.common import engine
from stages.common.artifacts import ArtifactError, sha256_of
from stages.common.engine import Engine

DONE = "done.json"

Work = Callable[[Any, Path], Any]


@dataclass(frozen=True)
class Shard:
    """A finished shard: the `folder` of what its work wrote, and the `facts` that it returned, as JSON gives them back.

    `place` its files elsewhere: a shard whose files are moved away is done again after a kill.
    """

    folder: Path
    facts: Any


def run(
    work: Work, tasks: Sequence[Any], keep: Path, where: Engine, *, cpus: int = 1, gpus: int = 0, unit: str = "shard"
) -> Iterator[Shard]:
    """Do every task that is not done yet; give the shards in the order of the tasks.

    Args:
        work: function of a module: task, and an empty folder to write files into (no folders) → facts that JSON can
            hold. The same task must give the same bytes.
        tasks: one per shard, picklable. The same `keep` must always mean the same tasks.
        keep: the folder for finished shards, such as `Stage.keep` or one below it; on a cluster all nodes see it.
        where, cpus, gpus: see `engine.run`.
        unit: of the progress bar.

    Raises:
        ArtifactError: the disk is full.
        Exception: see `engine.run`; shards that were finished before stay.
    """
    keep.mkdir(parents=True, exist_ok=True)
    for lost in keep.glob(".*.partial"):
        shutil.rmtree(lost, ignore_errors=True)  # its worker may live, and may still write
    folders = [keep / f"{number:05}" for number in range(len(tasks))]
    found = {folder: done for folder in folders if (done := _finished(folder))}
    due = [(task, folder) for task, folder in zip(tasks, folders, strict=True) if folder not in found]
    for _, folder in due:
        shutil.rmtree(folder, ignore_errors=True)
    results = engine.run(partial(_do, work), due, where, cpus, gpus)
    with tqdm(total=len(tasks), initial=len(found), unit=unit, disable=None, delay=2, leave=False) as bar:
        for folder in folders:
            done = found.get(folder) or next(results)
            bar.update(folder not in found)
            yield Shard(folder, done["facts"])


def place(file: Path, target: Path) -> None:
    """Give a file of a finished shard a second name, where the stage builds its output; the shard keeps it, too."""
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, target)


def _do(work: Work, job: tuple[Any, Path]) -> Any:
    task, folder = job
    building = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")  # a lost worker may still be at its own
    building.mkdir(parents=True)
    try:
        facts = work(task, building)
        files = {path.name: sha256_of(path) for path in sorted(building.iterdir())}
        text = json.dumps({"facts": facts, "files": files})
        (building / DONE).write_text(text, encoding="utf-8")
        try:
            building.rename(folder)
        except OSError:
            if _finished(folder) is None:  # else a worker that was believed lost has finished the same shard
                raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ArtifactError(f"{folder} can't be written: {error.strerror}; free some space") from error
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return json.loads(text)


def _finished(folder: Path) -> Any:
    """What is written of a finished shard; None if there is none, or if its files are not what was written."""
    try:
        done = json.loads((folder / DONE).read_text(encoding="utf-8"))
        whole = all(sha256_of(folder / name) == sha256 for name, sha256 in done["files"].items())
        return {"facts": done["facts"]} if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArtifactError):  # what a damaged file may give
        return None
