"""Training one network by one recipe: the optimiser, the steps, the stopping rule, the curve.

What it reads is in `stages.train.batches`, where it goes on after a kill in `stages.train.checkpoint`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from stages.common.settings import Recipe
from stages.formats.patches import PatchSet
from stages.train import losses, precision
from stages.train.batches import Batch, TrainingBatches, ValidationBatches
from stages.train.checkpoint import Checkpoint, State
from stages.train.enlarged import computed_small

SETTLE_EVERY = 64  # steps

Step = Callable[[Callable[[int], Batch]], np.ndarray]


class TrainingDivergedError(Exception):
    """The loss became NaN or infinite."""


def fit(
    model: keras.Model, train: PatchSet, validation: PatchSet, recipe: Recipe, keep: Path | None = None
) -> pd.DataFrame:
    """Train `model` in place and leave it with the weights of its best epoch by validation loss.

    The replicas are those of the strategy that it was built under. Where several machines train, each calls this.

    Args:
        model: not compiled.
        train: the patches to learn from, at least as many as there are replicas.
        validation: the patches to stop by.
        recipe: how.
        keep: the file for checkpoints; if there is a sound one, training goes on from it. None: no checkpoints.

    Returns:
        The curve, one row per epoch: `epoch` from 1, `loss` and `psnr` (dB) on augmented training patches while they
        were learned from, `val_loss` and `val_psnr` on validation patches after the epoch, and the network's own
        trackers.

    Raises:
        TrainingDivergedError: the loss became NaN or infinite; names the epoch.
    """
    replicas = model.distribute_strategy.num_replicas_in_sync
    batches = TrainingBatches(train, recipe, model.variable_dtype, replicas)
    unseen = ValidationBatches(validation, recipe, model.variable_dtype, replicas)
    with model.distribute_strategy.scope():
        model = computed_small(model)  # with the same variables
    names = compiled(model, recipe, len(batches), unseen.read(0)[1])
    learn, test = summing(model, model.train_step, names), summing(model, model.test_step, names)
    checkpoint = Checkpoint(keep, model, writes=first_machine(model.distribute_strategy))
    state = checkpoint.load() or State(sums=np.zeros(len(names) + 1))
    require_together(model.distribute_strategy, state)

    with tqdm(total=recipe.epochs * batches.patches, unit="patch", unit_scale=True, disable=None) as bar:
        while not ended(state, recipe):
            bar.set_description(f"epoch {state.epoch + 1}/{recipe.epochs}", refresh=False)
            for step in range(state.step, len(batches)):
                state.sums = state.sums + learn(partial(batches.read, state.epoch + 1, step))
                state.step = step + 1
                learned = means(names, state.sums, state.epoch)
                if state.step % SETTLE_EVERY == 0:
                    precision.settle(model)
                checkpoint.save_if_due(state)
                bar.set_postfix(loss=f"{learned['loss']:.5f}", refresh=False)
                bar.update(state.epoch * batches.patches + int(state.sums[-1]) - bar.n)

            precision.settle(model)
            sums = np.sum([test(partial(unseen.read, step)) for step in range(len(unseen))], axis=0)
            logs = {**means(names, state.sums, state.epoch), **means(names, sums, state.epoch, "val_")}
            state.end_epoch(logs, model.get_weights())
            checkpoint.save(state)
    model.set_weights(state.best)
    return pd.DataFrame(state.rows)


def compiled(model: keras.Model, recipe: Recipe, steps_per_epoch: int, targets: np.ndarray) -> list[str]:
    """Compile `model` in place, with all variables that training needs; the names of what its steps log, sorted.

    Some `targets` show Keras what is measured.
    """
    with model.distribute_strategy.scope():
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate(recipe, steps_per_epoch)),
            loss=losses.LOSSES[recipe.loss],
            metrics=[losses.psnr],
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
        with keras.StatelessScope():  # makes the variables, and sets none
            return sorted(model.compute_metrics(None, targets, targets))


def summing(model: keras.Model, step: Callable[[Any], dict[str, Any]], names: list[str]) -> Step:
    """Run a step of Keras on every replica, each with its part of a batch: replica → part.

    Returns:
        What gives the sums over the batch's patches of what the step logs, in the order of `names`, and behind them the
        number of patches. The sums of an epoch are kept outside of TensorFlow, where they are the same on all machines.
    """
    strategy = model.distribute_strategy

    def on_replica(part: Any) -> Any:
        model.reset_metrics()
        logs = step(part)
        patches = tf.cast(tf.shape(part[0])[0], tf.float64)
        values = tf.stack([*(tf.cast(logs[name], tf.float64) for name in names), 1])
        return tf.where(patches > 0, values * patches, tf.zeros_like(values))  # the mean of nothing is not a number

    @tf.function(jit_compile=False, autograph=False)
    def on_all(batch: Any) -> Any:
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(on_replica, (batch,)), axis=None)

    # one graph for batches of any size; between replicas, whose batches TensorFlow can't describe so, one for each size
    graphs: list[Callable[[Any], Any]] = [on_all] if strategy.num_replicas_in_sync > 1 else []

    def run(read: Callable[[int], Batch]) -> np.ndarray:
        batch = strategy.experimental_distribute_values_from_function(
            lambda context: tuple(map(tf.convert_to_tensor, read(context.replica_id_in_sync_group)))
        )
        if not graphs:
            kinds = tuple(tf.TensorSpec([None, *part.shape[1:]], part.dtype) for part in batch)
            graphs.append(on_all.get_concrete_function(kinds))
        return np.asarray(graphs[0](batch))

    return run


def means(names: list[str], sums: np.ndarray, epoch: int, prefix: str = "") -> dict[str, float]:
    """Means over patches, from what `summing` gives.

    Raises:
        TrainingDivergedError: that of the loss is not a finite number.
    """
    logs = {f"{prefix}{name}": float(value) for name, value in zip(names, sums[:-1] / sums[-1], strict=True)}
    if not math.isfinite(logs[f"{prefix}loss"]):
        raise TrainingDivergedError(
            f"{prefix}loss became {logs[f'{prefix}loss']} in epoch {epoch + 1}; no model was written. "
            "Lower learning_rate, or add warmup_epochs"
        )
    return logs


def require_together(strategy: tf.distribute.Strategy, state: State) -> None:
    """Raise `ConnectionError` if machines that train together do not go on from the same step.

    They read one file, but a shared file system may show an older one to some of them for a while.
    """
    mine = tf.constant([state.epoch, state.step], tf.int64)
    total = strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(lambda: tf.identity(mine)), axis=None)
    if not np.array_equal(total, mine * strategy.num_replicas_in_sync):
        raise ConnectionError(f"epoch {state.epoch + 1}, step {state.step}: other machines are at another")


def first_machine(strategy: tf.distribute.Strategy) -> bool:
    """Is this the first, or the only, machine of those that train together?"""
    cluster = strategy.cluster_resolver
    return cluster is None or cluster.task_id == 0


def ended(state: State, recipe: Recipe) -> bool:
    """Have all epochs been, or as many without a better validation loss as the recipe has patience?"""
    waited = state.epoch - 1 - state.best_epoch
    return state.epoch == recipe.epochs or (0 < recipe.patience <= waited)


def learning_rate(recipe: Recipe, steps_per_epoch: int) -> Any:
    """A constant, or a linear warm-up from 0 and a cosine decay to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983)."""
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warmup = recipe.warmup_epochs * steps_per_epoch
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=recipe.epochs * steps_per_epoch - warmup,
    )
