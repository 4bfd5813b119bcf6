"""Training losses and metrics: pure functions of a batch, one number per image."""

from __future__ import annotations

from typing import Any

from keras import ops

PSNR_CAP = 100.0  # dB; what an exact copy scores


def mse(targets: Any, outputs: Any) -> Any:
    """Mean squared error: two `(batch, height, width, channels)` in [0, 1] → `(batch,)`."""
    return ops.mean(ops.square(targets - outputs), axis=(1, 2, 3))


def mae(targets: Any, outputs: Any) -> Any:
    """Mean absolute error: two `(batch, height, width, channels)` in [0, 1] → `(batch,)`."""
    return ops.mean(ops.abs(targets - outputs), axis=(1, 2, 3))


def psnr(targets: Any, outputs: Any) -> Any:
    """Peak signal-to-noise ratio in dB for a peak of 1, outputs clipped to [0, 1]: → `(batch,)`, at most `PSNR_CAP`."""
    error = ops.maximum(mse(targets, ops.clip(outputs, 0, 1)), 10 ** (-PSNR_CAP / 10))
    return -10 * ops.log10(error)


LOSSES = {"mse": mse, "mae": mae}
