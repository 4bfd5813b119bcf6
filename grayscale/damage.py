"""How damaged a photograph is, estimated from its pixels alone: noise, and the blocks of JPEG compression.

The pipeline trains with these estimates, so a network learns what they are worth; the library hands the same to it.
"""

from __future__ import annotations

import math

import numpy as np

LEVELS = ("colour_noise", "luma_noise", "blocking")  # what `estimate` gives
PLANES = (*LEVELS, "gain")  # what `beside` puts beside colour
FULL = 25  # gray levels of damage that a plane shows as 1
CELL = 7  # pairs of pixels on a side: noise is measured in cells of 14 × 14 pixels
SMOOTH = 4  # a cell in so many, the smoothest, in which all fine detail is taken for noise
CLIPPED = 20  # a black or white value in so many, and a cell hides some of its noise
BLOCK = 8  # pixels on a side of a JPEG block
LUMA = (299, 587, 114)  # thousandths: of BT.601


def estimate(photograph: np.ndarray) -> np.ndarray:
    """The levels of damage `(3,)` float64 in gray levels of 255, see `LEVELS`; 0 where nothing can be measured.

    Noise is a standard deviation. It is estimated from the diagonal detail of the Haar transform, (a − b − c + d) / 2
    of 2 × 2 pixels, which keeps the deviation of white noise (Donoho and Johnstone 1994, Biometrika 81:3). Detail of
    the photograph itself counts as little as possible: only the smoothest cells are used, as told by the means of 2 × 2
    pixels, in which the noise is independent of that in the diagonals, and of their levels the median is taken.

    Sums are of whole numbers, so that every processor finds the same.

    Args:
        photograph: `(height, width, 3)` uint8; or `(n, height, width, 3)`, pieces of one photograph that were
            compressed each by itself.
    """
    pieces = photograph.reshape(-1, *photograph.shape[-3:]).astype(np.int32)
    luma = pieces @ np.array(LUMA, np.int32)
    colour_noise, luma_noise = _noise(pieces, luma)
    return np.array([colour_noise, luma_noise, _blocking(luma)])


def beside(colour: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Colour and constant planes that tell its damage, `PLANES`: `(…, height, width, 7)`, of the type of `colour`.

    The levels are divided by `FULL`; the gain, which makes the noise in luma and the blocking together one gray level,
    is at most 1.

    Args:
        colour: `(…, height, width, 3)` float in [0, 1].
        levels: `(3,)`, or one such row for each image, as of `estimate`.
    """
    gain = 1 / np.maximum(levels[..., 1:].sum(axis=-1, keepdims=True), 1)
    planes = np.concatenate([levels / FULL, gain], axis=-1).astype(colour.dtype)
    planes = np.broadcast_to(planes[..., None, None, :], (*colour.shape[:-1], len(PLANES)))
    return np.concatenate([colour, planes], axis=-1)


def _noise(colour: np.ndarray, luma: np.ndarray) -> tuple[float, float]:
    """Standard deviations of the noise in colour (mean of its channels) and in luma, gray levels.

    `colour` is `(n, height, width, 3)` and `luma` `(n, height, width)` in thousandths, both int32.
    """
    rows, columns = (side // (2 * CELL) for side in luma.shape[1:])
    if not len(luma) * rows * columns:
        return 0.0, 0.0
    inside = np.s_[:, : rows * 2 * CELL, : columns * 2 * CELL]
    clipped = _by_cell(((colour == 0) | (colour == 255))[inside].sum(axis=3, dtype=np.int32), 2 * CELL)
    sums, of_luma = _pairs(luma[inside])
    detail = _by_cell(np.abs(np.diff(sums, axis=1, append=0)), CELL, skip=1)
    detail += _by_cell(np.abs(np.diff(sums, axis=2, append=0)).swapaxes(1, 2), CELL, skip=1).swapaxes(1, 2)
    of_colour = sum(_by_cell(_pairs(colour[inside][..., channel])[1], CELL) for channel in range(3))
    allowed = 3 * (2 * CELL) ** 2 // CLIPPED
    order = np.lexsort([detail.reshape(-1), np.maximum(clipped.reshape(-1), allowed)])
    chosen = order[: -(-len(order) // SMOOTH)]
    # mean |detail| of Gaussian noise is σ √(2 / π); `_pairs` gives twice the detail
    scale = math.sqrt(math.pi / 2) / (2 * CELL**2)
    medians = [float(np.median(found.reshape(-1)[chosen])) for found in (of_colour, _by_cell(of_luma, CELL))]
    return scale * medians[0] / 3, scale * medians[1] / 1000


def _pairs(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each 2 × 2 pixels a, b, c, d of `(n, height, width)`: a + b + c + d, and |a − b − c + d|."""
    a, b, c, d = (plane[:, row::2, column::2] for row in (0, 1) for column in (0, 1))
    return a + b + c + d, np.abs(a - b - c + d)


def _by_cell(values: np.ndarray, side: int, skip: int = 0) -> np.ndarray:
    """Sums int64 over cells of `side` × `side` values, less the last `skip` rows of each: `(n, rows, columns)`."""
    n, height, width = values.shape
    cells = values.reshape(n, height // side, side, width // side, side)
    return cells[:, :, : side - skip].sum(axis=(2, 4), dtype=np.int64)


def _blocking(luma: np.ndarray) -> float:
    """How much larger steps at block borders are than the two beside them, on average, gray levels.

    In each direction the blocks start where this is largest; of the eight places the second largest is taken off, so
    that noise and texture count for little. `luma` is `(n, height, width)` int32 in thousandths.
    """
    found = []
    for image in (luma, luma.swapaxes(1, 2)):
        steps = np.abs(np.diff(image, axis=2)).sum(axis=(0, 1), dtype=np.int64)
        excess = 2 * steps[1:-1] - steps[:-2] - steps[2:]
        if len(excess) < BLOCK:
            return 0.0
        places = [excess[place::BLOCK] for place in range(BLOCK)]
        second, first = sorted(int(each.sum()) / len(each) for each in places)[-2:]
        found.append((first - second) / (2000 * image.shape[0] * image.shape[1]))
    return sum(found) / 2
