"""Colour leaking into gray: a regression of the error on chroma, and the response to flat patches of different hue.

Chroma is Cb and Cr of BT.601, so luma leaks only the rounding of the target. Colour outputs: means over channels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from grayscale.conversions import BT601
from stages.evaluate.baselines import luma
from stages.evaluate.scores import ROUNDING

RED, GREEN, BLUE = BT601
CR_SCALE, CB_SCALE = 2 * (1 - RED), 2 * (1 - BLUE)  # 1.402 and 1.772
LUMAS, HUES = (0.3, 0.5, 0.7), 24  # of the flat patches
REGRESSORS = 5  # without the constant
PIXELS_AT_ONCE = 1 << 16  # in a regression; affects only memory


def cb_cr(colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cb and Cr `(n, height, width)` in [−0.5, 0.5] of colour `(n, height, width, 3)` in [0, 1].

    ITU-R Recommendation BT.601-7, section 2.5: E'CB = (E'B − E'Y) / 1.772, E'CR = (E'R − E'Y) / 1.402.
    """
    gray = luma(colour)
    return (colour[..., 2] - gray) / CB_SCALE, (colour[..., 0] - gray) / CR_SCALE


def triangle(colour: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """The triangular factor R of the QR decomposition of the columns 1, Cb, Cr, Cb², Cr², Cb·Cr and the residuals.

    It determines the regression, keeps more digits than sums of squares, and factors of parts can be `joined`: Golub
    and Van Loan 2013, Matrix Computations, section 5.2. `colour` is `(n, height, width, 3)` in [0, 1], `residuals`,
    output − target, `(planes, n, height, width)`.
    """
    step = max(1, PIXELS_AT_ONCE // residuals[0, 0].size)
    factor = np.zeros((0, 1 + REGRESSORS + len(residuals)))
    for start in range(0, len(colour), step):
        cb, cr = (plane.reshape(-1) for plane in cb_cr(colour[start : start + step]))
        planes = residuals[:, start : start + step].reshape(len(residuals), -1)
        columns = np.stack([np.ones_like(cb), cb, cr, cb * cb, cr * cr, cb * cr, *planes], axis=1)
        factor = joined([factor, columns])
    return factor


def triangles(photos: np.ndarray, colour: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """The `triangle` of each photograph, in the order of first patches; `photos` `(n,)` has the name for each patch."""
    masks = [photos == photo for photo in pd.unique(photos)]
    return np.stack([triangle(colour[mask], residuals[:, mask]) for mask in masks])


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The `triangle` of all pixels from those of parts."""
    return np.asarray(np.linalg.qr(np.concatenate(parts), mode="r"))


def of_triangles(triangles: Mapping[str, np.ndarray], planes: slice) -> dict[str, Any]:
    """How much of the error chroma explains, by ordinary least squares for each photograph.

    `planes` are the residuals of the method. Returns means over photographs: `chroma_r2`, the explained share of the
    residual's variance, in [0, 1], and `chroma_levels`, the root mean square of the explained part in gray levels of
    255; and `chroma_r2_per_photo`.
    """
    explained = {photo: _explained(factor, planes) for photo, factor in sorted(triangles.items())}
    r2, levels = zip(*explained.values(), strict=True)
    return {
        "chroma_r2": float(np.mean(r2)),
        "chroma_r2_per_photo": dict(zip(explained, r2, strict=True)),
        "chroma_levels": float(np.mean(levels)),
    }


def _explained(factor: np.ndarray, planes: slice) -> tuple[float, float]:
    """R² and the explained part in levels of 255, means over `planes`; rounding counts as 0."""
    pixels = factor[0, 0] ** 2
    centred = factor[1:, 1:]  # without the constant, the first column
    regressors, residuals = centred[:, :REGRESSORS], centred[:, REGRESSORS:][:, planes]
    spread = np.sqrt(np.square(regressors).sum(axis=0) / pixels)
    scale = np.where(spread < ROUNDING, 0, 1 / np.maximum(spread, ROUNDING))  # a gray photograph has none
    directions, lengths, _ = np.linalg.svd(regressors * scale, full_matrices=False)
    basis = directions[:, lengths > ROUNDING * np.sqrt(pixels)]
    power = np.square(basis.T @ residuals).sum(axis=0) / pixels
    power = np.where(power < ROUNDING**2, 0, power)
    share = power / np.maximum(np.square(residuals).sum(axis=0) / pixels, ROUNDING**2)
    return float(share.mean()), float(255 * np.sqrt(power).mean())


def hues(side: int) -> np.ndarray:
    """Flat patches `(lumas, hues, side, side, 3)` in [0, 1] of `LUMAS` and `HUES` angles in the plane of Cb and Cr.

    The chroma is the largest at which every hue of that luma is inside RGB.
    """
    angle = 2 * np.pi * np.arange(HUES) / HUES
    level = np.array(LUMAS)[:, None]
    chroma = np.minimum(level, 1 - level) / CB_SCALE  # blue is the first to reach 0 or 1
    red, blue = level + CR_SCALE * chroma * np.sin(angle), level + CB_SCALE * chroma * np.cos(angle)
    colour = np.stack([red, (level - RED * red - BLUE * blue) / GREEN, blue], axis=-1)
    return np.broadcast_to(colour[:, :, None, None], (*colour.shape[:2], side, side, 3))


def hue_contrast(convert: Callable[[np.ndarray], np.ndarray], side: int) -> float:
    """How much hue alone changes the gray: standard deviation over `hues` of the output's mean in a flat patch.

    In gray levels of 255, averaged over lumas and channels; outputs are clipped, not rounded. Luma gives 0.
    """
    patches = hues(side)
    outputs = np.clip(convert(patches.reshape(-1, *patches.shape[2:])), 0, 1).reshape(*patches.shape[:4], -1)
    deviation = outputs.mean(axis=(2, 3)).std(axis=1)
    return float(255 * np.where(deviation < ROUNDING, 0, deviation).mean())
