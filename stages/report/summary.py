"""Tables of methods and probes from the results of evaluations, means over photographs, and the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from stages.evaluate.measures import HEADLINE, MEASURES

DECIMALS = {**{name: MEASURES[name].decimals for name in HEADLINE}, "nats": 3}  # by the last word of a column
DEFAULT_DECIMALS = 4
FACTS = ("latent", "kl_nats", "active_units", "chroma_of_input", "chroma_of_output")
COUNTS = ("latent", "parameters", "patches_seen", "active_units", "exact", "patches")
PROBES = ("chroma_r2", "chroma_levels", "isoluma_contrast", "smoothness")
HALF = -3.0  # dB
ENOUGH_SEEDS = 3
CLOSED_FORMS = ("luma", "mean_rgb", "green")  # baselines that learn nothing
AUTOENCODER, READ_OUT, BASELINE = "autoencoder", "read-out", "baseline"


def methods(evaluations: dict[str, Any], training: dict[str, Any], over_seeds: dict[str, str]) -> pd.DataFrame:
    """A row per method, best PSNR first.

    Args:
        evaluations: the facts of `baselines` and of each variant; PCA stands in several of them.
        training: by variant, the facts that training left.
        over_seeds: by variant, the text of `seeds`.

    Returns:
        Indexed by method: method, kind, stage; of autoencoders latent, parameters, patches_seen, input, target, seeds
        and what their probes found; the measures, the headline ones with `_low` and `_high`; psnr_of_mean_mse, exact,
        patches. What a method does not have is missing.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, evaluation in evaluations.items():
        for method, score in evaluation["scores"].items():
            kind = AUTOENCODER if method == name else READ_OUT if method.startswith(f"{name}_") else BASELINE
            row = {"method": method, "kind": kind, "stage": f"evaluate@{name}" if name in training else name}
            if kind == AUTOENCODER:
                facts, recipe = training[name], training[name]["recipe"]
                row |= {key: evaluation.get(key) for key in FACTS}
                row |= {"parameters": facts["parameters"], "patches_seen": facts["patches_seen"]}
                row |= {"input": recipe["input"], "target": recipe["target"], "seeds": over_seeds.get(name)}
            for key, measure in MEASURES.items():
                row[key] = score[key] if measure.decimals is None else round(score[key], measure.decimals)
                if measure.headline:
                    ends = score["interval"][key]
                    row |= {f"{key}_{end}": round(ends[end], measure.decimals or 0) for end in ("low", "high")}
            rows.setdefault(method, row | {key: score[key] for key in ("psnr_of_mean_mse", "exact", "patches")})
    columns = ["method", "kind", "stage", *FACTS, "parameters", "patches_seen", "input", "target", "seeds"]
    table = pd.DataFrame(list(rows.values()))
    table = table.reindex(columns=[*columns, *(key for key in table if key not in columns)])
    table = table.astype(dict.fromkeys(COUNTS, "Int64"))
    return table.sort_values("psnr", ascending=False, kind="stable").set_index("method", drop=False)


def from_colour_to_gray(table: pd.DataFrame) -> pd.DataFrame:
    """Those methods that do what the question asks: autoencoders, neither the gray nor the colour controls."""
    return table[(table["kind"] == AUTOENCODER) & (table["input"] == "colour") & (table["target"] == "gray")]


def probes(evaluations: dict[str, Any], bands: pd.DataFrame, contrast: pd.DataFrame) -> pd.DataFrame:
    """A row per method, in the order of `evaluations`: what its probes found, and its scores by domain.

    Args:
        evaluations: as for `methods`.
        bands: method, low, high (cycles per pixel), relative_error_db.
        contrast: method, photo, domain, and the measures of decolorization.

    Returns:
        method; chroma_r2, chroma_levels, isoluma_contrast, smoothness; detail_limit (cycles per pixel); the measures of
        decolorization, averaged over photographs; then noise_<level>_psnr, …_ssim and …_smoothness, and <domain>_psnr
        and …_ssim.
    """
    rows: dict[str, dict[str, Any]] = {}
    contrast = means(contrast, "method").set_index("method")
    for evaluation in evaluations.values():
        for method, score in evaluation["scores"].items():
            found = score["probes"]
            rows[method] = {
                "method": method,
                **{key: found[key] for key in PROBES},
                "detail_limit": detail_limit(bands[bands["method"] == method]),
                **contrast.loc[method],
                **{f"noise_{level}_{key}": value for level, at in found["noise"].items() for key, value in at.items()},
                **{f"{name}_{key}": of[key] for name, of in score["domains"].items() for key in HEADLINE},
            }
    return _rounded(rows.values())


def means(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The means over photographs of a table with a row per photograph and `by`, rounded, in the order of `by`."""
    rows = table.drop(columns=["photo", "domain"]).groupby(by, sort=False).mean().reset_index()
    return _rounded(rows.to_dict("records"))


def detail_limit(bands: pd.DataFrame) -> float:
    """The lower edge, in cycles per pixel, of the first band that loses half of its energy; the last edge if none does.

    Args:
        bands: of one method, from low to high: low, high, relative_error_db.
    """
    lost = bands[bands["relative_error_db"] > HALF]
    return float(bands["high"].max() if lost.empty else lost["low"].min())


def distributions(quantiles: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of the headline measures, a row per measure and method: measure, method, and p5, p25, …

    Args:
        quantiles: method, quantile (percent), and the measures.
    """
    tables = []
    for measure in HEADLINE:
        wide = quantiles.pivot_table(index="method", columns="quantile", values=measure, sort=False)
        wide = wide.rename(columns="p{}".format).rename_axis(columns=None)
        tables.append(wide.reset_index().assign(measure=MEASURES[measure].title))
    return pd.concat(tables, ignore_index=True)


def seeds(studies: pd.DataFrame) -> dict[str, str]:
    """Variant → mean ± standard deviation of the test PSNR (dB) over its seeds, where there are at least three."""
    return {
        str(variant): f"{psnr.mean():.2f} ± {psnr.std():.2f}"
        for variant, psnr in studies[studies["study"] == "seeds"].groupby("variant")["psnr"]
        if len(psnr) >= ENOUGH_SEEDS
    }


def answer(table: pd.DataFrame) -> str:
    """One or two sentences that answer the question, worded by the numbers of `methods`."""
    gray = from_colour_to_gray(table)
    if gray.empty:
        return "No variant in this run was trained from colour to gray."
    row, other = gray.iloc[0], table[table["method"].isin(CLOSED_FORMS)].iloc[0]
    sentence = (
        f"The best autoencoder here, {row['method']}, turns unseen colour photographs into gray at {row['psnr']:.1f} "
        f"dB PSNR and {row['ssim']:.4f} SSIM, through {row['latent']} latent numbers. "
    )
    rival = f"{other['psnr']:.1f} dB"
    if other["psnr"] > row["psnr"]:
        return sentence + f"The formula {other['method']}, which needs no learning at all, reaches {rival}."
    formulae = f"{', '.join(CLOSED_FORMS[:-1])} and {CLOSED_FORMS[-1]}"
    return sentence + f"Of the formulae {formulae} none does better: the best, {other['method']}, reaches {rival}."


def _rounded(rows: Iterable[dict[Any, Any]]) -> pd.DataFrame:
    def rounded(key: str, value: Any) -> Any:
        decimals = DECIMALS.get(key.split("_")[-1], DEFAULT_DECIMALS)
        return round(value, decimals) if isinstance(value, float) else value

    return pd.DataFrame([{key: rounded(str(key), value) for key, value in row.items()} for row in rows])
