"""The text of the page and of metrics/results.md: sections, and tables with the decimals of each measure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd

from stages.evaluate.measures import HEADLINE, MEASURES
from stages.report import summary
from stages.report.claims import Claim
from stages.report.collect import PEER_OF, Results

# What stands above the tables of each section.
SCENES = "Means, and mean differences from yardsticks on the same patches, with 95 % intervals."
STUDIES = (
    "`make study` runs them. Runs on other patches, or of code or settings that give a variant another score than the "
    "first table, are left out. Defaults were chosen by the validation columns; the test columns are evidence. "
    "`val_psnr` is that of validation. Runs of left-out scenes, and further columns, are in `metrics/studies.csv`."
)
PROBES = (
    "`chroma_r2`: the share of the error's variance that a regression on the input's chroma (Cb, Cr, their squares and "
    "product) explains, averaged over photographs. `chroma_levels`: the size of that part, in gray levels of 255. "
    "`chroma_excess`: that size less that of a cosine transform of the target, which sees no colour, with the same "
    "error. `hue_contrast`: standard deviation over hues, in gray levels, of the mean output on flat patches of one "
    "luma; 0 for a perfect conversion. `smoothness`: total variation of the output relative to the target's. "
    "`smoothness_reference`: that of a cosine transform with the same error, which shows the effect of blur alone. "
    "`detail_limit`: the spatial frequency, in cycles per pixel, from which half of the detail's energy is lost; "
    "0.7071 if none is. `noise_…_psnr`: dB of noisy patches against clean targets."
)
CONTRAST = (
    "How much of the colour's contrast is kept in gray, by Lu, Xu and Jia 2014, without a target; the target itself is "
    "a method here. `ccpr`: of the pixel pairs that differ in colour (CIELAB), the share that also differ in gray, so "
    "contrast that is kept. `ccfr`: of the pairs that differ in gray, the share that also differ in colour, so "
    "contrast that is not invented. `e`: the harmonic mean of both. Means over the thresholds 1 … 15 and over {} whole "
    "test photographs; 1 is best. `neighbours`: each pixel with those to its right and below, to show lost edges. "
    "`random`: pairs from anywhere, to show lost regions. `whole_psnr` (dB), `whole_ssim`: against the target."
)
CONVERSIONS = (
    "Each conversion against the target (`{}`), on whole test photographs, and the contrast that it keeps. All are "
    "rounded to 8 bits, like the target."
)
DAMAGED = (
    "Means over {} whole photographs against clean targets, with 95 % intervals. Gaussian and correlated: standard "
    "deviation of the noise in gray levels, 0 is clean. Poisson: photons at white. JPEG: quality. Classical "
    "filters and networks whose name ends in `_told` are told how strong the damage to luma is."
)
PEERS = (
    "`python -m benchmarks.denoising` measured these {} photographs (`metrics/peers.csv`): `denoise`, blind, beside "
    "OpenCV's non-local means and BM3D, both of luma and told the true standard deviation of its damage. Means with "
    "95 % intervals."
)
OF_RUNS = ["run", "latent", "photographs", "psnr", "val_psnr", "ssim", "noise_psnr"]  # columns
FORMS = {name: ".3g" if measure.decimals is None else f".{measure.decimals}f" for name, measure in MEASURES.items()}
TITLES = {"trainable": "trainable", "parameters": "parameters", "steps": "steps", "macs": "multiply-adds per patch"}


def methods(table: pd.DataFrame) -> pd.DataFrame:
    """`summary.methods` as text under readable titles.

    Further columns, such as those of `contrast`, follow.
    """
    columns: dict[str, Any] = {"method": table["method"], "kind": table["kind"], "latent": texts(table["latent"])}
    for name, measure in MEASURES.items():
        columns[measure.title] = texts(table[name], FORMS[name])
        if measure.decimals and measure.headline:
            ends = (texts(table[f"{name}_{end}"], f".{measure.decimals - 2}f") for end in ("low", "high"))
            columns[f"{measure.title} 95 %"] = [low and f"{low} … {high}" for low, high in zip(*ends, strict=True)]
            columns[f"{measure.title} at start"] = texts(table[f"start_{name}"], FORMS[name])
    columns["dB above codes"] = texts(table["gain"], "+.2f")
    columns["PSNR over seeds"] = texts(table["seeds"])
    columns["dB of mean MSE"] = texts(table["psnr_of_mean_mse"], FORMS["psnr"])
    columns["identical patches"] = texts(table["identical"])
    columns |= {title: texts(table[column], ",") for column, title in TITLES.items()}
    after = list(table.columns).index("patches") + 1
    return pd.DataFrame({**columns, **{name: texts(table[name]) for name in table.columns[after:]}}, index=table.index)


def domains(evaluations: dict[str, Any]) -> pd.DataFrame:
    """PSNR and SSIM as text, a row per method, two columns per domain."""
    rows: dict[str, dict[str, str]] = {}
    for evaluation in evaluations.values():
        for method, score in evaluation["scores"].items():
            rows[method] = {"method": method} | {
                f"{domain} {MEASURES[name].title}": texts(pd.Series([found[name]]), FORMS[name])[0]
                for domain, found in sorted(score["domains"].items())
                for name in HEADLINE
            }
    return pd.DataFrame(list(rows.values()))


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table as text, with the values of its file."""
    return pd.DataFrame({name: texts(table[name]) for name in table})


