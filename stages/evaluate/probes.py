"""Questions to a model beyond its scores: is the latent used, is the output gray, where could gray be read out."""

from __future__ import annotations

import numpy as np

from stages.evaluate.moments import Moments
from stages.evaluate.scores import ROUNDING

ACTIVE_VARIANCE = 0.01  # of the posterior mean over the data; Burda, Grosse and Salakhutdinov 2016 (arXiv:1509.00519)


def kl_nats(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """KL(N(mean, variance) ‖ N(0, 1)) of each image in nats, `(n,)`, from two `(n, latent)`."""
    return -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1)


def active_units(means: Moments) -> int:
    """How many latent dimensions vary with the input: variance of the posterior mean above 0.01."""
    return int((np.diag(means.scatter) / means.count > ACTIVE_VARIANCE).sum())


def latent_and_gray(latent: np.ndarray, targets: np.ndarray) -> Moments:
    """Of the channels of a latent and the target's mean behind each of its cells, a row per cell; for `fit_read_out`.

    Args:
        latent: `(n, rows, columns, channels)`.
        targets: `(n, side, side)`.
    """
    patches, rows, columns, channels = latent.shape
    side = targets.shape[1]
    cells = targets.reshape(patches, rows, side // rows, columns, side // columns).mean(axis=(2, 4))
    return Moments.of(np.column_stack([latent.reshape(-1, channels), cells.reshape(-1)]))


def fit_read_out(moments: Moments) -> np.ndarray:
    """The best gray image that a single latent channel holds: enlarged to the patch and fitted by gain and offset.

    All three are chosen by least squares on validation patches. What a cell can't tell of its pixels is an error of
    every channel alike, so that the target's mean in the cell is all that the choice needs.

    Args:
        moments: `latent_and_gray` of the validation patches.

    Returns:
        Channel, gain and offset: `(3,)`.
    """
    covariance = moments.scatter / moments.count
    spread, common = np.diag(covariance)[:-1], covariance[:-1, -1]
    gains = np.where(spread > ROUNDING**2, common / np.maximum(spread, ROUNDING**2), 0)
    channel = int(np.argmax(gains * common))  # the variance of the target that each channel explains
    return np.array([channel, gains[channel], moments.mean[-1] - gains[channel] * moments.mean[channel]])


def read_out(latent: np.ndarray, fitted: np.ndarray, side: int) -> np.ndarray:
    """Latents `(n, rows, columns, channels)` → gray `(n, side, side)`, as `fit_read_out` found it."""
    channel, gain, offset = fitted
    return gain * _enlarge(latent[..., int(channel)], side) + offset


def _enlarge(planes: np.ndarray, side: int) -> np.ndarray:
    """`(n, rows, columns)` → `(n, side, side)` by repeating values."""
    return planes.repeat(side // planes.shape[1], axis=1).repeat(side // planes.shape[2], axis=2)
