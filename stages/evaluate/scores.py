"""From outputs to tables: a row per test patch, and their averages over all patches, per photograph and per domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.evaluate import measures

MEASURES = ("psnr", "ssim", "mse", "mae")
ROUNDING = 1e-9  # of full scale: a smaller difference is float64's own, and none


def per_patch(index: pd.DataFrame, method: str, measured: np.ndarray) -> pd.DataFrame:
    """One row per test patch: method, photo, domain, row, column, psnr (dB), ssim, mse, mae.

    Args:
        index: the patches' photo, domain, row and column.
        method: its name.
        measured: `(n, 4)` of these patches, as `measure` gives it.
    """
    table = index[["photo", "domain", "row", "column"]].copy()
    table.insert(0, "method", method)
    table[list(MEASURES)] = measured
    return table


def measure(targets: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """PSNR (dB), SSIM, MSE and MAE of each patch, `(n, 4)` in the order of `MEASURES`.

    Args:
        targets: `(n, height, width)` in [0, 1].
        compared: `(channels, n, height, width)`, the output's `planes`: each is compared with the gray target, errors
            and SSIM are averaged over channels.
    """
    mse = np.mean([measures.mse(targets, plane) for plane in compared], axis=0)
    mae = np.mean([measures.mae(targets, plane) for plane in compared], axis=0)
    ssim = np.mean([measures.ssim(targets, plane) for plane in compared], axis=0)
    return np.stack([measures.decibels(mse), ssim, mse, mae], axis=1)


def planes(targets: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Outputs as they are compared with `(n, height, width)` targets: `(channels, n, height, width)` in [0, 1].

    Args:
        targets: `(n, height, width)` in [0, 1].
        outputs: `(n, height, width)`, one channel, or `(n, height, width, channels)`; clipped to [0, 1], and exact
            where they differ from the targets by less than `ROUNDING`.
    """
    outputs = np.clip(outputs, 0, 1)
    channels = np.moveaxis(outputs, 3, 0) if outputs.ndim == 4 else outputs[None]
    return np.where(np.abs(channels - targets) < ROUNDING, targets, channels)


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """Averages of one method's rows: means over patches, `psnr_of_mean_mse`, exact copies; per domain and photograph.

    `psnr` is the mean of the patches' dB; `psnr_of_mean_mse` the dB of their mean squared error. They differ.
    """
    return {
        **_averages(table),
        "domains": {str(domain): _averages(rows) for domain, rows in table.groupby("domain", sort=True)},
        "photos": {str(photo): _averages(rows) for photo, rows in table.groupby("photo", sort=True)},
    }


def of_metrics(name: str, summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """What DVC shows as metrics, by method: `latent` of a variant, PSNR (dB) and SSIM; of a variant itself alone."""
    methods = {name: summary["scores"][name]} if name in summary["scores"] else summary["scores"]
    latent = {"latent": summary["latent"]} if "latent" in summary else {}
    return {
        method: {**latent, "psnr": round(score["psnr"], 3), "ssim": round(score["ssim"], 5)}
        for method, score in methods.items()
    }


def _averages(rows: pd.DataFrame) -> dict[str, Any]:
    means = {measure: float(rows[measure].mean()) for measure in MEASURES}
    return {
        **means,
        "psnr_of_mean_mse": float(measures.decibels(np.asarray(means["mse"]))),
        "patches": len(rows),
        "exact": int((rows["psnr"] >= measures.PSNR_CAP).sum()),
    }
