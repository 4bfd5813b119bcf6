"""The batches that training sees: shuffled, augmented, read from the memory-mapped patches as they are needed."""

from __future__ import annotations

import keras
import numpy as np

from stages.settings import Recipe
from stages.targets.patches import PatchSet, to_unit

VALIDATION_BATCH = 256  # patches; only the speed depends on it


class TrainingBatches(keras.utils.PyDataset):
    """An epoch of augmented batches; order and augmentation follow from the seed and the epoch's number alone.

    Each batch is a pair `(n, patch, patch, inputs)` and `(n, patch, patch, outputs)`, `dtype`, in [0, 1].
    """

    def __init__(self, patches: PatchSet, recipe: Recipe, dtype: str) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._patches, self._recipe, self._dtype = patches, recipe, dtype
        self._epoch = -1
        self.on_epoch_begin()

    def __len__(self) -> int:
        return -(-len(self._patches) // self._recipe.batch)

    def on_epoch_begin(self) -> None:
        self._epoch += 1
        self._order = np.random.default_rng([self._recipe.seed, self._epoch, 0]).permutation(len(self._patches))

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        start = step * self._recipe.batch
        numbers = self._order[start : start + self._recipe.batch]
        rng = np.random.default_rng([self._recipe.seed, self._epoch, 1 + step])
        mirrored = rng.random(len(numbers)) < 0.5 if self._recipe.flips else np.zeros(len(numbers), bool)
        turns = rng.integers(0, 4, len(numbers)) if self._recipe.quarter_turns else np.zeros(len(numbers), int)
        images, targets = (
            to_unit(augment(self._patches.read(kind, numbers), mirrored, turns), self._dtype)
            for kind in (self._recipe.input, self._recipe.target)
        )
        return images, targets


def validation_arrays(patches: PatchSet, recipe: Recipe, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """All validation patches, in order and unchanged, as network input and target in [0, 1]."""
    return to_unit(patches.read(recipe.input), dtype), to_unit(patches.read(recipe.target), dtype)


def augment(patches: np.ndarray, mirrored: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Mirror left to right where `mirrored`, then turn by `turns` × 90°; `(n, side, side, channels)`, any dtype."""
    result = np.where(mirrored[:, None, None, None], patches[:, :, ::-1], patches)
    for turn in (1, 2, 3):
        chosen = turns == turn
        result[chosen] = np.rot90(result[chosen], turn, axes=(1, 2))
    return result
