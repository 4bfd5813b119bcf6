"""Questions to a model beyond its scores: is the latent used, is the output gray, where could gray be read out."""

from __future__ import annotations

import numpy as np

ACTIVE_VARIANCE = 0.01  # of the posterior mean over the data; Burda, Grosse and Salakhutdinov 2016 (arXiv:1509.00519)


def kl_nats(mean: np.ndarray, log_variance: np.ndarray) -> float:
    """Mean over images of KL(N(mean, variance) ‖ N(0, 1)) in nats, from two `(n, latent)`."""
    return float(-0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance), axis=1).mean())


def active_units(mean: np.ndarray) -> int:
    """How many latent dimensions of `(n, latent)` vary with the input: variance of the posterior mean above 0.01."""
    return int((mean.var(axis=0) > ACTIVE_VARIANCE).sum())


class LatentReadOut:
    """The best gray image that a single latent channel holds: enlarged to the patch and fitted by gain and offset.

    Channel, gain and offset are chosen by least squares on validation patches, then applied unchanged.
    """

    def __init__(self, latent: np.ndarray, targets: np.ndarray) -> None:
        """Fit on latents `(n, rows, columns, channels)` and targets `(n, height, width)`."""
        fits = [
            self._fit(_enlarge(latent[..., channel], targets.shape[1]), targets) for channel in range(latent.shape[3])
        ]
        self.channel = int(np.argmin([error for error, _, _ in fits]))
        _, self._gain, self._offset = fits[self.channel]

    def __call__(self, latent: np.ndarray, side: int) -> np.ndarray:
        """Latents `(n, rows, columns, channels)` → gray `(n, side, side)`."""
        return self._gain * _enlarge(latent[..., self.channel], side) + self._offset

    @staticmethod
    def _fit(plane: np.ndarray, targets: np.ndarray) -> tuple[float, float, float]:
        spread = plane.var()
        gain = ((plane - plane.mean()) * (targets - targets.mean())).mean() / spread if spread > 0 else 0.0
        offset = targets.mean() - gain * plane.mean()
        return float(np.square(gain * plane + offset - targets).mean()), float(gain), float(offset)


def _enlarge(planes: np.ndarray, side: int) -> np.ndarray:
    """`(n, rows, columns)` → `(n, side, side)` by repeating values."""
    return planes.repeat(side // planes.shape[1], axis=1).repeat(side // planes.shape[2], axis=2)
