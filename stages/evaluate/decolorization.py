"""CCPR, CCFR and E-score: how much of a photograph's colour contrast a gray image keeps.

Lu, Xu and Jia 2014, "Contrast preserving decolorization with perception-based quality metrics" (IJCV 110:2). Pairs of
neighbours show edges and blur, random pairs show regions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stages.evaluate.scores import ROUNDING

THRESHOLDS = np.arange(1, 16)  # τ, in units of CIELAB; a difference below 1 is not visible
RANDOM_PER_PIXEL = 2  # random pairs
RANDOM_AT_MOST = 4_000_000  # random pairs in a photograph; shares are then accurate to about 0.0005
MEASURES = tuple(f"{measure}_{pairs}" for pairs in ("neighbours", "random") for measure in ("ccpr", "ccfr", "e"))

CLASSES = 2 * len(THRESHOLDS) + 1  # of a distance: class 2τ − 1 is exactly τ, class 2τ between τ and τ + 1
STEPS = round(0.01 / ROUNDING)  # per unit of lightness; whole steps make γ = τ exact
STRIPE = 1 << 18  # pairs at a time; affects only memory


@dataclass(frozen=True)
class Pairs:
    """Classes, uint8, of the colour distances of pairs of pixels in one photograph."""

    right: np.ndarray  # (height, width − 1): a pixel and its right neighbour
    lower: np.ndarray  # (height − 1, width): a pixel and its lower neighbour
    random: np.ndarray  # (pairs,): the pixels `first` and `second`
    first: np.ndarray  # (pairs,) row · width + column
    second: np.ndarray  # (pairs,) differs from `first`


def pairs_of(photograph: np.ndarray, seed: int) -> Pairs:
    """All neighbours of sRGB `(height, width, 3)` uint8, and two random pairs per pixel, at most four million."""
    height, width, _ = photograph.shape
    table, colours = _lab(photograph)
    pixels = height * width
    wanted = min(RANDOM_PER_PIXEL * pixels, RANDOM_AT_MOST) if pixels > 1 else 0
    generator = np.random.default_rng(seed)
    first = generator.integers(pixels, size=wanted, dtype=np.uint32)
    second = generator.integers(max(pixels - 1, 1), size=wanted, dtype=np.uint32)
    second += second >= first
    return Pairs(
        right=_colour_classes(table, colours[:, :-1], colours[:, 1:]),
        lower=_colour_classes(table, colours[:-1], colours[1:]),
        random=_colour_classes(table, colours.reshape(-1)[first], colours.reshape(-1)[second]),
        first=first,
        second=second,
    )


def contrast(pairs: Pairs, gray: np.ndarray) -> dict[str, float]:
    """`MEASURES` of gray `(height, width)` in [0, 1], means over τ = 1 … 15, in [0, 1]; more is better.

    With δ the colour distance of a pair and γ its gray difference, 0 to 100: CCPR(τ) is the share of pairs with δ ≥ τ
    that have γ ≥ τ (contrast kept), CCFR(τ) the share of pairs with γ > τ that have δ > τ (contrast not invented), E(τ)
    their harmonic mean. A share of no pairs is 1.
    """
    steps = np.rint(gray * (100 * STEPS)).astype(np.int32)
    flat = steps.reshape(-1)
    neighbours = _joint(pairs.right, steps[:, :-1], steps[:, 1:]) + _joint(pairs.lower, steps[:-1], steps[1:])
    random = _joint(pairs.random, flat[pairs.first], flat[pairs.second])
    return dict(zip(MEASURES, [*_measures(neighbours), *_measures(random)], strict=True))


def _lab(photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CIELAB (D65) of each distinct colour, `(colours, 3)`, and the row of each pixel in that table."""
    from skimage.color import rgb2lab

    red, green, blue = (photograph[..., channel].astype(np.uint32) for channel in range(3))
    found, rows = np.unique(red << 16 | green << 8 | blue, return_inverse=True)  # far fewer than pixels
    levels = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=-1).astype(np.uint8)
    table = np.empty(levels.shape)
    for part in _stripes(found.shape):
        table[part] = rgb2lab(levels[part])
    return table, rows.reshape(photograph.shape[:2]).astype(np.uint32)


def _colour_classes(table: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Classes of the distances between the colours `one` and `other`, rows of `table`, in the shape of `one`."""
    classes = np.empty(one.shape, np.uint8)
    for part in _stripes(one.shape):
        classes[part] = _class_of(np.sqrt(np.square(table[one[part]] - table[other[part]]).sum(axis=-1)))
    return classes


def _joint(colour: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Counts of pairs by class in colour and in gray, `(CLASSES, CLASSES)`; `one` and `other` are gray in steps."""
    counts = np.zeros(CLASSES**2, np.int64)
    for part in _stripes(colour.shape):
        gray = _class_of(np.abs(one[part] - other[part]) / STEPS)
        both = colour[part].astype(np.int64) * CLASSES + gray
        counts += np.bincount(both.reshape(-1), minlength=CLASSES**2)
    return counts.reshape(CLASSES, CLASSES)


def _stripes(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the first axis with about `STRIPE` pairs each."""
    step = max(1, STRIPE // max(1, int(np.prod(shape[1:]))))
    return (slice(start, start + step) for start in range(0, shape[0], step))


def _class_of(distances: np.ndarray) -> np.ndarray:
    """Distances in units of CIELAB → classes, uint8."""
    return np.clip(np.floor(distances) + np.ceil(distances) - 1, 0, CLASSES - 1).astype(np.uint8)


def _measures(counts: np.ndarray) -> tuple[float, float, float]:
    """CCPR, CCFR and E-score from the counts of `_joint`."""
    least = counts[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1]  # pairs of at least these classes
    at, above = 2 * THRESHOLDS - 1, 2 * THRESHOLDS
    ccpr = _share(least[at, at], least[at, 0])
    ccfr = _share(least[above, above], least[0, above])
    e = 2 * ccpr * ccfr / np.maximum(ccpr + ccfr, np.finfo(np.float64).tiny)
    return float(ccpr.mean()), float(ccfr.mean()), float(e.mean())


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
