"""Tables of methods, probes, damaged photographs and studies; and the answer, in sentences."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from stages.evaluate.measures import HEADLINE, MEASURES
from stages.evaluate.scores import BAND, Interval
from stages.report.claims import CODES

DECIMALS = {name: MEASURES[name].decimals for name in HEADLINE}  # by the last word of a column
DEFAULT_DECIMALS = 4
WORK = ("trainable", "parameters", "steps", "macs")  # what training and the network take
COUNTS = ("latent", *WORK, "identical", "patches")
PROBES = ("chroma_r2", "chroma_levels", "chroma_excess", "hue_contrast", "smoothness", "smoothness_reference")
RESTORED = {"psnr": ".2f", "ssim": ".3f"}  # measures of damaged photographs, and how they are written
HALF = -3.0  # dB
ENOUGH_SEEDS = 3
CLOSED_FORMS = ("luma", "mean_rgb", "green")  # baselines that learn nothing
CODED = tuple(f"{code}_" for code in CODES)
NUMBERS = (
    "start_psnr", "start_ssim", "gain", "psnr", "psnr_low", "psnr_high", "ssim_low", "ssim_high", "psnr_of_mean_mse",
)  # fmt: skip
FILTERS = ("tv", "nl_means", "wavelet", "sliding_dct")  # classical, see `stages.evaluate.baselines`
SPECTRUM = "Error beside the target in dB, by spatial frequency from … cycles per pixel, at {kind} {level}"
AUTOENCODER, READ_OUT, BASELINE = "autoencoder", "read-out", "baseline"


def methods(evaluations: dict[str, Any], training: dict[str, Any], over_seeds: dict[str, str]) -> pd.DataFrame:
    """A row per method, smallest mean squared error first, indexed by method.

    Columns: method, kind; for autoencoders latent, input, target, seeds (`over_seeds`), start_psnr and start_ssim
    before the first step, gain in PSNR over the best code of the same size, trainable, parameters, steps, macs; the
    measures, headline ones also with `_low` and `_high`; psnr_of_mean_mse, identical, patches. Values that a
    method does not have are missing.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, evaluation in evaluations.items():
        codes = [score["psnr"] for method, score in evaluation["scores"].items() if method.startswith(CODED)]
        for method, score in evaluation["scores"].items():
            kind = AUTOENCODER if method == name else READ_OUT if method.startswith(f"{name}_") else BASELINE
            row: dict[str, Any] = {"method": method, "kind": kind}
            if kind == AUTOENCODER:
                recipe = training[name]["recipe"]
                row |= {"latent": evaluation["latent"], **{key: training[name][key] for key in WORK}}
                row |= {"input": recipe["input"], "target": recipe["target"], "seeds": over_seeds.get(name)}
                row |= {f"start_{key}": _decimals(key, value) for key, value in evaluation.get("start", {}).items()}
                row["gain"] = _decimals("psnr", score["psnr"] - max(codes)) if codes else None
            for key in MEASURES:
                row[key] = _decimals(key, score[key])
                if key in HEADLINE:
                    ends = score["interval"][key] or {}
                    row |= {f"{key}_{end}": _decimals(key, ends.get(end)) for end in ("low", "high")}
            rows.setdefault(method, row | {key: score[key] for key in ("psnr_of_mean_mse", "identical", "patches")})
    columns = ["method", "kind", "latent", "input", "target", "seeds", "start_psnr", "start_ssim", "gain", *WORK]
    table = pd.DataFrame(list(rows.values()))
    table = table.reindex(columns=[*columns, *(key for key in table if key not in columns)])
    table = table.astype({**dict.fromkeys(COUNTS, "Int64"), **dict.fromkeys(NUMBERS, float)})
    return table.sort_values("mse", kind="stable").set_index("method", drop=False)


def _decimals(key: str, value: float | None) -> float | None:
    decimals = MEASURES[key].decimals
    return value if value is None or decimals is None else round(value, decimals)


def from_colour_to_gray(table: pd.DataFrame) -> pd.DataFrame:
    """The autoencoders from colour to gray, without the gray and the colour controls."""
    return table[(table["kind"] == AUTOENCODER) & (table["input"] == "colour") & (table["target"] == "gray")]


def probes(evaluations: dict[str, Any], bands: pd.DataFrame) -> pd.DataFrame:
    """A row per method, in the order of `evaluations`.

    Columns: method; `PROBES`; detail_limit (cycles per pixel), from `bands`; noise_<kind>_<level>_psnr and …_ssim.
    """
    rows: dict[str, dict[str, Any]] = {}
    for evaluation in evaluations.values():
        for method, score in evaluation["scores"].items():
            found = score["probes"]
            rows[method] = {
                "method": method,
                **{key: found[key] for key in PROBES},
                "detail_limit": detail_limit(bands[bands["method"] == method]),
                **{f"noise_{level}_{key}": value for level, at in found["noise"].items() for key, value in at.items()},
            }
    return _rounded(pd.DataFrame(list(rows.values())))


