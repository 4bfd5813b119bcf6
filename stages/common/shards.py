"""Run work shard by shard, so that finished shards survive a kill.

The caller decides what a shard is, engine.py where it runs, and stage.py how long finished shards are kept.
"""

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

DONE = ".done.json"  # hidden, and so no photograph

Work = Callable[[Any, Path], Any]


@dataclass(frozen=True)
class Shard:
    """A finished shard: the `folder` that its work filled, and the `facts` that it returned, as read back from JSON.

    Use `place` for its files: a shard whose files were moved away is made again after a kill.
    """

    folder: Path
    facts: Any


def run(
    work: Work, tasks: Sequence[Any], keep: Path, where: Engine, *, cpus: int = 1, gpus: int = 0, unit: str = "shard"
) -> Iterator[Shard]:
    """Run every task that is not finished yet; yield the shards in the order of the tasks.

    `work` is a function of a module. It takes a task and an empty folder, writes files into it, and returns facts for
    JSON. The same task must give the same bytes, and the same `keep`, a folder below `Stage.keep`, must always mean the
    same tasks. `unit` is that of the progress bar. For the rest see `engine.run`; after an error the finished shards
    stay.
    """
    keep.mkdir(parents=True, exist_ok=True)
    for lost in keep.glob(".*.partial"):
        shutil.rmtree(lost, ignore_errors=True)  # its worker may still be writing
    folders = [keep / f"{number:05}" for number in range(len(tasks))]
    finished = {folder: shard for folder in folders if (shard := _finished(folder))}
    due = [(task, folder) for task, folder in zip(tasks, folders, strict=True) if folder not in finished]
    for _, folder in due:
        shutil.rmtree(folder, ignore_errors=True)
    results = engine.run(partial(_do, work), due, where, cpus, gpus)
    hidden = True if len(tasks) == 1 else None  # None: unless output is a terminal
    with tqdm(total=len(tasks), initial=len(finished), unit=unit, disable=hidden, delay=2, leave=False) as bar:
        for folder in folders:
            shard = finished.get(folder) or Shard(folder, next(results))
            bar.update(folder not in finished)
            yield shard


def once(work: Work, task: Any, keep: Path) -> Shard:
    """Run a single task in this process, unless it is finished; see `run`."""
    (shard,) = run(work, [task], keep, Engine(engine="local", workers=1, address="none"))
    return shard


def place(file: Path, target: Path) -> None:
    """Link a file of a finished shard into the stage's output, or copy it; the shard stays whole."""
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, target)


def _do(work: Work, job: tuple[Any, Path]) -> Any:
    """Do one shard; return its facts."""
    task, folder = job
    building = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")  # a lost worker may still write its own
    building.mkdir(parents=True)
    try:
        facts = work(task, building)
        paths = [path for path in sorted(building.rglob("*")) if path.is_file() and not path.is_symlink()]
        files = {path.relative_to(building).as_posix(): sha256_of(path) for path in paths}
        text = json.dumps({"facts": facts, "files": files})
        (building / DONE).write_text(text, encoding="utf-8")
        try:
            building.rename(folder)
        except OSError:
            if _finished(folder) is None:  # else a worker that was thought lost has finished this shard
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return json.loads(text)["facts"]


def _finished(folder: Path) -> Shard | None:
    """The shard in `folder` if it is complete and undamaged."""
    try:
        done = json.loads((folder / DONE).read_text(encoding="utf-8"))
        whole = all(sha256_of(folder / name) == sha256 for name, sha256 in done["files"].items())
        return Shard(folder, done["facts"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArtifactError):  # whatever a damaged file raises
        return None
