"""Tables of scores: per patch, averages over patches, domains and photographs, quantiles, intervals."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from stages.evaluate import measures

MEASURES = tuple(measures.MEASURES)
QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # percent of the test patches
RESTORED = ("kind", "level", "method", "photo", "domain", *measures.HEADLINE)  # columns for damaged photographs
BAND = "error_db_from_"  # prefix of columns: relative error in the band from that number of cycles per pixel
RISK = 0.05  # that an interval misses
ROUNDING = 1e-9  # of full scale; smaller differences are rounding errors of float64


@dataclass(frozen=True)
class Interval:
    """Student's 95 % interval of a mean over photographs or scenes (Student 1908, Biometrika 6:1): mean ± t · error.

    With three photographs, a bootstrap interval covers the mean in 75 % of cases instead of 95 %.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: pd.Series, share: int = 1) -> Self:
        """The interval of at least two values without NaN; `share`: the number of intervals that share the risk."""
        values = values.dropna().astype(float)
        return cls.about(values.mean(), values.sem(), len(values) - 1, share)

    @classmethod
    def about(cls, mean: float, error: float, freedom: int, share: int = 1) -> Self:
        """The interval of a mean with a standard error; Bonferroni's correction for `share` intervals."""
        reach = stdtrit(freedom, 1 - RISK / 2 / share) * error
        return cls(float(mean), float(mean - reach), float(mean + reach))

    def text(self, form: str = "+z.1f", unit: str = " dB") -> str:
        """For example `+0.4 dB (−0.1 … +0.9)`."""
        return f"{self.mean:{form}}{unit} ({self.low:{form}} … {self.high:{form}})"


def per_patch(index: pd.DataFrame, method: str, measured: np.ndarray) -> pd.DataFrame:
    """A row per test patch of `index`: method, photo, domain, row, column, and `MEASURES`, the result of `measure`."""
    table = index[["photo", "domain", "row", "column"]].copy()
    table.insert(0, "method", method)
    table[list(MEASURES)] = measured
    return table


def measure(targets: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """`MEASURES` of each patch, `(n, measures)`, as means over channels; PSNR is that of the mean squared error.

    Targets are `(n, height, width)` in [0, 1], `compared` is `planes` of the outputs.
    """
    columns = [
        measure.after(np.mean([measure.of(targets, plane) for plane in compared], axis=0))
        for measure in measures.MEASURES.values()
    ]
    return np.stack(columns, axis=1)


def planes(outputs: np.ndarray) -> np.ndarray:
    """Outputs `(n, height, width)` or `(n, height, width, channels)` → `(channels, n, height, width)`.

    They are clipped to [0, 1] and rounded to 8 bits, like the targets.
    """
    rounded = np.rint(255 * np.clip(outputs, 0, 1)) / 255
    return np.moveaxis(rounded, 3, 0) if rounded.ndim == 4 else rounded[None]


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """`averages` and number of `patches` of one method's rows; the same by domain."""

    def of(rows: pd.DataFrame) -> dict[str, Any]:
        return {**averages(rows[list(MEASURES)].to_numpy()), "patches": len(rows)}

    return {**of(table), "domains": {str(domain): of(rows) for domain, rows in table.groupby("domain", sort=True)}}


def averages(measured: np.ndarray) -> dict[str, Any]:
    """Means over patches of `(n, measures)`, see `measure`; None if not finite.

    `psnr` is the mean over patches that differ from their target, `psnr_of_mean_mse` the PSNR of the mean squared error
    of all patches, `identical` the number of patches that equal their target.
    """
    table = pd.DataFrame(measured, columns=list(MEASURES))
    means = {**table.mean(), "psnr_of_mean_mse": measures.decibels(table["mse"].mean())}
    found = {name: float(mean) if np.isfinite(mean) else None for name, mean in means.items()}
    return {**found, "identical": int(table["psnr"].isna().sum())}


def by_photograph(table: pd.DataFrame) -> pd.DataFrame:
    """Means of one method's rows by photograph: method, photo, domain, patches, `MEASURES` (PSNR: see `averages`)."""
    groups = table.groupby(["method", "photo"], sort=True)
    return groups.agg(
        domain=("domain", "first"), patches=("domain", "size"), **{m: (m, "mean") for m in MEASURES}
    ).reset_index()


def quantiles(table: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of one method's rows: method, quantile (percent), and `MEASURES` (PSNR: see `averages`)."""
    found = table[list(MEASURES)].quantile(np.array(QUANTILES) / 100).reset_index(drop=True)
    found.insert(0, "method", table["method"].iloc[0])
    found.insert(1, "quantile", QUANTILES)
    return found


def of_metrics(name: str, summary: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """The DVC metrics by method: the headline measures; of a variant also `latent` and the PSNR before training."""

    def kept(score: dict[str, Any], key: str) -> float | None:
        return None if score[key] is None else round(score[key], measures.MEASURES[key].decimals)

    if name not in summary["scores"]:
        scores = summary["scores"].items()
        return {method: {key: kept(score, key) for key in measures.HEADLINE} for method, score in scores}
    found = {key: kept(summary["scores"][name], key) for key in measures.HEADLINE}
    return {name: {"latent": summary["latent"], **found, "start_psnr": kept(summary["start"], "psnr")}}
