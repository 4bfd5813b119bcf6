"""Trains in a process of its own, which may be killed: `python -m tests.train.process JOBS`, JSON, in order.

A job says what is trained, where its checkpoint is, into which folder, and at which epoch and step to die, if at all.
Patches are those of data/pairs in the working folder. Beside the checkpoint, a line notes each epoch that began.
No ONNX is written: test_export shows that the network alone decides its bytes.
"""

import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from stages.common import settings
from stages.common.settings import Variant
from stages.train import training

RECIPE = {"batch": 8, "budget": 3 * 48, "warmup": 48}
NETWORKS: dict[str, dict[str, Any]] = {
    "simple": {},
    "subpixel": {},
    "vae": {"latent": 8, "sigma": 0.05},
    "adaptive": {"latent": 40, "sets": 4},
}


def task(network: str, checkpoint: Path, replicas: int, changes: dict[str, Any]) -> training.Task:
    checked = settings.load(Path(__file__).parents[2] / "params.yaml")
    recipe = {**checked.train.recipe.model_dump(), **RECIPE, "network": network, **NETWORKS[network], **changes}
    return training.Task(
        Variant.model_validate(recipe), checked.train.model_copy(update={"replicas": replicas}), checkpoint
    )


def train(task: training.Task, folder: Path, die: tuple[int, int] | None) -> dict[str, Any]:
    """`stages.train.training.train`, with death behind a step of an epoch, both from 0."""
    fit: Any = import_module("stages.train.fit")
    sys.modules["stages.train.export"] = Mock()

    class Watched(fit.TqdmCallback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_begin(epoch, logs)
            self.epoch = epoch
            with task.checkpoint.with_suffix(".epochs").open("a") as file:
                file.write(f"{epoch}\n")

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if (self.epoch, batch) == die:
                os.kill(os.getpid(), signal.SIGKILL)

    fit.TqdmCallback = Watched
    return training.train(task, folder)


if __name__ == "__main__":
    for job in json.loads(sys.argv[1]):
        folder = Path(job.pop("folder"))
        folder.mkdir()
        die = tuple(job.pop("die")) if "die" in job else None
        network, checkpoint, replicas = job.pop("network"), Path(job.pop("checkpoint")), job.pop("replicas", 1)
        facts = train(task(network, checkpoint, replicas, job), folder, die)
        (folder / "facts.json").write_text(json.dumps(facts))
