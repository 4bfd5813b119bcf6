"""From outputs to tables: a row per test patch; averages over patches, per domain and per photograph; quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from stages.evaluate import measures

MEASURES = tuple(measures.MEASURES)
QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # percent of the test patches
ROUNDING = 1e-9  # of full scale: a smaller difference is float64's own, and none


def per_patch(index: pd.DataFrame, method: str, measured: np.ndarray) -> pd.DataFrame:
    """One row per test patch: method, photo, domain, row, column, and `MEASURES`.

    Args:
        index: the patches' photo, domain, row and column.
        method: its name.
        measured: `(n, measures)` of these patches, as `measure` gives it.
    """
    table = index[["photo", "domain", "row", "column"]].copy()
    table.insert(0, "method", method)
    table[list(MEASURES)] = measured
    return table


def measure(targets: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """Each measure of each patch, `(n, measures)` in the order of `MEASURES`.

    Args:
        targets: `(n, height, width)` in [0, 1].
        compared: `(channels, n, height, width)`, the output's `planes`: each is compared with the gray target, errors
            and SSIM are averaged over channels. PSNR is that of the averaged error.
    """
    columns = [
        measure.after(np.mean([measure.of(targets, plane) for plane in compared], axis=0))
        for measure in measures.MEASURES.values()
    ]
    return np.stack(columns, axis=1)


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
    """Averages of one method's rows: means over patches, `psnr_of_mean_mse`, exact copies; the same per domain.

    `psnr` is the mean of the patches' dB; `psnr_of_mean_mse` the dB of their mean squared error. They differ.
    """
    domains = {str(domain): _averages(rows) for domain, rows in table.groupby("domain", sort=True)}
    return {**_averages(table), "domains": domains}


def by_photograph(table: pd.DataFrame) -> pd.DataFrame:
    """One method's rows averaged per photograph: method, photo, domain, patches, and `MEASURES`."""
    groups = table.groupby(["method", "photo"], sort=True)
    return groups.agg(
        domain=("domain", "first"), patches=("domain", "size"), **{m: (m, "mean") for m in MEASURES}
    ).reset_index()


def quantiles(table: pd.DataFrame) -> pd.DataFrame:
    """How one method's scores are distributed over patches: method, quantile (percent), and `MEASURES`."""
    found = pd.DataFrame(np.percentile(table[list(MEASURES)], QUANTILES, axis=0), columns=list(MEASURES))
    found.insert(0, "method", table["method"].iloc[0])
    found.insert(1, "quantile", QUANTILES)
    return found


def of_metrics(name: str, summary: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The DVC metrics by method: `latent` and the headline measures; of a variant, not of what is scored beside it."""
    methods = {name: summary["scores"][name]} if name in summary["scores"] else summary["scores"]
    latent = {"latent": summary["latent"]} if "latent" in summary else {}
    return {
        method: {**latent, **{key: round(score[key], measures.MEASURES[key].decimals) for key in measures.HEADLINE}}
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
