"""`python -m tests.train.process JOBS`, JSON: trains on data/pairs in a process of its own, which may be killed.

A job has `network`, `folder` for results, `checkpoint`, and optionally `replicas`, `die` (epoch and step after which
the process dies, from 0) and changes of the recipe. A file beside the checkpoint has a line for each epoch that began.
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
OPTIONS: dict[str, dict[str, Any]] = {"vae": {"latent": 8, "sigma": 0.05}}


def train(
    *, network: str, folder: str, checkpoint: str, replicas: int = 1, die: list[int] | None = None, **changes: Any
) -> None:
    fit: Any = import_module("stages.train.fit")
    sys.modules["stages.train.export"] = Mock()  # no ONNX: test_export checks its bytes

    class Watched(fit.TqdmCallback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_begin(epoch, logs)
            self.epoch = epoch
            with Path(checkpoint).with_suffix(".epochs").open("a") as file:
                file.write(f"{epoch}\n")

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if [self.epoch, batch] == die:
                os.kill(os.getpid(), signal.SIGKILL)

    fit.TqdmCallback = Watched
    params = settings.load(Path(__file__).parents[2] / "params.yaml").train
    recipe = {**params.recipe.model_dump(), **RECIPE, "network": network, **OPTIONS.get(network, {}), **changes}
    how = params.model_copy(update={"replicas": replicas})
    Path(folder).mkdir()
    facts = training.train(training.Task(Variant.model_validate(recipe), how, Path(checkpoint)), Path(folder))
    Path(folder, "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    for job in json.loads(sys.argv[1]):
        train(**job)
