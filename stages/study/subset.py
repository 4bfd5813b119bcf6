"""Training on fewer photographs: which patches are left, and how long to train on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.common.settings import SettingsError, Variant
from stages.formats.patches import PatchSet


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
        self.of_all = len(self)
        kept = int(self.index["photo"].isin(names[: self.photographs]).sum())  # the first: a photograph's are together
        self.index = self.index[:kept]
        self._starts = np.append(self._starts[self._starts < kept], kept)


def with_equal_steps(variant: Variant, patches: int, of_all: int) -> Variant:
    """The variant with the epochs of `patches` that take as many gradient steps as its own of `of_all`, or just more.

    Warm-up and patience grow with them, so that they last as many steps, too.
    """
    before, after = (-(-count // variant.batch) for count in (of_all, patches))  # steps in an epoch
    lengths = {key: getattr(variant, key) for key in ("epochs", "warmup_epochs", "patience")}
    return variant.model_copy(update={key: -(-length * before // after) for key, length in lengths.items()})
