"""One training whose replicas are processes on several machines: Ray Train starts them, and all again after a loss.

Ray is imported here and in `stages.engine` only, and only where engine.yaml asks for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.artifacts import ArtifactError, write_text
from stages.engine import Engine, connected
from stages.shards import Shard
from stages.stage import StageError, tensorflow_import

LOSSES = 3  # of a worker, after which the group starts again from the checkpoint


def done(work: Callable[[Any, Path], Any], task: Any, keep: Path, where: Engine) -> Shard:
    """Do `work` in as many processes as `task` has replicas, all alike; what the first of them writes is the result.

    `work` and `task` are those of `stages.train.training.done`; `keep` must be the same folder on all machines.

    Raises:
        StageError: what `work` raised, or workers were lost more than `LOSSES` times.
    """
    ray = connected(where.address)
    with tensorflow_import():  # which Ray Train wants to see here, too
        from ray import train
        from ray.train.tensorflow import TensorflowTrainer
    result = keep.resolve() / "replicas"
    shutil.rmtree(result, ignore_errors=True)
    settings = task.settings
    trainer = TensorflowTrainer(
        _replica,
        train_loop_config={"home": str(Path.cwd()), "work": work, "task": replace(task, spread=True), "result": result},
        scaling_config=train.ScalingConfig(
            num_workers=settings.replicas,
            use_gpu=settings.device == "gpu",
            resources_per_worker={"CPU": settings.threads},
        ),
        run_config=train.RunConfig(
            name="ray", storage_path=str(keep.resolve()), failure_config=train.FailureConfig(max_failures=LOSSES)
        ),
    )
    try:
        trainer.fit()
    except (train.TrainingFailedError, ray.exceptions.RayError) as error:
        if (result / "0" / "error").exists():
            raise StageError((result / "0" / "error").read_text(encoding="utf-8")) from None
        raise StageError(f"the training on the Ray cluster at {where.address} was lost: {error}") from None
    return Shard(result / "0", json.loads((result / "0.json").read_text(encoding="utf-8")))


def _replica(config: dict[str, Any]) -> None:
    from ray import train

    os.chdir(config["home"])
    rank = train.get_context().get_world_rank()
    folder: Path = config["result"] / str(rank)
    shutil.rmtree(folder, ignore_errors=True)  # of a group that was lost
    folder.mkdir(parents=True)
    try:
        facts = config["work"](config["task"], folder)
    except (StageError, ArtifactError) as error:
        write_text(folder / "error", str(error))
        raise
    write_text(folder.with_suffix(".json"), json.dumps(facts))