def means(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The means over photographs of a table with a row per photograph and `by`, rounded, in the order of `by`."""
    return _rounded(table.drop(columns=["photo", "domain"]).groupby(by, sort=False).mean().reset_index())


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    for name in table.select_dtypes(float):
        decimals = DECIMALS.get(name.split("_")[-1], DEFAULT_DECIMALS)
        table[name] = [round(value, decimals) for value in table[name]]  # pandas rounds other ties up
    return table


def restored(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Scores of damaged photographs by headline measure: text, a row per method, a column per damage.

    Means over photographs, with Student's 95 % interval from two on. An identical photograph has no PSNR and does not
    count in its mean. The last table is the error by spatial frequency, for the noise with which it was measured.
    """
    tables = {MEASURES[measure].title: _by_damage(rows, measure, form) for measure, form in RESTORED.items()}
    bands = [name for name in rows if str(name).startswith(BAND)]
    for (kind, level), group in rows.dropna(subset=bands).groupby(["kind", "level"]) if bands else ():
        means = group.groupby("method", sort=False)[bands].mean().map("{:.1f}".format)
        means.columns = [name.removeprefix(BAND) for name in bands]
        tables[SPECTRUM.format(kind=kind, level=level)] = means.reset_index()
    return tables


def beside_peers(rows: pd.DataFrame, variant: str) -> dict[str, pd.DataFrame]:
    """Tables of `restored`, then the mean gain of `variant` over each peer on the same photographs, and the speeds."""
    both = rows.merge(rows[rows["method"] == variant], "left", ["kind", "level", "photo"], suffixes=("", "_ours"))
    gains = both.assign(**{measure: both[f"{measure}_ours"] - both[measure] for measure in RESTORED})
    gains = gains[gains["method"] != variant]
    rates = rows.groupby("method", sort=False)["rate"].mean().map("{:.3g}".format).rename("megapixels").reset_index()
    told = {
        f"{MEASURES[name].title} of {variant} less the method's": _by_damage(gains, name, f"+z{form}")
        for name, form in RESTORED.items()
    }
    return {**restored(rows), **told, "Megapixels per CPU second": rates}


def _by_damage(rows: pd.DataFrame, measure: str, form: str) -> pd.DataFrame:
    """Text: a row per method, a column per damage, means of a measure over photographs with Student's 95 % interval."""
    cells: dict[str, dict[str, str]] = {}
    for (method, kind, level), group in rows.groupby(["method", "kind", "level"], sort=False):
        cells.setdefault(str(method), {})[f"{kind} {level}"] = _mean(group[measure], form)
    return pd.DataFrame.from_dict(cells, orient="index").fillna("").rename_axis("method").reset_index()


def detail_limit(bands: pd.DataFrame) -> float:
    """The lower edge (cycles per pixel) of the first band that loses half of its energy, or the end of the last."""
    lost = bands[bands["relative_error_db"] > HALF]
    return float(bands["high"].max() if lost.empty else lost["low"].min())


def distributions(quantiles: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of the headline measures, a row per measure and method: measure, method, and p5, p25, …"""
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


def scenes(studies: pd.DataFrame) -> pd.DataFrame:
    """The study of left-out scenes as text, a row per variant: scores, and differences from yardsticks."""
    rows = []
    for variant, runs in studies[studies["study"] == "scenes"].groupby("variant", sort=False):
        row = {"variant": variant, "latent": f"{runs['latent'].iloc[0]:.0f}", "scenes": str(len(runs))}
        row |= {"PSNR dB": f"{runs['psnr'].mean():.2f}", "SSIM": f"{runs['ssim'].mean():.4f}"}
        row |= {f"− {title} dB": _mean(runs["psnr"] - runs[f"{code}_psnr"], "+z.2f") for code, title in CODES.items()}
        rows.append({**row, "− luma SSIM": _mean(runs["ssim"] - runs["luma_ssim"], "+z.3f")})
    return pd.DataFrame(rows)


def _mean(values: pd.Series, form: str) -> str:
    """The mean of what is not missing, with its interval from two values on."""
    values = values.dropna()
    return Interval.of(values).text(form, "") if len(values) > 1 else "".join(f"{value:{form}}" for value in values)


def learning_curve(studies: pd.DataFrame) -> pd.DataFrame:
    """PSNR (dB) by number of training photographs as text, a row per variant: of clean patches, then under noise."""
    learned = studies.loc[studies["study"] == "photographs", "variant"].unique()
    runs = studies[(studies["study"] == "photographs") | studies["run"].isin([f"seeds_{name}_1" for name in learned])]
    wide = runs.pivot_table(index="variant", columns="photographs", values=["psnr", "noise_psnr"]).reindex(learned)
    columns = {
        f"{count:.0f}{told}": wide[measure, count].map("{:.2f}".format, na_action="ignore").fillna("")
        for measure, told in {"psnr": "", "noise_psnr": ", noise of 25"}.items()
        for count in sorted(runs["photographs"].unique())
    }
    return pd.DataFrame(columns).rename_axis("variant").reset_index()


def latent_axis(studies: pd.DataFrame) -> pd.DataFrame:
    """PSNR (dB) by latent size: latent, a column for each variant of the study, then those of `CODES`, ascending.

    A code has the same score beside every variant: all are fitted and scored on the same patches.
    """
    learned = studies.loc[studies["study"] == "latent", "variant"].unique()
    runs = studies[(studies["study"] == "latent") | studies["run"].isin([f"seeds_{variant}_1" for variant in learned])]
    if runs.empty:
        return pd.DataFrame()
    wide = runs.pivot_table(index="latent", columns="variant", values="psnr").reindex(columns=learned)
    codes = runs.groupby("latent")[[f"{code}_psnr" for code in CODES]].first().set_axis(list(CODES), axis=1)
    return wide.join(codes).rename_axis(columns=None).reset_index()


def crossing(axis: pd.DataFrame) -> str:
    """A sentence: at which latent sizes each variant is above every fixed code, and at which below."""
    told = []
    for variant in axis.columns.drop(["latent", *CODES]):
        gain = axis[variant] - axis[list(CODES)].max(axis=1)
        sizes = axis["latent"].map("{:.0f}".format)
        parts = {"above": sizes[gain > 0], "below": sizes[gain < 0]}
        sides = [f"{side} it at {', '.join(found)}" for side, found in parts.items() if len(found)]
        told.append(f"{variant} is {' and '.join(sides)}")
    return f"Beside the best fixed code of as many numbers, {'; '.join(told)}; one seed each."


def answer(table: pd.DataFrame, studies: pd.DataFrame) -> str:
    """The answer to the question, from the numbers of `methods` and of left-out scenes."""
    gray = from_colour_to_gray(table)
    if gray.empty:
        return "No variant in this run was trained from colour to gray."
    best, formula = gray.iloc[0], table[table["method"].isin(CLOSED_FORMS)].iloc[0]
    does = "does it as well or better" if formula["mse"] <= best["mse"] else "does not do it as well"
    first = (
        f"An autoencoder can learn to turn colour photographs into gray: {best['method']}, the best here, gets "
        f"{best['exact']:.1%} of the pixels of unseen photographs exactly right (SSIM {best['ssim']:.4f}). The formula "
        f"{formula['method']}, which learns nothing, {does} ({formula['exact']:.1%}, {formula['ssim']:.4f})."
    )
    better = gray[gray["gain"] > 0]
    if better.empty:
        return f"{first} Learning is not worth it here: no network is above the best fixed code of as many numbers."
    row = better.loc[better["gain"].idxmax()]
    runs = studies[(studies["study"] == "scenes") & (studies["variant"] == row["method"])]
    told = ""
    if len(runs) > 1:
        gains = runs["psnr"] - runs[[f"{code}_psnr" for code in CODES]].max(axis=1)
        told = f", and {Interval.of(gains).text('+z.2f')} over {len(runs)} left-out scenes"
    return (
        f"{first} Learning is worth it where the code must be small: with {row['latent']} numbers per patch, "
        f"{row['method']} is {row['gain']:.2f} dB above the best fixed code of that size on the test patches{told}."
    )


def under_noise(rows: pd.DataFrame, variants: Iterable[str]) -> str:
    """A sentence about noisy photographs, from the rows of `restored`; "" if no variant was trained for them."""
    rows = rows[(rows["kind"] == "gaussian") & (rows["level"] > 0)]
    learned = [name for name in variants if name in set(rows["method"])]
    if not learned:
        return ""
    means = rows.groupby(["level", "method"])["psnr"].mean().unstack()
    best = means[learned].mean().idxmax()
    filters = means[[name for name in FILTERS if name in means]]
    told = "; ".join(
        f"with noise of {level} gray levels, {best} has {row[best]:.1f} dB ({row[f'{best}_start']:.1f} before its "
        f"first step), luma {row['luma']:.1f}, the best filter, {filters.loc[level].idxmax()}, "
        f"{filters.loc[level].max():.1f}"
        for level, row in means.iterrows()
        if level in (means.index.min(), means.index[len(means) // 2], means.index.max())
    )
    return (
        f"On noisy photographs, {best} estimates the noise, and classical filters are told its true strength: {told}."
    )
