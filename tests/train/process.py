"""Trains in a process of its own, which may be killed: `python -m tests.train.process JOBS`, JSON, in order.

A job says what is trained, where its checkpoint is, into which folder, and at which epoch and step to die, if at all.
Patches are those of data/pairs in the working folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.common import settings
from stages.common.settings import Variant
from stages.train import training

RECIPE = {"batch": 8, "epochs": 3, "warmup_epochs": 1}
NETWORKS: dict[str, dict[str, Any]] = {"simple": {}, "vae": {"latent": 8, "sigma": 0.05}}


@dataclass(frozen=True)
class Task(training.Task):
    """A training in which the process that reads the part (epoch, step, replica) of a batch is killed, once."""

    die: tuple[int, int, int] | None = None


def task(network: str, checkpoint: Path, die: tuple[int, int, int] | None = None, **changes: Any) -> Task:
    checked = settings.load(Path(__file__).parents[2] / "params.yaml")
    recipe = {**checked.train.recipe.model_dump(), **RECIPE, "network": network, **NETWORKS[network]}
    return Task(Variant.model_validate(recipe), checked.train.model_copy(update=changes), checkpoint, die=die)


def train(task: Task, folder: Path) -> dict[str, Any]:
    """`stages.train.training.train` with a checkpoint at every step, and death where the task says so."""
    batches: Any = import_module("stages.train.batches")
    checkpoint: Any = import_module("stages.train.checkpoint")
    checkpoint.CHECKPOINT_SECONDS = 0
    read, mark = batches.TrainingBatches.read, task.checkpoint.with_suffix(".died")

    def deadly(self: Any, epoch: int, step: int, replica: int = 0) -> Any:
        if (epoch, step, replica) == task.die and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, epoch, step, replica)

    batches.TrainingBatches.read = deadly
    try:
        return training.train(task, folder)
    finally:
        batches.TrainingBatches.read = read


if __name__ == "__main__":
    for job in json.loads(sys.argv[1]):
        folder = Path(job.pop("folder"))
        folder.mkdir()
        die = tuple(job.pop("die")) if "die" in job else None
        facts = train(task(job.pop("network"), Path(job.pop("checkpoint")), die, **job), folder)
        (folder / "facts.json").write_text(json.dumps(facts))
