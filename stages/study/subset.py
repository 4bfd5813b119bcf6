"""Training on fewer photographs: which patches are left, and how long to train on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.settings import SettingsError, Variant
from stages.targets.patches import PatchSet


class FirstPhotographs(PatchSet):
    """The patches of the first photographs of a patch set, in the order of its index.

    Attributes:
        photographs: how many there are.
        of_all: the number of patches of all photographs.

    Raises:
        SettingsError: there are fewer photographs than wanted.
        ArtifactError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, photographs: int | None) -> None:
        """Keep the first `photographs`, or all if None."""
        super().__init__(folder)
        names = self.index["photo"].unique()
        self.photographs = len(names) if photographs is None else photographs
        if self.photographs > len(names):
            raise SettingsError(f"photographs is {photographs}; {folder} has {len(names)}")
        self.of_all = len(self.index)
        kept = self.index["photo"].isin(names[: self.photographs])
        self._kept = np.flatnonzero(kept)
        self.index = self.index[kept].reset_index(drop=True)

    def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """The patches `numbers` of those kept (all if None), `(n, patch, patch, channels)` uint8."""
        return super().read(kind, self._kept if numbers is None else self._kept[numbers])


def with_equal_steps(variant: Variant, patches: int, of_all: int) -> Variant:
    """The variant with the epochs of `patches` that take as many gradient steps as its own of `of_all`, or just more.

    Warm-up and patience grow with them, so that they last as many steps, too.
    """
    before, after = (-(-count // variant.batch) for count in (of_all, patches))  # steps in an epoch
    lengths = {key: getattr(variant, key) for key in ("epochs", "warmup_epochs", "patience")}
    return variant.model_copy(update={key: -(-length * before // after) for key, length in lengths.items()})
