"""Training losses and metrics: functions of two batches `(batch, height, width, channels)` in [0, 1] → `(batch,)`."""

from typing import Any

import numpy as np
from keras import ops

from stages.networks.layers import ROUNDING

PSNR_CAP = 100.0  # dB, of an exact copy
K1, K2 = 0.01, 0.03
VISIBLE = 0.5 / 255**2  # mean squared error of 0.5 gray levels², 51 dB; smaller ones hardly count in `log_visible`
SIGMA, RADIUS = 1.5, 5  # pixels: SSIM's Gaussian window, 11 × 11
SSIM_WEIGHT = 5e-3  # of 1 − SSIM; the mean squared error is 1e-3 at 30 dB


def mse(targets: Any, outputs: Any) -> Any:
    """Mean squared error."""
    return ops.mean(ops.square(targets - outputs), axis=(1, 2, 3))


def mae(targets: Any, outputs: Any) -> Any:
    """Mean absolute error."""
    return ops.mean(ops.abs(targets - outputs), axis=(1, 2, 3))


def log_mse(targets: Any, outputs: Any) -> Any:
    """log10 (mean squared error + `ROUNDING`): a decibel counts the same on every image."""
    return ops.log10(mse(targets, outputs) + ROUNDING)


def log_visible(targets: Any, outputs: Any) -> Any:
    """log10 (mean squared error + `VISIBLE`): like `log_mse`, but an input with little damage does not dominate."""
    return ops.log10(mse(targets, outputs) + VISIBLE)


def mse_ssim(targets: Any, outputs: Any) -> Any:
    """Mean squared error + `SSIM_WEIGHT` · (1 − SSIM); see Zhao et al. 2017 (doi:10.1109/TCI.2016.2644865)."""
    return mse(targets, outputs) + SSIM_WEIGHT * (1 - ssim(targets, outputs))


def ssim(targets: Any, outputs: Any) -> Any:
    """Mean structural similarity as in `stages.evaluate.measures.ssim`; images have at least 11 pixels a side."""
    rows, columns = (ops.convert_to_tensor(_window(side), dtype=outputs.dtype) for side in outputs.shape[1:3])

    def blur(images: Any) -> Any:
        return ops.einsum("ih,bhwc,jw->bijc", rows, images, columns)

    mu_x, mu_y = blur(targets), blur(outputs)
    var_x = blur(ops.square(targets)) - ops.square(mu_x)
    var_y = blur(ops.square(outputs)) - ops.square(mu_y)
    covariance = blur(targets * outputs) - mu_x * mu_y
    c1, c2 = K1**2, K2**2
    luminance = (2 * mu_x * mu_y + c1) / (ops.square(mu_x) + ops.square(mu_y) + c1)
    return ops.mean(luminance * (2 * covariance + c2) / (var_x + var_y + c2), axis=(1, 2, 3))


def _window(side: int) -> np.ndarray:
    """The Gaussian window at every position inside the image, `(side − 10, side)`."""
    distance = np.arange(side)[None] - np.arange(side - 2 * RADIUS)[:, None] - RADIUS
    weights = np.where(np.abs(distance) <= RADIUS, np.exp(-(distance**2) / (2 * SIGMA**2)), 0)
    return weights / weights.sum(axis=1, keepdims=True)


def psnr(targets: Any, outputs: Any) -> Any:
    """Peak signal-to-noise ratio in dB for a peak of 1, at most `PSNR_CAP`; outputs are clipped to [0, 1]."""
    error = ops.maximum(mse(targets, ops.clip(ops.cast(outputs, targets.dtype), 0, 1)), 10 ** (-PSNR_CAP / 10))
    return -10 * ops.log10(error)


LOSSES = {"mse": mse, "mae": mae, "mse_ssim": mse_ssim, "log_mse": log_mse, "log_visible": log_visible}
