"""Larger squares to learn from: neighbouring patches of a grid, put together again."""

import numpy as np

from grayscale import damage
from stages.common.stage import StageError
from stages.formats.patches import KINDS, PatchSet


class Joined(PatchSet):
    """Squares of `side` × `side` neighbouring patches that are all in a patch set; squares overlap, none is left out.

    It is used as a patch set is: its patches are the squares, in the order of their upper left patches. If they are to
    be `clean`, those of photographs are left out that are damaged themselves, unless all are: from the noise of a star
    field, say, a network learns to leave noise alone.

    Raises:
        StageError: there is no such square, as where patches overlap or lie apart.
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
                f"join is {side}, and no {side} × {side} patches lie side by side; "
                "let targets.stride be targets.patch, or join fewer"
            )
        if clean:
            photos = index["photo"]
            damaged = {photo for photo in photos.unique() if _is_damaged(patches, np.flatnonzero(photos == photo))}
            whole = {at: square for at, square in whole.items() if photos[at] not in damaged} or whole
        self._parts = np.array(list(whole.values()))  # (squares, side²)
        self.index = index.iloc[list(whole)].reset_index(drop=True)
        self._starts = np.unique(np.searchsorted(list(whole), [0, *(stop for _, stop in patches.shards)]))

    def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """As of any patch set."""
        parts = self._parts if numbers is None else self._parts[numbers]
        read = self._patches.read(kind, parts.reshape(-1))
        small, side = self._patches.patch, self._side
        tiled = read.reshape(len(parts), side, side, small, small, KINDS[kind])
        return tiled.swapaxes(2, 3).reshape(len(parts), self.patch, self.patch, KINDS[kind])


def _is_damaged(patches: PatchSet, numbers: np.ndarray) -> bool:
    return bool(damage.estimate(patches.read("colour", numbers))[0] >= damage.DAMAGED)
