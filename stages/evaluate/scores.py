"""From outputs to tables: a row per test patch; averages over patches, per domain and per photograph; quantiles."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from stages.evaluate import measures

MEASURES = tuple(measures.MEASURES)
QUANTILES = (0, 5, 25, 50, 75, 95, 100)  # percent of the test patches
RESTORED = ("kind", "level", "method", "photo", "domain", *measures.HEADLINE)  # what damage leaves of a photograph
BAND = "error_db_from_"  # columns: error relative to the target in the band from so many cycles per pixel
RISK = 0.05  # that an interval misses
ROUNDING = 1e-9  # of full scale: a smaller difference is float64's own, and none


@dataclass(frozen=True)
class Interval:
    """Student's 95 % interval of a mean (Student 1908, Biometrika 6:1): mean ± t · error.

    Patches of one photograph are alike, so photographs, or scenes, are what is drawn at random, and each counts alike.
    Percentiles of resamples hold 75 %, not 95 % of the time with three photographs.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: pd.Series, share: int = 1) -> Self:
        """Of the mean of at least two values, NaN left out; `share`: how many intervals decide together."""
        values = values.dropna().astype(float)
        return cls.about(values.mean(), values.sem(), len(values) - 1, share)

    @classmethod
    def about(cls, mean: float, error: float, freedom: int, share: int = 1) -> Self:
        """Of a mean with a standard error; Bonferroni where several intervals share the risk."""
        reach = stdtrit(freedom, 1 - RISK / 2 / share) * error
        return cls(float(mean), float(mean - reach), float(mean + reach))

    def text(self, form: str = "+z.1f", unit: str = " dB") -> str:
        """Such as `+0.4 dB (−0.1 … +0.9)`."""
        return f"{self.mean:{form}}{unit} ({self.low:{form}} … {self.high:{form}})"


def per_patch(index: pd.DataFrame, method: str, measured: np.ndarray) -> pd.DataFrame:
    """A row per test patch of `index`: method, photo, domain, row, column, and `MEASURES` as `measure` gives them."""
    table = index[["photo", "domain", "row", "column"]].copy()
    table.insert(0, "method", method)
    table[list(MEASURES)] = measured
    return table


def measure(targets: np.ndarray, compared: np.ndarray) -> np.ndarray:
    """Each measure of each patch, `(n, measures)` in the order of `MEASURES`.

    Targets are `(n, height, width)` in [0, 1], `compared` the output's `planes`, `(channels, n, height, width)`: each
    is compared with the gray target, errors and SSIM are averaged over channels. PSNR is that of the averaged error,
    and NaN where there is none.
    """
    columns = [
        measure.after(np.mean([measure.of(targets, plane) for plane in compared], axis=0))
        for measure in measures.MEASURES.values()
    ]
    return np.stack(columns, axis=1)


def planes(outputs: np.ndarray) -> np.ndarray:
    """Outputs as they are compared with targets: `(channels, n, height, width)`, 8-bit levels as fractions.

    Outputs `(n, height, width)` or `(n, height, width, channels)` are clipped to [0, 1] and rounded like the targets.
    """
    rounded = np.rint(255 * np.clip(outputs, 0, 1)) / 255
    return np.moveaxis(rounded, 3, 0) if rounded.ndim == 4 else rounded[None]


def summarise(table: pd.DataFrame) -> dict[str, Any]:
    """`averages` of one method's rows and how many `patches` they are; the same per domain."""

    def of(rows: pd.DataFrame) -> dict[str, Any]:
        return {**averages(rows[list(MEASURES)].to_numpy()), "patches": len(rows)}

    return {**of(table), "domains": {str(domain): of(rows) for domain, rows in table.groupby("domain", sort=True)}}


def averages(measured: np.ndarray) -> dict[str, Any]:
    """Means over patches of `(n, measures)`, as `measure` gives them; None for what is not finite.

    `psnr` is the mean dB of the patches that are not identical with their target, of which there are `identical`;
    `psnr_of_mean_mse` is the dB of the mean squared error of all. They differ.
    """
    table = pd.DataFrame(measured, columns=list(MEASURES))
    means = {**table.mean(), "psnr_of_mean_mse": measures.decibels(table["mse"].mean())}
    found = {name: float(mean) if np.isfinite(mean) else None for name, mean in means.items()}
    return {**found, "identical": int(table["psnr"].isna().sum())}


def by_photograph(table: pd.DataFrame) -> pd.DataFrame:
    """One method's rows averaged per photograph: method, photo, domain, patches, and `MEASURES`.

    PSNR is that of the patches that are not identical with their target, NaN if all are.
    """
    groups = table.groupby(["method", "photo"], sort=True)
    return groups.agg(
        domain=("domain", "first"), patches=("domain", "size"), **{m: (m, "mean") for m in MEASURES}
    ).reset_index()


def quantiles(table: pd.DataFrame) -> pd.DataFrame:
    """How one method's scores are distributed over patches: method, quantile (percent), and `MEASURES`.

    PSNR: over the patches that are not identical with their target.
    """
    found = table[list(MEASURES)].quantile(np.array(QUANTILES) / 100).reset_index(drop=True)
    found.insert(0, "method", table["method"].iloc[0])
    found.insert(1, "quantile", QUANTILES)
    return found


def of_metrics(name: str, summary: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """The DVC metrics by method: the headline measures; of a variant, `latent` and its PSNR at the start, too."""

    def kept(score: dict[str, Any], key: str) -> float | None:
        return None if score[key] is None else round(score[key], measures.MEASURES[key].decimals)

    if name not in summary["scores"]:
        return {method: {key: kept(of, key) for key in measures.HEADLINE} for method, of in summary["scores"].items()}
    found = {key: kept(summary["scores"][name], key) for key in measures.HEADLINE}
    return {name: {"latent": summary["latent"], **found, "start_psnr": kept(summary["start"], "psnr")}}
