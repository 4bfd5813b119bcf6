"""One training whose replicas are processes on several machines: Ray Train starts them, and all again after a loss.

Ray is imported here and in `stages.common.engine` only, and only where engine.yaml asks for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from grayscale.core.tensorflow_import import tensorflow_import
from stages.common.artifacts import ArtifactError, write_text
from stages.common.engine import Engine, connected, cpus_of_nodes, enter
from stages.common.shards import Shard
from stages.common.stage import StageError

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
    settings = task.settings
    room = sum(cpus // settings.threads for cpus in cpus_of_nodes(ray, gpus=int(settings.device == "gpu")))
    if room < settings.replicas:  # Ray would wait for more
        raise StageError(
            f"the Ray cluster at {where.address} has room for {room} replicas with {settings.threads} CPUs each"
            f"{' and a GPU' if settings.device == 'gpu' else ''}; train.replicas is {settings.replicas}. Add a node"
        )
    result = keep.resolve() / "replicas"
    shutil.rmtree(result, ignore_errors=True)
    trainer = TensorflowTrainer(
        _replica,
        train_loop_config={"home": str(Path.cwd()), "work": work, "task": replace(task, spread=True), "result": result},
        scaling_config=train.ScalingConfig(
            num_workers=settings.replicas,
            use_gpu=settings.device == "gpu",
            resources_per_worker={"CPU": settings.threads},
            placement_strategy="SPREAD",
        ),
        run_config=train.RunConfig(
            name="ray",
            storage_path=str(keep.resolve()),
            # the second limit is for a group that can't start, as where a lost node has no successor
            failure_config=train.FailureConfig(max_failures=LOSSES, controller_failure_limit=LOSSES),  # type: ignore[call-arg]
        ),
    )
    try:
        trainer.fit()
    except (train.TrainingFailedError, ray.exceptions.RayError) as error:
        if faults := sorted(result.glob("*.fault")):
            raise StageError(faults[0].read_text(encoding="utf-8")) from None
        raise StageError(f"the training on the Ray cluster at {where.address} was lost: {error}") from None
    return Shard(result / "0", json.loads((result / "0.json").read_text(encoding="utf-8")))


def _replica(config: dict[str, Any]) -> None:
    from ray import train

    rank = train.get_context().get_world_rank()
    folder: Path = config["result"] / str(rank)
    try:
        enter(config["home"])
        shutil.rmtree(folder, ignore_errors=True)  # of a group that was lost
        folder.mkdir(parents=True)
        facts = config["work"](config["task"], folder)
    except (StageError, ArtifactError) as error:
        write_text(folder.with_suffix(".fault"), str(error))
        raise  # or the others would wait for this one
    write_text(folder.with_suffix(".json"), json.dumps(facts))
