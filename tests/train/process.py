"""Trains in a process of its own, which may be killed: `python -m tests.train.process JOBS`, JSON, in order.

A job says what is trained, where its checkpoint is, into which folder, and at the reading of which batch, if any, to
die. Patches are those of data/pairs in the working folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from stages import settings
from stages.settings import Variant
from stages.train import training

RECIPE = {"batch": 8, "epochs": 3, "warmup_epochs": 1}
NETWORKS = {"simple": {}, "vae": {"latent": 8, "sigma": 0.05}}


def task(network: str, checkpoint: str, **changes: Any) -> training.Task:
    checked = settings.load(Path(__file__).parents[2] / "params.yaml")
    recipe = {**checked.train.recipe.model_dump(), **RECIPE, "network": network, **NETWORKS[network]}
    how = checked.train.model_copy(update=changes)
    return training.Task(Variant.model_validate(recipe), how, Path(checkpoint))


def do(network: str, checkpoint: str, folder: str, die: list[int] | None = None, **changes: Any) -> None:
    from stages.train import batches
    from stages.train import checkpoint as checkpoints

    checkpoints.CHECKPOINT_SECONDS = 0
    read = batches.TrainingBatches.read

    def deadly(self: batches.TrainingBatches, epoch: int, step: int, replica: int = 0) -> batches.Batch:
        if [epoch, step] == die:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, epoch, step, replica)

    batches.TrainingBatches.read = deadly  # type: ignore[method-assign]
    Path(folder).mkdir()
    facts = training.train(task(network, checkpoint, **changes), Path(folder))
    (Path(folder) / "facts.json").write_text(json.dumps(facts))
    batches.TrainingBatches.read = read  # type: ignore[method-assign]


if __name__ == "__main__":
    for job in json.loads(sys.argv[1]):
        do(**job)
