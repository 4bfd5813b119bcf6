"""Trains one network as a task of an engine, for `stages.train` and `stages.study`."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from grayscale import damage
from stages.common import shards
from stages.common.artifacts import write_model, write_table
from stages.common.engine import Engine
from stages.common.settings import Train, Variant
from stages.common.stage import StageError
from stages.common.tensorflow_import import tensorflow_import
from stages.formats.patches import KINDS, PatchSet

if TYPE_CHECKING:
    import keras
    import pandas as pd


@dataclass(frozen=True)
class Task:
    """One training."""

    variant: Variant  # the network and its recipe
    settings: Train  # how TensorFlow computes
    checkpoint: Path  # the file from which a killed training continues


def done(work: Callable[[Any, Path], Any], task: Any, keep: Path, where: Engine) -> shards.Shard:
    """Run `work` of `task`, which trains one network, on the engine `where`; `keep` holds the finished result."""
    settings = task.settings
    gpus = settings.replicas if settings.device == "gpu" else 0
    return next(shards.run(work, [task], keep / "done", where, cpus=settings.threads, gpus=gpus, unit="network"))


def train(task: Task, folder: Path) -> dict[str, Any]:
    """Train a variant on data/pairs; returns facts. Errors: see `trained` and `stages.train.export.export`.

    Writes model.keras, start.keras (the network before its first step), model.onnx (model.keras as ONNX) and curve.csv
    into `folder`; weights are float32.
    """
    splits = {f"data/pairs/{split}": PatchSet(Path(f"data/pairs/{split}")) for split in ("train", "validation")}
    train, validation = (squares(patches, task.variant) for patches in splits.values())
    model, curve = trained(task, train, validation, folder / "start.keras")
    write_model(folder / "model.keras", model)
    with tensorflow_import():
        from stages.train import build, export

    export.export(folder / "model.keras", folder / "model.onnx", build.reach(task.variant))
    write_table(folder / "curve.csv", curve)
    return {
        **facts(task, model, curve, train),
        "inputs": {name: patches.sha256 for name, patches in splits.items()},
        "val_psnr": float(curve["val_psnr"][curve["val_loss"].idxmin()]),
    }


def squares(patches: PatchSet, variant: Variant) -> PatchSet:
    """What a variant learns from: the patches or squares of them, of clean photographs if it undoes damage."""
    return Joined(patches, variant.join, clean=variant.degrade > 0) if variant.join > 1 or variant.degrade else patches


def trained(
    task: Task, train: PatchSet, validation: PatchSet, start: Path | None = None
) -> "tuple[keras.Model, pd.DataFrame]":
    """Train the network of `task` in this process; returns it in float32 and its curve, see `stages.train.fit.fit`.

    `train` and `validation` are results of `squares`; the returned network is for single patches. The network before
    its first step is written to `start`. `StageError`: the network does not fit the patches, the loss is not finite, or
    the device is missing. `ArtifactError`: patches are missing or damaged.
    """
    variant, settings = task.variant, task.settings
    for split, patches in (("training", train), ("validation", validation)):
        if settings.replicas > 1 and len(patches) < 2 * settings.replicas:
            raise StageError(f"{len(patches)} {split} patches are not enough for train.replicas = {settings.replicas}")
    with tensorflow_import():  # late: an error above should not wait for it
        from stages.train import blocks, build, fit, precision

    precision.prepare(settings.threads, settings.precision, variant.seed, settings.device, settings.replicas)
    if (settings.precision, settings.device, settings.threads) == ("float64", "cpu", 1):
        blocks.cut_alike()  # with several threads, only their number decides the blocks
    with precision.strategy(settings.device, settings.replicas).scope():
        model = build.build(variant, train.patch)
    small = train.patch // variant.join
    if variant.join > 1:
        build.resized(model, variant, small)  # raises now, not after training
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
    """Facts about a trained network: `parameters` counts all weights, `macs` the multiply-adds per patch."""
    from stages.train.build import macs

    seen = len(train) // task.settings.replicas * task.settings.replicas  # per epoch, equal shares for all replicas
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


class Joined(PatchSet):
    """A patch set of all squares of `side` × `side` neighbouring patches, in the order of their upper left patches.

    If `clean`, damaged photographs are left out, unless all are damaged: from a noisy target, a network learns to keep
    noise. `StageError`: there is no such square, because patches overlap or do not touch.
    """

    def __init__(self, patches: PatchSet, side: int, *, clean: bool = False) -> None:
        self._patches, self._side = patches, side
        self.patch = side * patches.patch
        index, steps = patches.index, patches.patch * np.arange(side)
        places = zip(index["photo"], index["row"], index["column"], strict=True)
        number = {place: at for at, place in enumerate(places)}
        squares = {
            at: [number.get((photo, row + down, column + right), -1) for down in steps for right in steps]
            for (photo, row, column), at in number.items()
        }
        whole = {at: square for at, square in squares.items() if min(square) >= 0}
        if not whole:
            raise StageError(
                f"join is {side}, but no {side} × {side} patches are adjacent; "
                "set targets.stride to targets.patch, or lower join"
            )
        if clean:
            photos = index["photo"]
            levels = {
                photo: damage.estimate(patches.read("colour", np.flatnonzero(photos == photo)))[0]
                for photo in photos.unique()
            }
            undamaged = {at: square for at, square in whole.items() if levels[photos[at]] < damage.DAMAGED}
            whole = undamaged or whole
        self._parts = np.array(list(whole.values()))  # (squares, side²)
        self.index = index.iloc[list(whole)].reset_index(drop=True)
        self._starts = np.unique(np.searchsorted(list(whole), [0, *(stop for _, stop in patches.shards)]))

    def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """See `PatchSet.read`."""
        parts = self._parts if numbers is None else self._parts[numbers]
        read = self._patches.read(kind, parts.reshape(-1))
        small, side = self._patches.patch, self._side
        tiled = read.reshape(len(parts), side, side, small, small, KINDS[kind])
        return tiled.swapaxes(2, 3).reshape(len(parts), self.patch, self.patch, KINDS[kind])
