"""The training of one network as a task, for any process and any machine that sees the repository.

`stages.train` asks for that of a variant, `stages.study` for its runs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.common import shards
from stages.common.artifacts import write_model, write_table
from stages.common.engine import Engine
from stages.common.settings import Train, Variant
from stages.common.stage import StageError
from stages.common.tensorflow_import import tensorflow_import
from stages.formats.patches import PatchSet
from stages.train.joined import Joined

if TYPE_CHECKING:
    import keras
    import pandas as pd


@dataclass(frozen=True)
class Task:
    """What a network is trained by."""

    variant: Variant  # the network and its recipe
    settings: Train  # how TensorFlow computes
    checkpoint: Path  # the file from which a killed training goes on


def done(work: Callable[[Any, Path], Any], task: Any, keep: Path, where: Engine) -> shards.Shard:
    """Do `work` of `task`, which trains one network, where the engine says; finished work is kept in `keep`."""
    settings = task.settings
    gpus = settings.replicas if settings.device == "gpu" else 0
    return next(shards.run(work, [task], keep / "done", where, cpus=settings.threads, gpus=gpus, unit="network"))


def train(task: Task, folder: Path) -> dict[str, Any]:
    """Train a variant on data/pairs; returns facts. Errors: see `trained` and `stages.train.export.export`.

    `folder` gets model.keras, start.keras (the same network before its first step), both in float32, model.onnx, which
    is the first as the library runs it, and curve.csv.
    """
    splits = {f"data/pairs/{split}": PatchSet(Path(f"data/pairs/{split}")) for split in ("train", "validation")}
    train, validation = (squares(patches, task.variant) for patches in splits.values())
    model, curve = trained(task, train, validation, folder / "start.keras")
    write_model(folder / "model.keras", model)
    with tensorflow_import():
        from stages.train import export

    export.export(folder / "model.keras", folder / "model.onnx")
    write_table(folder / "curve.csv", curve)
    return {
        **facts(task, model, curve, train),
        "inputs": {name: patches.sha256 for name, patches in splits.items()},
        "val_psnr": float(curve["val_psnr"][curve["val_loss"].idxmin()]),
    }


def squares(patches: PatchSet, variant: Variant) -> PatchSet:
    """What a variant learns from: the patches, or several joined; where it is to undo damage, of clean photographs."""
    return Joined(patches, variant.join, clean=variant.degrade > 0) if variant.join > 1 or variant.degrade else patches


def trained(
    task: Task, train: PatchSet, validation: PatchSet, start: Path | None = None
) -> "tuple[keras.Model, pd.DataFrame]":
    """Train the network of `task` in this process: it in float32, and its curve, see `stages.train.fit.fit`.

    The patches are those of `squares`; the network that is returned is for patches that are not joined. `start` is the
    file that gets the network before its first step, in the form that is returned.

    Raises:
        StageError: the network does not go with the patches, the loss became NaN, or the device is not there.
        ArtifactError: patches are missing or damaged.
    """
    variant, settings = task.variant, task.settings
    for split, patches in (("training", train), ("validation", validation)):
        if len(patches) < settings.replicas:
            raise StageError(f"{len(patches)} {split} patches do not suffice for train.replicas = {settings.replicas}")
    with tensorflow_import():  # here, because a settings error should not wait for it
        from stages.train import blocks, build, fit, precision

    precision.prepare(settings.threads, settings.precision, variant.seed, settings.device, settings.replicas)
    if (settings.precision, settings.device, settings.threads) == ("float64", "cpu", 1):
        blocks.cut_alike()  # several threads cut sums by their number, whatever the cache
    with precision.strategy(settings.device, settings.replicas).scope():
        model = build.build(variant, train.patch)
    small = train.patch // variant.join
    if variant.join > 1:
        build.resized(model, variant, small)  # which a network may refuse: now, not after training
    first = model.get_weights()
    curve = fit.fit(model, train, validation, variant, task.checkpoint)

    def result() -> "keras.Model":
        used = precision.convert(model.inference() if hasattr(model, "inference") else model, "float32")
        return build.resized(used, variant, small) if variant.join > 1 else used

    best = result()
    if start is not None:
        model.set_weights(first)
        write_model(start, result())
    return best, curve


def facts(task: Task, model: "keras.Model", curve: "pd.DataFrame", train: PatchSet) -> dict[str, Any]:
    """What is to be known of a trained network, whatever it was trained for.

    `parameters` are all weights of `model`, `trainable` those that training decided, `macs` multiply-adds per patch.
    """
    from stages.train.build import macs

    seen = len(train) // task.settings.replicas * task.settings.replicas  # in an epoch: replicas have as many each
    how = {key: value for key, value in task.settings.model_dump().items() if key != "recipe"}
    return {
        "recipe": {**task.variant.model_dump(), **how},
        "parameters": model.count_params(),
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "macs": macs(model),
        "epochs": len(curve),
        "steps": len(curve) * -(-seen // task.variant.batch),
        "patches_seen": len(curve) * seen,
        "best_epoch": int(curve["epoch"][curve["val_loss"].idxmin()]),
    }
