"""Training one network by one recipe with Keras's `fit`: the optimiser, the loss, the data, the curve.

What it reads is in `stages.train.batches`; when it stops, and where it goes on after a kill, in
`stages.train.callbacks`.
"""

from pathlib import Path
from typing import Any

import keras
import pandas as pd
from tqdm.keras import TqdmCallback

from stages.common.settings import Recipe
from stages.formats.patches import PatchSet
from stages.train import losses
from stages.train.batches import TrainingBatches, ValidationBatches
from stages.train.callbacks import Epochs
from stages.train.enlarged import computed_small


def fit(
    model: keras.Model, train: PatchSet, validation: PatchSet, recipe: Recipe, keep: Path | None = None
) -> pd.DataFrame:
    """Train `model` in place and leave it with the weights of its best epoch by validation loss.

    The replicas are those of the strategy that it was built under.

    Args:
        model: not compiled.
        train, validation: the patches to learn from and to stop by, at least as many as there are replicas.
        recipe: how.
        keep: the file for checkpoints; if there is a sound one, training goes on from it. None: no checkpoints.

    Returns:
        The curve, one row per epoch: `epoch` from 1, `loss` and `psnr` (dB) on augmented training patches while they
        were learned from, `val_loss` and `val_psnr` on validation patches after the epoch, and the network's own
        trackers. All are means over patches.

    Raises:
        StageError: the loss became NaN or infinite; names the epoch.
    """
    strategy = model.distribute_strategy
    batches = TrainingBatches(train, recipe, model.variable_dtype, strategy.num_replicas_in_sync)
    unseen = ValidationBatches(validation, recipe, model.variable_dtype)
    budget, patience, warmup = passes(recipe, batches.patches)
    with strategy.scope():
        model = computed_small(model)  # with the same variables
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate(recipe, budget * len(batches), warmup * len(batches))),
            loss=losses.LOSSES[recipe.loss],
            metrics=[losses.psnr],
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)
    epochs = Epochs(budget, patience, keep)
    epochs.load(model)
    if not epochs.ended:
        model.fit(
            batches,
            validation_data=unseen,
            epochs=budget,
            initial_epoch=len(epochs.rows),
            shuffle=False,  # `batches` does it
            verbose=0,
            callbacks=[batches.follow, epochs, TqdmCallback(disable=None, leave=False)],  # none without a terminal
        )
    model.set_weights(epochs.best)
    return pd.DataFrame(epochs.rows)


def passes(recipe: Recipe, patches: int) -> tuple[int, int, int]:
    """The recipe's budget, patience and warm-up in passes over so many patches, rounded up; the last is shorter."""
    budget, patience, warmup = (-(-seen // patches) for seen in (recipe.budget, recipe.patience, recipe.warmup))
    return budget, patience, min(warmup, budget - 1)


def learning_rate(recipe: Recipe, steps: int, warmup: int) -> Any:
    """A constant, or a linear warm-up from 0 and a cosine decay to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983).

    `warmup` is how many of all `steps` it takes.
    """
    if recipe.schedule == "constant":
        return recipe.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
        decay_steps=steps - warmup,
    )
