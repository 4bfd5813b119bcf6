"""Probes of outputs, beside codes of the target with the same error, and of latents.

Any blur is smooth, and any error of luma correlates somewhat with chroma. Only the excess over the radial DCT code of
the target that has the same mean squared error counts.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.fft import dctn

from stages.evaluate import baselines, measures, scores
from stages.evaluate.chunks import Moments
from stages.evaluate.scores import BAND, ROUNDING

EDGES = np.array([*(step / 16 for step in range(8)), np.sqrt(0.5)])  # cycles per pixel; √½ is a checkerboard
FLOOR = -100.0  # dB
COLUMNS = tuple(f"{BAND}{low:.4g}" for low in EDGES[:-1])  # of a table with a column per band
ACTIVE_VARIANCE = 0.01  # of the posterior mean over the data; Burda, Grosse and Salakhutdinov 2016 (arXiv:1509.00519)


# === Outputs ===


def sums(targets: np.ndarray, outputs: Iterable[np.ndarray], codes: np.ndarray) -> dict[str, Any]:
    """Sums over patches of what the probes of outputs need.

    `error` `(outputs, bands)`, `detail` `(bands,)`, `variation` `(outputs,)`, `target_variation` `()`, and of the codes
    `reference_mse` and `reference_variation` `(sizes,)`.

    Args:
        targets: `(n, side, side)` in [0, 1].
        outputs: `scores.planes` of each method.
        codes: `codes_of(targets)`.
    """
    outputs = list(outputs)
    return {
        "error": np.array([np.mean([energies(plane - targets) for plane in planes], axis=0) for planes in outputs]),
        "detail": energies(targets),
        "variation": np.array([variation(planes) for planes in outputs]),
        "target_variation": variation(targets[None]),
        "reference_mse": np.array([measures.mse(targets, plane).sum() for plane in codes]),
        "reference_variation": np.array([variation(plane[None]) for plane in codes]),
    }


def energies(images: np.ndarray) -> np.ndarray:
    """Sum of squares of the orthonormal 2-D DCT-II of all `(n, side, side)` by band, `(bands,)`, without the means."""
    power = np.square(dctn(images, type=2, norm="ortho", axes=(1, 2))).sum(axis=0)
    power[0, 0] = 0
    u, v = np.indices(power.shape)
    band = np.searchsorted(EDGES, np.sqrt(u * u + v * v) / (2 * len(power)), side="right") - 1
    return np.bincount(band.reshape(-1), weights=power.reshape(-1), minlength=len(EDGES) - 1)


def bands(method: str, error: np.ndarray, target: np.ndarray, pixels: int) -> pd.DataFrame:
    """One row per band: method, low and high (cycles per pixel, low ≤ f < high), relative_error_db (dB, at least −100).

    `error` and `target` are `energies` of the residuals, averaged over channels, and of the targets, which have
    `pixels` pixels. 0 dB: the band is lost. The targets' energy counts as at least that of rounding.
    """
    ratio = error / np.maximum(target, pixels * ROUNDING**2)
    decibels = 10 * np.log10(np.maximum(ratio, 10 ** (FLOOR / 10)))
    return pd.DataFrame({"method": method, "low": EDGES[:-1], "high": EDGES[1:], "relative_error_db": decibels})


def variation(planes: np.ndarray) -> float:
    """Total variation of `(channels, n, side, side)`: the mean over channels of the sum over patches."""
    return float(np.mean([measures.total_variation(plane).sum() for plane in planes]))


def smoothness(outputs: float, targets: float) -> float:
    """Total variation of the outputs relative to the targets, both means over patches; below 1 is smoother."""
    return 0.0 if outputs < ROUNDING else outputs / max(targets, ROUNDING)


# === The code of equal error ===


def codes_of(targets: np.ndarray) -> np.ndarray:
    """`scores.planes` of radial DCT codes of targets `(n, side, side)`: `(sizes, n, side, side)`.

    The sizes are the powers of two below the number of pixels.
    """
    pixels = targets[0].size
    sizes = [2**power for power in range(pixels.bit_length()) if 2**power < pixels]
    return np.concatenate([scores.planes(baselines.dct(targets, size, radial=True)) for size in sizes])


def at_error(mse: float, errors: np.ndarray, values: np.ndarray, exact: float) -> float:
    """The value at mean squared error `mse`, interpolated over the root mean squared errors of the codes.

    `errors` and `values` `(sizes,)` belong to the codes, `exact` to a code without error.
    """
    order = np.argsort(errors, kind="stable")
    return float(np.interp(np.sqrt(mse), np.sqrt([0, *errors[order]]), [exact, *values[order]]))


# === Latents: are they used, and which gray image can be read out of them? ===


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
