"""Apply a method that takes square tiles to photographs of any size, without seams.

The caller passes the method; nothing here knows of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from grayscale.core.levels import to_unit

PIXELS_AT_ONCE = 1 << 18  # handed to a method in one call; memory, not results, depends on it

Convert = Callable[[np.ndarray], np.ndarray]
Read = Callable[[int, int], np.ndarray]


def whole(convert: Convert, photograph: np.ndarray, patch: int, *, margin: int | None = None) -> np.ndarray:
    """What a method that is bound to a patch size makes of a whole photograph; see `stripes`.

    Args:
        convert: colour `(n, patch, patch, 3)` float64 in [0, 1] to `(n, patch, patch)` or `(n, patch, patch, 3)`.
        photograph: `(height, width, 3)` uint8, or float in [0, 1]; at least 1 × 1.
        patch: side of a tile in pixels, even.
        margin: see `stripes`.

    Returns:
        `(height, width)` or `(height, width, 3)`, of the type that `convert` returns.
    """
    height, width = photograph.shape[:2]
    rows = stripes(convert, lambda top, bottom: photograph[top:bottom], height, width, patch, margin=margin)
    return np.concatenate([part for _, part in rows])


def stripes(
    convert: Convert, read: Read, height: int, width: int, side: int, *, margin: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Convert a photograph tile by tile and hand over its rows as they are finished, from top to bottom.

    Memory holds one row of tiles, whatever the height. Beyond its edges the photograph is mirrored, as often as it
    takes. Tiles lie as `_window` says; there are no seams, because

    - without `margin`, for a method that sees nothing beyond its patch, each pixel is the mean of four patches,
      weighted by a raised cosine in both directions: weights sum to one and fade to nothing where a patch ends. Patches
      overlap by half, the least for which no pixel rests on the border of a patch alone;
    - with `margin`, for one whose every output pixel depends on input at most `margin` pixels away, only what lies
      farther than that from the tile's border is kept: it is what the method would make of the photograph in one piece.

    Args:
        convert: colour `(n, side, side, 3)` float64 in [0, 1] to `(n, side, side)` or `(n, side, side, channels)`.
        read: `(top, bottom)` to those rows, `(bottom − top, width, 3)` uint8, or float in [0, 1].
        height: of the photograph, pixels, ≥ 1.
        width: of the photograph, pixels, ≥ 1.
        side: of a tile, pixels; even, and more than twice the margin.
        margin: pixels cut off each side of a converted tile, or None to blend.

    Yields:
        The number of the first row, and finished rows `(n, width)` or `(n, width, channels)`, of the type that
        `convert` returns.
    """
    window, start, step = _window(side, margin)
    lefts = np.arange(start, width, step)
    columns = _mirrored(start, lefts[-1] + side, width)
    at_once = max(1, PIXELS_AT_ONCE // side**2)
    sums: np.ndarray | None = None  # of the rows that this and later rows of tiles reach, weighted
    for top in range(start, height, step):
        rows = _mirrored(top, top + side, height)
        first = rows.min()
        stripe = read(first, rows.max() + 1)[rows - first][:, columns]
        for part in np.array_split(lefts - start, range(at_once, len(lefts), at_once)):
            outputs = convert(_fractions(np.stack([stripe[:, left : left + side] for left in part])))
            weights = np.outer(window, window).astype(outputs.dtype)
            weights = weights.reshape(side, side, *[1] * (outputs.ndim - 3))
            if sums is None:
                sums = np.zeros((side, len(columns), *outputs.shape[3:]), outputs.dtype)
            for left, output in zip(part, outputs, strict=True):
                sums[:, left : left + side] += weights * output
        assert sums is not None
        bottom = min(top + step, height)
        if bottom > 0:
            finished = sums[max(0, -top) : bottom - top, -start : width - start]
            yield max(0, top), finished.copy()
        sums = np.concatenate([sums[step:], np.zeros_like(sums[:step])])


def _window(side: int, margin: int | None) -> tuple[np.ndarray, int, int]:
    """Weights `(side,)` of a tile's rows and columns, where the first tile starts, and the step from tile to tile.

    Shifted by the step, the weights sum to one at every pixel of the photograph, its edges included.
    """
    if margin is None:
        return np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2, -(side // 2), side // 2
    window = np.zeros(side)
    window[margin : side - margin] = 1
    return window, -margin, side - 2 * margin


def _mirrored(start: int, stop: int, size: int) -> np.ndarray:
    """Which of `size` pixels stand at positions `start` … `stop` − 1 when the row is mirrored at both ends, forever."""
    positions = np.arange(start, stop) % (2 * size)
    return np.minimum(positions, 2 * size - 1 - positions)


def _fractions(pixels: np.ndarray) -> np.ndarray:
    return to_unit(pixels) if np.issubdtype(pixels.dtype, np.integer) else pixels.astype(np.float64)
