"""Does noise in the colour reach the gray? Outputs of noisy patches against clean targets, and how smooth they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.evaluate import measures, scores
from stages.evaluate.baselines import Method
from stages.evaluate.scores import ROUNDING


def noisy(colour: np.ndarray, level: float, seed: int) -> np.ndarray:
    """Colour in [0, 1], any shape, with Gaussian noise added to each value independently, clipped to [0, 1].

    Args:
        colour: the clean images.
        level: standard deviation of the noise, gray levels of 255.
        seed: of the noise; levels of one seed differ by a factor only, so that methods and levels can be compared.
    """
    noise = np.random.default_rng(seed).standard_normal(colour.shape)
    return np.clip(colour + level / 255 * noise, 0, 1)


def under_noise(
    convert: Method, index: pd.DataFrame, colour: np.ndarray, targets: np.ndarray, levels: list[int], seed: int
) -> dict[str, Any]:
    """Per level of noise, as text: mean psnr (dB) and ssim against the clean targets, and smoothness.

    Args:
        convert: the method.
        index: the patches' photo, domain, row and column.
        colour: `(n, side, side, 3)` in [0, 1].
        targets: `(n, side, side)` in [0, 1].
        levels: standard deviations, gray levels of 255.
        seed: of the noise.
    """
    found = {}
    for level in levels:
        outputs = convert(noisy(colour, level, seed))
        means = scores.per_patch(index, "", targets, outputs)[["psnr", "ssim"]].mean()
        smooth = smoothness(targets, scores.planes(targets, outputs))
        found[str(level)] = {"psnr": float(means["psnr"]), "ssim": float(means["ssim"]), "smoothness": smooth}
    return found


def smoothness(targets: np.ndarray, planes: np.ndarray) -> float:
    """Total variation of the outputs relative to the targets': below 1 smoother, above 1 rougher.

    The ratio of the means over all patches. Variation that is only rounding counts as none in the outputs, and as that
    much in the targets.

    Args:
        targets: `(n, side, side)` in [0, 1].
        planes: outputs `(channels, n, side, side)` in [0, 1]; channels are averaged.
    """
    variation = float(np.mean([measures.total_variation(plane).mean() for plane in planes]))
    wanted = float(measures.total_variation(targets).mean())
    return 0.0 if variation < ROUNDING else variation / max(wanted, ROUNDING)
