"""Does noise in the colour reach the gray? Outputs of noisy patches against clean targets, and how smooth they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.evaluate import measures, scores
from stages.evaluate.scores import ROUNDING


def noisy(colour: np.ndarray, level: float, seed: Sequence[int]) -> np.ndarray:
    """Colour in [0, 1], any shape, with Gaussian noise added to each value independently, clipped to [0, 1].

    Args:
        colour: the clean images.
        level: standard deviation of the noise, gray levels of 255.
        seed: of the noise, and the number of these images' chunk, so that no two chunks share noise; levels of one seed
            differ by a factor only, so that methods and levels can be compared.
    """
    noise = np.random.default_rng(seed).standard_normal(colour.shape)
    return np.clip(colour + level / 255 * noise, 0, 1)


def sums(targets: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Sums over patches of psnr (dB) and ssim against clean targets, and of total variation: `(3,)`.

    Args:
        targets: `(n, side, side)` in [0, 1].
        planes: outputs of noisy patches, `(channels, n, side, side)` in [0, 1]; channels are averaged.
    """
    total = dict(zip(scores.MEASURES, scores.measure(targets, planes).sum(axis=0), strict=True))
    return np.array([total["psnr"], total["ssim"], variation(planes)])


def variation(planes: np.ndarray) -> float:
    """The total variation of `(channels, n, side, side)`, averaged over channels and summed over patches."""
    return float(np.mean([measures.total_variation(plane).sum() for plane in planes]))


def smoothness(outputs: float, targets: float) -> float:
    """Total variation of the outputs relative to the targets': below 1 smoother, above 1 rougher.

    Variation that is only rounding counts as none in the outputs, and as that much in the targets. Both are means over
    patches.
    """
    return 0.0 if outputs < ROUNDING else outputs / max(targets, ROUNDING)
