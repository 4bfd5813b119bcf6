"""The results that git keeps, rounded and stably ordered: the summary, the probes, and means over photographs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd

DECIMALS = {"psnr": 3, "ssim": 5, "nats": 3}  # by the last word of a key
DEFAULT_DECIMALS = 4
HEADLINE = ("psnr", "ssim", "interval")  # what the summary keeps of a method
FACTS = ("latent", "kl_nats", "active_units", "chroma_of_input", "chroma_of_output")
PROBES = ("chroma_r2", "chroma_levels", "isoluma_contrast", "smoothness")
HALF = -3.0  # dB
CLOSED_FORMS = ("luma", "mean_rgb", "green")  # baselines that learn nothing


def build(evaluations: dict[str, Any], variants: list[str], see_gray: Collection[str] = ()) -> dict[str, Any]:
    """Nest evaluations as `variants.<name>.…` and `baselines.<name>.…`, numbers rounded, in the order of `variants`.

    Args:
        evaluations: the facts of `baselines` and of each variant. A variant's evaluation also scores PCA at its latent
            size, which goes to `baselines.pca_<latent>`, and may score read-outs, which go to
            `variants.<name>.read_outs.<read-out>`.
        variants: their names.
        see_gray: those of them whose input is gray, which get `input: gray`: they convert nothing.
    """
    baselines = {name: _row(score) for name, score in evaluations["baselines"]["scores"].items()}
    rows: dict[str, Any] = {}
    pca: dict[int, Any] = {}
    for name in variants:
        evaluation = evaluations[name]
        rows[name] = _row(evaluation["scores"][name])
        rows[name].update({fact: evaluation[fact] for fact in FACTS if fact in evaluation})
        if name in see_gray:
            rows[name]["input"] = "gray"
        for method, score in evaluation["scores"].items():
            if method.startswith("pca_"):
                pca[int(method.removeprefix("pca_"))] = _row(score)
            elif method != name:
                rows[name].setdefault("read_outs", {})[method.removeprefix(f"{name}_")] = _row(score)
    baselines.update({f"pca_{components}": pca[components] for components in sorted(pca)})
    return _rounded({"variants": rows, "baselines": baselines})


def probes(evaluations: dict[str, Any], bands: pd.DataFrame, contrast: pd.DataFrame) -> pd.DataFrame:
    """A row per method, in the order of `evaluations`: what its probes found, and its scores by domain.

    Args:
        evaluations: as for `build`.
        bands: method, low, high (cycles per pixel), relative_error_db.
        contrast: method, photo, domain, and the measures of decolorization.

    Returns:
        method; chroma_r2, chroma_levels, isoluma_contrast, smoothness; detail_limit (cycles per pixel); the measures of
        decolorization, averaged over photographs; then noise_<level>_psnr, …_ssim and …_smoothness, and <domain>_psnr
        and …_ssim.
    """
    rows: dict[str, dict[str, Any]] = {}
    kept = means(contrast, "method").set_index("method")
    for evaluation in evaluations.values():
        for method, score in evaluation["scores"].items():
            found = score["probes"]
            rows[method] = {
                "method": method,
                **{key: found[key] for key in PROBES},
                "detail_limit": detail_limit(bands[bands["method"] == method]),
                **kept.loc[method],
                **{f"noise_{level}_{key}": value for level, at in found["noise"].items() for key, value in at.items()},
                **{f"{name}_{key}": of[key] for name, of in score["domains"].items() for key in ("psnr", "ssim")},
            }
    return _table(rows.values())


def means(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The means over photographs of a table with a row per photograph and `by`, rounded, in the order of `by`."""
    rows = table.drop(columns=["photo", "domain"]).groupby(by, sort=False).mean().reset_index()
    return _table(rows.to_dict("records"))


def rows_of_test_set(found: dict[str, Any], contrast: pd.DataFrame) -> pd.DataFrame:
    """A row per method on a further test set, best first: its scores, an interval, and its means of `contrast`.

    Args:
        found: as `build` gives it for that set.
        contrast: as `means` gives it, by method.
    """
    kept = contrast.set_index("method")
    rows = {**found["baselines"], **found["variants"]}
    for name, row in found["variants"].items():
        rows.update({f"{name}_{read_out}": score for read_out, score in row.get("read_outs", {}).items()})
    return pd.DataFrame(
        {
            "method": method,
            "psnr": row["psnr"],
            "psnr_low": row["interval"]["psnr"]["low"],
            "psnr_high": row["interval"]["psnr"]["high"],
            "ssim": row["ssim"],
            **kept.loc[method],
        }
        for method, row in sorted(rows.items(), key=lambda item: -item[1]["psnr"])
    )


def detail_limit(bands: pd.DataFrame) -> float:
    """The lower edge, in cycles per pixel, of the first band that loses half of its energy; the last edge if none does.

    Args:
        bands: of one method, from low to high: low, high, relative_error_db.
    """
    lost = bands[bands["relative_error_db"] > HALF]
    return float(bands["high"].max() if lost.empty else lost["low"].min())


def _table(rows: Iterable[dict[Any, Any]]) -> pd.DataFrame:
    return pd.DataFrame([{key: _rounded(value, key) for key, value in row.items()} for row in rows])


def _row(score: dict[str, Any]) -> dict[str, Any]:
    return {key: score[key] for key in HEADLINE}


def _rounded(value: Any, key: str = "") -> Any:
    """Numbers with the decimals of their measure: the last part of the key, or that of the section they stand in."""
    if isinstance(value, dict):
        return {name: _rounded(part, key if name in ("low", "high") else name) for name, part in value.items()}
    return round(value, DECIMALS.get(key.split("_")[-1], DEFAULT_DECIMALS)) if isinstance(value, float) else value


def from_colour_to_gray(variants: dict[str, Any]) -> dict[str, Any]:
    """Those rows of the summary's variants that do what the question asks: neither the gray nor the colour controls."""
    return {name: row for name, row in variants.items() if "chroma_of_output" not in row and "input" not in row}


def answer(summary: dict[str, Any]) -> str:
    """One or two sentences that answer the question, worded by the numbers."""
    variants, baselines = summary["variants"], summary["baselines"]
    gray = from_colour_to_gray(variants)
    if not gray:
        return "No variant in this run was trained from colour to gray."
    best = max(gray, key=lambda name: gray[name]["psnr"])
    rival = max(CLOSED_FORMS, key=lambda name: baselines[name]["psnr"])
    row, other = gray[best], baselines[rival]
    sentence = (
        f"The best autoencoder here, {best}, turns unseen colour photographs into gray at {row['psnr']:.1f} dB PSNR "
        f"and {row['ssim']:.4f} SSIM, through {row['latent']} latent numbers. "
    )
    if other["psnr"] > row["psnr"]:
        return sentence + f"The formula {rival}, which needs no learning at all, reaches {other['psnr']:.1f} dB."
    formulae = f"{', '.join(CLOSED_FORMS[:-1])} and {CLOSED_FORMS[-1]}"
    return sentence + f"Of the formulae {formulae} none does better: the best, {rival}, reaches {other['psnr']:.1f} dB."
