"""Estimate the damage of a photograph from its pixels: noise, and the rounding of JPEG compression.

Networks get the same estimates in training and in use.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

LEVELS = ("gray", "chroma", "compression")  # of `estimate`
PLANES = (*LEVELS, "gray_gain", "chroma_gain")  # that `beside` adds to colour
DAMAGED = 2.5  # gray levels, of `LEVELS[0]`: a photograph counts as damaged from here on
STRONGEST = 128  # gray levels of noise that a user may state
FULL = 25  # gray levels of damage that a plane shows as 1
LEAST = 0.5  # gray levels: below, a gain does not grow, and a plane shows 0
SURE = 1.5  # gray levels: below, it may be detail, and a plane shows less
CELL = 6  # pairs of pixels on a side, even: noise is measured in cells of 12 × 12 pixels
SMOOTH = 16  # noise is measured in the smoothest 1 / SMOOTH of the cells, where all fine detail counts as noise
TEXTURE = (1.2, 1.6)  # coarse over fine detail: below the first it is noise, from the second on it is texture
OF_CHROMA = 1.71  # noise in gray over noise in chroma, if it is independent in the channels
CLIPPED = 20  # cells where more than 1 / CLIPPED of the values are 0 or 255 come last: clipping hides noise
BLOCK = 8  # pixels on a side of a JPEG block
OF_BLOCKING = 2.5  # noise that is as bad as steps of one gray level at block borders
OF_QUANTIZATION = 4.75  # noise that is as bad as quantization by `TABLE`, gray levels
TABLE = {
    (0, 1): 11, (0, 2): 10, (1, 0): 12, (1, 1): 12, (1, 2): 14, (2, 0): 14, (2, 1): 13, (2, 2): 16,
}  # steps of low frequencies (row, column): table K.1 of JPEG, ITU-T T.81  # fmt: skip
STEPS = np.arange(3, 128)  # quantization steps that are searched, gray levels
BINS = 8  # histogram bins of a coefficient's size, per gray level
SIZES = np.arange(128 * BINS) / BINS  # centres of the bins; the last holds all larger sizes, and is left out
SCALE = 512  # of cosines, which are rounded to integers
MEMBERS = 0.4  # steps: smaller coefficients count as rounded to 0
PERIODIC = (0.6, 5.0)  # thresholds of the mean of cos 2π c / step: itself, and in standard deviations
STRIPE = 120  # rows of a large photograph that are read at a time, a multiple of cells and blocks
PIXELS = 1 << 21  # of a large photograph that are read in all
LUMA = np.array([299, 587, 114], np.int32)  # BT.601, in thousandths
GRAY = np.array([1, 1, 1], np.int32)  # in thirds: the mean of the channels, in which white noise is weakest
CHROMA = 3 * LUMA - 1000 * GRAY  # luma minus that mean, in 3000ths; white noise in the two is independent


def estimate(photograph: np.ndarray) -> np.ndarray:
    """The levels of damage `(3,)` float64 in gray levels of 255, see `LEVELS`; 0 if nothing can be measured.

    Noise is the standard deviation in the mean of red, green and blue, and in luma minus that mean. It is estimated
    from the diagonal detail of the Haar transform, (a − b − c + d) / 2 of 2 × 2 pixels, which keeps the deviation of
    white noise (Donoho and Johnstone 1994, Biometrika 81:3). To leave out the photograph's own detail, the median over
    the smoothest cells is taken. Their smoothness is measured in the means of 2 × 2 pixels, whose noise is independent
    of the diagonals. If detail twice as coarse is stronger even there, which is not so in white noise, it is texture;
    texture has little colour, so noise in gray is then estimated from chroma. The rounding of JPEG counts as noise in
    gray, too.

    Sums are of integers, so the result is the same on every processor.

    Args:
        photograph: `(height, width, 3)` uint8; or `(n, height, width, 3)`, pieces of one photograph that were
            compressed separately or cut at multiples of `BLOCK` pixels.
    """
    pieces = photograph.reshape(-1, *photograph.shape[-3:])
    gray, chroma = _noise(pieces)
    compression = _compression(pieces)
    return np.array([math.hypot(gray, compression), chroma, compression])


def of_noise(sigma: float) -> np.ndarray:
    """The levels `(3,)`, see `LEVELS`, of Gaussian noise that is independent in the channels.

    `sigma` is its standard deviation in each channel, gray levels of 255; `ValueError` if not in 0…`STRONGEST`.
    """
    if not 0 <= sigma <= STRONGEST:
        raise ValueError(f"noise must be 0 to {STRONGEST} gray levels; this is {sigma}")
    return np.array([sigma / math.sqrt(3), sigma * float(np.linalg.norm(CHROMA)) / 3000, 0.0])


def estimate_read(read: Callable[[int, int], np.ndarray], height: int, width: int) -> np.ndarray:
    """`estimate`, from stripes if the photograph is large.

    `read` returns the rows `top` to `bottom` − 1, `(bottom − top, width, 3)`, uint8 or float in [0, 1].
    """
    count = min(height // STRIPE, max(1, PIXELS // (STRIPE * width)))
    if height * width <= PIXELS or count < 1:
        pieces = read(0, height)[None]
    else:
        tops = [number * (height - STRIPE) // max(1, count - 1) // BLOCK * BLOCK for number in range(count)]
        pieces = np.stack([read(top, top + STRIPE) for top in tops])
    return estimate(pieces if pieces.dtype == np.uint8 else np.rint(255 * np.clip(pieces, 0, 1)).astype(np.uint8))


def beside(colour: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Colour and constant planes of its damage, `PLANES`: `(…, height, width, 8)`, of the type of `colour`.

    The levels are divided by `FULL`; those of noise fade out between `SURE` and `LEAST` gray levels in gray. A gain is
    1 / noise, at most 1 / `LEAST`.

    Args:
        colour: `(…, height, width, 3)` float in [0, 1].
        levels: of `estimate`, `(3,)`, or one row for each image.
    """
    gains = 1 / np.maximum(levels[..., :2], LEAST)
    share = np.clip((levels[..., :1] - LEAST) / (SURE - LEAST), 0, 1)
    planes = np.concatenate([share * levels[..., :2], levels[..., 2:]], axis=-1) / FULL
    planes = np.concatenate([planes, gains], axis=-1).astype(colour.dtype)
    planes = np.broadcast_to(planes[..., None, None, :], (*colour.shape[:-1], len(PLANES)))
    return np.concatenate([colour, planes], axis=-1)


