"""Does colour leak into gray? A regression of the error on chroma, and patches that a perfect conversion makes flat.

Chroma is the Cb and Cr of BT.601, so that luma, the target's formula, leaks nothing but the rounding of the target. A
colour output is taken channel by channel, as in the scores, and averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.evaluate.baselines import Method, luma
from stages.evaluate.scores import ROUNDING
from stages.targets.conversions import BT601

RED, GREEN, BLUE = BT601
CR_SCALE, CB_SCALE = 2 * (1 - RED), 2 * (1 - BLUE)  # 1.402 and 1.772: red − luma and blue − luma at full saturation
LUMAS = (0.3, 0.5, 0.7)  # of the isoluma patches
TURNS = (1, 2, 4)  # of their hue


def cb_cr(colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The colour differences Cb and Cr, each `(n, height, width)` in [−0.5, 0.5].

    ITU-R Recommendation BT.601-7, section 2.5: E'CB = (E'B − E'Y) / 1.772, E'CR = (E'R − E'Y) / 1.402.

    Args:
        colour: `(n, height, width, 3)` in [0, 1].
    """
    gray = luma(colour)
    return (colour[..., 2] - gray) / CB_SCALE, (colour[..., 0] - gray) / CR_SCALE


def of_residuals(photos: np.ndarray, colour: np.ndarray, residuals: np.ndarray) -> dict[str, Any]:
    """How much of the error chroma explains: ordinary least squares on 1, Cb, Cr, Cb², Cr², Cb·Cr, by photograph.

    Args:
        photos: `(n,)` the photograph of each patch.
        colour: `(n, height, width, 3)` in [0, 1], the input.
        residuals: `(channels, n, height, width)`, output − target.

    Returns:
        `chroma_r2`: the mean over photographs of R², the explained part of the residual's variance in [0, 1];
        `chroma_r2_per_photo`; `chroma_levels`: the mean over photographs of the root mean square of the explained part,
        in gray levels of 255, because much of a tiny error is still little. A constant error is not chroma's.
    """
    shares, levels = {}, []
    for photo in np.unique(photos):
        mine = photos == photo
        basis = _chroma_basis(colour[mine])
        fits = [_explained(basis, plane[mine].reshape(-1)) for plane in residuals]
        share, level = np.mean(fits, axis=0)
        shares[str(photo)] = float(share)
        levels.append(float(level))
    return {
        "chroma_r2": float(np.mean(list(shares.values()))),
        "chroma_r2_per_photo": shares,
        "chroma_levels": float(np.mean(levels)),
    }


def _chroma_basis(colour: np.ndarray) -> np.ndarray:
    """Orthonormal columns `(pixels, ≤ 5)` that span the centred regressors; those of mere rounding are left out."""
    cb, cr = (plane.reshape(-1) for plane in cb_cr(colour))
    columns = np.stack([cb, cr, cb * cb, cr * cr, cb * cr], axis=1)
    columns -= columns.mean(axis=0)
    spread = columns.std(axis=0)
    columns = columns * np.where(spread < ROUNDING, 0, 1 / np.maximum(spread, ROUNDING))  # a gray photograph has none
    directions, lengths, _ = np.linalg.svd(columns, full_matrices=False)
    return directions[:, lengths > ROUNDING * np.sqrt(len(columns))]


def _explained(basis: np.ndarray, residual: np.ndarray) -> tuple[float, float]:
    """R² and explained levels of 255 of a residual `(pixels,)`; nothing is explained where that is only rounding."""
    residual = residual - residual.mean()
    power = np.square(basis.T @ residual).sum() / len(residual)
    if power < ROUNDING**2:
        return 0.0, 0.0
    return float(power / np.square(residual).mean()), float(255 * np.sqrt(power))


def isoluma_patches(side: int) -> np.ndarray:
    """Patches `(27, side, side, 3)` in [0, 1] of constant BT.601 luma and turning hue: three lumas × nine patterns.

    The hue, the angle in the plane of Cb and Cr, turns 1, 2 or 4 times down the rows, along the columns, or along both
    at once. The chroma is the largest at which every hue of that luma lies within RGB.
    """
    row, column = np.indices((side, side)) / side
    hue = 2 * np.pi * np.stack([turns * across for across in (row, column, row + column) for turns in TURNS])
    patches = []
    for level in LUMAS:
        chroma = min(level, 1 - level) / CB_SCALE  # blue is the first to reach 0 or 1
        red, blue = level + CR_SCALE * chroma * np.sin(hue), level + CB_SCALE * chroma * np.cos(hue)
        patches.append(np.stack([red, (level - RED * red - BLUE * blue) / GREEN, blue], axis=-1))
    return np.concatenate(patches)


def isoluma_contrast(convert: Method, side: int) -> float:
    """The standard deviation of the output within an isoluma patch, in gray levels of 255, averaged over the patches.

    A perfect conversion gives 0. What a network draws into flat patches of any colour counts, too.
    """
    deviation = np.clip(convert(isoluma_patches(side)), 0, 1).std(axis=(1, 2))
    return float(255 * np.where(deviation < ROUNDING, 0, deviation).mean())