def texts(column: pd.Series, form: str = "") -> list[str]:
    """A column as text, floats in six digits where no form is given; what is missing is empty."""
    return [
        "" if pd.isna(value) else f"{value:{form or 'g'}}" if isinstance(value, float) else f"{value:{form}}"
        for value in column
    ]


# === Below the verdicts ===


class Section(NamedTuple):
    """Tables of text by title, "" for a single one, with their explanation, in which names stand in backticks."""

    title: str
    told: str
    tables: dict[str, pd.DataFrame]


def sections(found: Results) -> Iterator[Section]:
    """What the page and metrics/results.md show below the verdicts."""
    studies = found.studies
    scenes, axis, runs = summary.scenes(studies), summary.latent_axis(studies), studies[studies["study"] != "scenes"]
    if len(scenes):
        yield Section("Left-out scenes", SCENES, {"": scenes})
    if len(axis):
        yield Section("Latent size", f"PSNR dB of the test patches. {summary.crossing(axis)}", {"": cells(axis)})
    if (studies["study"] == "photographs").any():
        told = "PSNR dB of the test patches by number of training photographs, at equal steps."
        yield Section("Training photographs", told, {"": summary.learning_curve(studies)})
    if len(runs):
        yield Section("Studies: variants trained again with one thing changed", STUDIES, {"": cells(runs[OF_RUNS])})
    told = "The scores of each photograph are in `data/evaluations/*/photographs.csv`."
    yield Section("PSNR and SSIM by domain", told, {"": domains(found.evaluations)})
    probes = [name for name in found.probes if not str(name).endswith("_ssim")]
    yield Section("Probes: colour that leaks, detail that is lost", PROBES, {"": cells(found.probes[probes])})
    told = CONTRAST.format(found.contrast["photo"].nunique())
    yield Section("Contrast kept", told, {"": cells(summary.means(found.contrast, "method"))})
    told = CONVERSIONS.format(found.evaluations["baselines"]["targets"]["conversion"])
    yield Section("Conversions", told, {"": cells(summary.means(found.conversions, "conversion"))})
    yield _restored("Damage undone", found.restored)
    for name, test_set in found.test_sets.items():
        told = f"`test_sets.{name}` in params.yaml: scores of patches, then the contrast kept in whole photographs."
        yield Section(f"Test set {name}", told, {"": methods(test_set)})
        yield _restored(f"Test set {name}: damage undone", found.restored_sets[name])
    for name, rows in found.peers.items():
        told = PEERS.format(rows["photo"].nunique())
        yield Section(f"Beside other programs: {name}", told, summary.beside_peers(rows, PEER_OF))


def _restored(title: str, rows: pd.DataFrame) -> Section:
    return Section(title, DAMAGED.format(rows["photo"].nunique()), summary.restored(rows))


# === metrics/results.md ===


def answer(found: Results) -> str:
    """The answer to the question, for clean and for noisy photographs."""
    answers = summary.answer(found.methods, found.studies), summary.under_noise(found.restored, found.variants)
    return " ".join(filter(None, answers))


def results(found: Results, claims: list[Claim]) -> Iterator[str]:
    """The lines of the file: answer, table, verdicts, sections."""
    yield from ("# Results", "", "Written by `dvc repro`. `data/report/index.html` explains the first table.", "")
    yield from (f"**{answer(found)}**", "")
    yield f"Means over {found.methods['patches'].max()} test patches, with Student's intervals over photographs."
    yield from as_markdown(methods(found.methods))
    yield from ("", "## Verdicts", "")
    yield from (f"- **{claim.claim}** *{claim.label}.* {claim.sentence}" for claim in claims)
    for section in sections(found):
        yield from ("", f"## {section.title}", "", section.told)
        for title, table in section.tables.items():
            yield from ("", f"### {title}") if title else ()
            yield from as_markdown(table)
    yield ""


def as_markdown(rows: pd.DataFrame) -> Iterator[str]:
    """A table of text as Markdown, below an empty line; the first column is code."""
    yield from ("", f"| {' | '.join(map(str, rows.columns))} |", f"|---|{'---:|' * (len(rows.columns) - 1)}")
    for first, *rest in rows.itertuples(index=False, name=None):
        yield f"| `{first}` | {' | '.join(rest)} |"