def _noise(pieces: np.ndarray) -> tuple[float, float]:
    """Standard deviations of the noise in the mean of the channels and in `CHROMA`, gray levels.

    `pieces` is `(n, height, width, 3)` uint8.
    """
    rows, columns = (side // (2 * CELL) for side in pieces.shape[1:3])
    if not len(pieces) * rows * columns:
        return 0.0, 0.0
    pieces = pieces[:, : rows * 2 * CELL, : columns * 2 * CELL]
    clipped = _by_cell(_weighted((pieces == 0) | (pieces == 255), GRAY), 2 * CELL)
    sums, of_gray = _pairs(_weighted(pieces, GRAY))
    _, of_chroma = _pairs(_weighted(pieces, CHROMA))
    _, of_coarse = _pairs(sums)
    detail = _by_cell(np.abs(np.diff(sums, axis=1, append=0)), CELL, skip=1)
    detail += _by_cell(np.abs(np.diff(sums, axis=2, append=0)).swapaxes(1, 2), CELL, skip=1).swapaxes(1, 2)
    allowed = 3 * (2 * CELL) ** 2 // CLIPPED
    order = np.lexsort([detail.reshape(-1), np.maximum(clipped.reshape(-1), allowed)])
    chosen = order[: -(-len(order) // SMOOTH)]
    # mean |detail| of Gaussian noise is σ √(2 / π); `_pairs` gives twice the detail
    scale = math.sqrt(math.pi / 2) / (2 * CELL**2)
    gray, chroma, coarse = (
        factor * scale * float(np.median(_by_cell(found, side).reshape(-1)[chosen]))
        for found, side, factor in ((of_gray, CELL, 1 / 3), (of_chroma, CELL, 1 / 3000), (of_coarse, CELL // 2, 2 / 3))
    )
    if coarse > TEXTURE[0] * gray:
        trusted = max(0.0, TEXTURE[1] * gray - coarse) / ((TEXTURE[1] - TEXTURE[0]) * gray) if gray else 0.0
        gray = min(gray, trusted * gray + (1 - trusted) * OF_CHROMA * chroma)
    return gray, chroma


def _weighted(pieces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted sum of the channels `(…, 3)`, int32; much faster than a product with so short an axis."""
    first, second, third = (pieces[..., channel] * weights[channel] for channel in range(3))
    return first + second + third


def _pairs(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each 2 × 2 pixels a, b, c, d of `(n, height, width)`: a + b + c + d, and |a − b − c + d|."""
    a, b, c, d = (plane[:, row::2, column::2] for row in (0, 1) for column in (0, 1))
    return a + b + c + d, np.abs(a - b - c + d)


def _by_cell(values: np.ndarray, side: int, skip: int = 0) -> np.ndarray:
    """Sums int64 over cells of `side` × `side` values without the last `skip` rows: `(n, rows, columns)`."""
    n, height, width = values.shape
    cells = values.reshape(n, height // side, side, width // side, side)
    return cells[:, :, : side - skip].sum(axis=(2, 4), dtype=np.int64)


def _compression(pieces: np.ndarray) -> float:
    """The noise that is as bad as the rounding of JPEG, gray levels.

    It follows from the quantization steps if they can be found; most encoders' tables are multiples of `TABLE`. If not,
    because the photograph is small or was changed, it follows from the steps at block borders, which are larger in
    texture. `pieces` is `(n, height, width, 3)` uint8.
    """
    luma = _weighted(pieces, LUMA)
    unclipped = _weighted((pieces == 0) | (pieces == 255), GRAY) == 0
    (below, row), (beside, column) = _blocking(luma.swapaxes(1, 2)), _blocking(luma)
    for top, left in ((row, column), (0, 0)):  # blocks of an uncropped photograph start at (0, 0)
        ratios = _ratios(_blocks(luma[:, top:, left:])[_blocks(unclipped[:, top:, left:]).all(axis=1)])
        if len(ratios) > 1:
            ratio = float(np.median(ratios))  # to the power of 5 / 8: coefficients that became 0 were small
            return OF_QUANTIZATION * math.sqrt(ratio) * math.sqrt(math.sqrt(math.sqrt(ratio)))
    return OF_BLOCKING * (below + beside) / 2


def _blocking(luma: np.ndarray) -> tuple[float, int]:
    """The mean excess of steps between columns at block borders over the two steps beside, gray levels; and the column.

    Of the eight possible columns, blocks start where the excess is largest. The second largest is subtracted, which
    cancels noise and texture. `luma` is `(n, height, width)` int32 in thousandths.
    """
    steps = np.abs(np.diff(luma, axis=2)).sum(axis=(0, 1), dtype=np.int64)
    excess = 2 * steps[1:-1] - steps[:-2] - steps[2:]
    if len(excess) < BLOCK:
        return 0.0, 0
    places = [int(each.sum()) / len(each) for each in (excess[place::BLOCK] for place in range(BLOCK))]
    second, first = sorted(places)[-2:]
    return (first - second) / (2000 * luma.shape[0] * luma.shape[1]), (places.index(first) + 2) % BLOCK


def _blocks(planes: np.ndarray) -> np.ndarray:
    """The complete blocks of `(n, height, width)`: `(blocks, 64)`."""
    n, rows, columns = len(planes), planes.shape[1] // BLOCK, planes.shape[2] // BLOCK
    planes = planes[:, : rows * BLOCK, : columns * BLOCK]
    return planes.reshape(n, rows, BLOCK, columns, BLOCK).swapaxes(2, 3).reshape(-1, BLOCK**2)


def _ratios(blocks: np.ndarray) -> np.ndarray:
    """JPEG's quantization steps over those of `TABLE`, for the low frequencies whose step can be found.

    Cosine coefficients are multiples of their step, so the mean of cos 2π c / step is large at the step and its
    divisors; the largest is taken. `blocks` is `(blocks, 64)` in thousandths. Floats hold integers.
    """
    waves, table = _tables()
    sizes = np.rint(np.abs(blocks.astype(np.float64) @ waves) * (BINS / (1000 * SCALE)))
    sizes = np.minimum(sizes, len(SIZES) - 1).astype(np.int64)
    counts = [np.bincount(size, minlength=len(SIZES))[:-1] for size in sizes.T]
    members, sums = np.split(np.array(counts, np.float64) @ table, 2, axis=1)
    sums /= SCALE
    scores = sums * np.sqrt(2 / np.maximum(members, 1))
    seen = (sums > PERIODIC[0] * members) & (scores > PERIODIC[1])
    steps = np.where(seen & (scores > 0.9 * scores.max(axis=1, where=seen, initial=0)[:, None]), STEPS, 0).max(axis=1)
    return (steps / list(TABLE.values()))[steps > 0]


def cosines() -> np.ndarray:
    """The orthonormal DCT-II of `BLOCK` values (Ahmed, Natarajan and Rao 1974): `(frequencies, values)` float64."""
    waves = np.cos(np.pi / BLOCK * np.outer(np.arange(BLOCK), np.arange(BLOCK) + 0.5)) * (2 / BLOCK) ** 0.5
    waves[0] /= 2**0.5
    return waves


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """The factors of `_ratios`, integers; cosines are times `SCALE`.

    The waves of the cosine transform `(64, frequencies)`; and `(sizes, 2 × steps)`: whether a size counts as not
    rounded to 0, and then cos 2π size / step.
    """
    used = np.stack([np.outer(cosines()[row], cosines()[column]).reshape(-1) for row, column in TABLE], axis=1)
    periods = SIZES[:-1, None] / STEPS
    inside = (periods > MEMBERS).astype(np.float64)
    return np.rint(SCALE * used), np.rint(np.hstack([inside, SCALE * inside * np.cos(2 * np.pi * periods)]))
