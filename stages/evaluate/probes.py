"""Probes of the latent: is it used, and which gray image can be read out of it?"""

import numpy as np

from stages.evaluate.moments import Moments
from stages.evaluate.scores import ROUNDING

ACTIVE_VARIANCE = 0.01  # of the posterior mean over the data; Burda, Grosse and Salakhutdinov 2016 (arXiv:1509.00519)


def kl_nats(mean: np.ndarray, log_variance: np.ndarray) -> np.ndarray:
    """KL(N(mean, variance) ‖ N(0, 1)) in nats, `(n,)`, from mean and log-variance `(n, latent)`."""
    return -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1)


def active_units(means: Moments) -> int:
    """Number of latent dimensions whose posterior mean has a variance above 0.01."""
    return int((np.diag(means.scatter) / means.count > ACTIVE_VARIANCE).sum())


def latent_and_gray(latent: np.ndarray, targets: np.ndarray) -> Moments:
    """Moments of a row per latent cell: its channels and the target's mean in that cell; for `fit_read_out`.

    The latent is `(n, rows, columns, channels)`, targets are `(n, side, side)`.
    """
    patches, rows, columns, channels = latent.shape
    side = targets.shape[1]
    cells = targets.reshape(patches, rows, side // rows, columns, side // columns).mean(axis=(2, 4))
    return Moments.of(np.column_stack([latent.reshape(-1, channels), cells.reshape(-1)]))


def fit_read_out(moments: Moments) -> np.ndarray:
    """The best gray image in a single latent channel: channel, gain and offset, `(3,)`, by least squares."""
    covariance = moments.scatter / moments.count
    spread, common = np.diag(covariance)[:-1], covariance[:-1, -1]
    gains = np.where(spread > ROUNDING**2, common / np.maximum(spread, ROUNDING**2), 0)
    channel = int(np.argmax(gains * common))  # the variance of the target that a channel explains
    return np.array([channel, gains[channel], moments.mean[-1] - gains[channel] * moments.mean[channel]])


def read_out(latent: np.ndarray, fitted: np.ndarray, side: int) -> np.ndarray:
    """Latents `(n, rows, columns, channels)` → gray `(n, side, side)` by the result of `fit_read_out`."""
    channel, gain, offset = fitted
    plane = latent[..., int(channel)]
    return gain * plane.repeat(side // plane.shape[1], axis=1).repeat(side // plane.shape[2], axis=2) + offset
