"""Batches for training and validation: order, augmentation, damage."""

from collections.abc import Sequence

import keras
import numpy as np

from grayscale import damage
from grayscale.core.levels import to_unit
from stages.common.settings import Recipe
from stages.formats.patches import PatchSet
from stages.train import degrade

VALIDATION_BATCH = 256  # patches at most; affects only speed
PIECES = 8  # patches of a photograph from which its damage is estimated
VALIDATION = 0  # seed of the damage of validation patches, for all variants and seeds
WINDOW = 4  # shards that are shuffled together and mapped at the same time

Batch = tuple[np.ndarray, np.ndarray]


class TrainingBatches(keras.utils.PyDataset):
    """Epochs of augmented batches; order and augmentation depend only on the seed, the epoch and the step.

    A batch is inputs `(n, patch, patch, inputs)` and targets `(n, patch, patch, outputs)`, `dtype`, in [0, 1]. The last
    batch of an epoch is cut to a multiple of the replicas.
    """

    def __init__(self, patches: PatchSet, recipe: Recipe, dtype: str, replicas: int = 1) -> None:
        super().__init__(**_ahead(recipe, replicas))
        self.patches = len(patches) // replicas * replicas  # per epoch
        self.follow = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: self.begin(epoch + 1))
        self._recipe, self._shards, self._pairs = recipe, patches.shards, Pairs(patches, recipe, dtype)
        self.begin(1)

    def begin(self, epoch: int) -> None:
        """Start an epoch; epochs count from 1, steps from 0."""
        self._epoch, self._order = epoch, shuffled(self._shards, [self._recipe.seed, epoch, 0])

    def __len__(self) -> int:
        return -(-self.patches // self._recipe.batch)

    def __getitem__(self, step: int) -> Batch:
        start = step * self._recipe.batch
        size = min(self._recipe.batch, self.patches - start)
        rng = np.random.default_rng([self._recipe.seed, self._epoch, 1 + step])
        mirrored = rng.random(size) < 0.5 if self._recipe.flips else np.zeros(size, bool)
        turns = rng.integers(0, 4, size) if self._recipe.quarter_turns else np.zeros(size, int)
        images, targets = self._pairs.read(self._order[start : start + size], [rng] * size)
        return augment(images, mirrored, turns), augment(targets, mirrored, turns)


def _ahead(recipe: Recipe, replicas: int) -> dict[str, int]:
    """How `PyDataset` makes batches: in two threads, ahead and in order, if they take long.

    Threads slow down quick batches. With replicas, Keras would put the first batches out of order.
    """
    return {"workers": 2, "max_queue_size": 4} if recipe.input == "colour_damage" and replicas == 1 else {}


class Pairs:
    """Reads the inputs of a recipe, damaged and with the estimated damage if it says so, and the targets."""

    def __init__(self, patches: PatchSet, recipe: Recipe, dtype: str) -> None:
        self._from, self._recipe, self._dtype = patches, recipe, dtype
        self._estimates = recipe.input == "colour_damage"
        if self._estimates:
            photos = patches.index["photo"].to_numpy()
            changes = np.append(True, photos[1:] != photos[:-1])
            self._borders = np.append(np.flatnonzero(changes), len(photos))  # a photograph's patches lie together

    def read(self, numbers: np.ndarray, rngs: Sequence[np.random.Generator]) -> Batch:
        """Inputs and targets `(n, patch, patch, channels)` of the patches `numbers`, with a generator for each."""
        targets = to_unit(self._from.read(self._recipe.target, numbers), self._dtype)
        if not (self._estimates or self._recipe.degrade):
            return to_unit(self._from.read(self._recipe.input, numbers), self._dtype), targets
        pieces = [self._pieces(int(number), rng) for number, rng in zip(numbers, rngs, strict=True)]
        images = to_unit(np.stack([group[0] for group in pieces]), self._dtype)
        if self._estimates:
            images = damage.beside(images, np.stack([damage.estimate(group) for group in pieces]))
        return images, targets

    def _pieces(self, number: int, rng: np.random.Generator) -> np.ndarray:
        """A patch and, if damage is estimated, others of its photograph, with the same damage: `(n, side, side, 3)`."""
        numbers = np.array([number])
        if self._estimates:
            photo = np.searchsorted(self._borders, number, side="right") - 1
            start, stop = self._borders[photo : photo + 2]
            numbers = np.append(numbers, rng.integers(start, stop, PIECES - 1))
        pieces = self._from.read("colour", numbers)
        if not self._recipe.degrade:
            return pieces
        return degrade.damaged(pieces, degrade.draw(rng, self._recipe.degrade), rng)


def shuffled(shards: list[tuple[int, int]], seed: list[int]) -> np.ndarray:
    """All patches in the random order of an epoch, `(patches,)`; `shards` are (start, stop) numbers of patches.

    If there are many shards, `WINDOW` random ones at a time are shuffled.
    """
    if len(shards) <= WINDOW:
        return np.random.default_rng(seed).permutation(shards[-1][1])
    order = np.random.default_rng(seed).permutation(len(shards))
    windows = [order[start : start + WINDOW] for start in range(0, len(order), WINDOW)]
    numbers = [np.concatenate([np.arange(*shards[shard]) for shard in window]) for window in windows]
    # from 1, because trailing zeros do not change a seed of NumPy
    return np.concatenate([np.random.default_rng([*seed, n]).permutation(part) for n, part in enumerate(numbers, 1)])


class ValidationBatches(keras.utils.PyDataset):
    """All validation patches in order, with the same damage in every epoch.

    Batches have nearly equal sizes, so that each replica has a part of each. All but the last are multiples of the
    replicas, and the first must be: Keras averages it over the replicas to build its metrics.
    """

    def __init__(self, patches: PatchSet, recipe: Recipe, dtype: str, replicas: int = 1) -> None:
        super().__init__(**_ahead(recipe, replicas))
        count = max(-(-len(patches) // VALIDATION_BATCH), 2 if len(patches) % replicas else 1)
        inner = [number * len(patches) // count // replicas * replicas for number in range(count)]
        self._starts, self._pairs = [*inner, len(patches)], Pairs(patches, recipe, dtype)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, step: int) -> Batch:
        numbers = np.arange(*self._starts[step : step + 2])
        return self._pairs.read(numbers, [np.random.default_rng([VALIDATION, 1 + int(number)]) for number in numbers])


def augment(patches: np.ndarray, mirrored: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Mirror left to right if `mirrored`, then turn by `turns` × 90°; `(n, side, side, channels)`, any dtype."""
    result = np.where(mirrored[:, None, None, None], patches[:, :, ::-1], patches)
    for turn in (1, 2, 3):
        chosen = turns == turn
        result[chosen] = np.rot90(result[chosen], turn, axes=(1, 2))
    return result
