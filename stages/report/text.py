"""Tables as text, with the decimals of their measures, and metrics/results.md, which is made of them.

The page shows the same. Nothing parses either.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stages.evaluate.measures import MEASURES
from stages.report import summary
from stages.report.claims import Claim
from stages.report.collect import Results

PROBES = ("method", *summary.PROBES, "detail_limit")
WHOLE = (
    "Means and 95 % intervals over {} whole photographs, against clean targets. Gaussian and correlated: standard "
    "deviation of the noise in gray levels, 0 is clean; poisson: photons that white has; jpeg: quality. Classical "
    "filters are told how strong the damage to luma is; of the networks those that end in `_told`."
)
DIGITS = 3  # of a measure without decimals of its own
TITLES = {"trainable": "trainable", "parameters": "parameters", "steps": "steps", "macs": "multiply-adds per patch"}


def methods(table: pd.DataFrame) -> pd.DataFrame:
    """The table of all methods under the titles that people read: `summary.methods` → text.

    Further columns, such as those of `contrast`, follow as they are.
    """
    columns: dict[str, Any] = {"method": table["method"], "kind": table["kind"], "latent": texts(table["latent"])}
    for name, measure in MEASURES.items():
        columns[measure.title] = [score(name, value) for value in table[name]]
        if measure.headline:
            short = max((measure.decimals or DIGITS) - 2, 0)
            ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
            columns[f"{measure.title} 95 %"] = [
                "" if pd.isna(low) else f"{low:.{short}f} … {high:.{short}f}" for low, high in ends
            ]
            columns[f"{measure.title} at start"] = [score(name, value) for value in table[f"start_{name}"]]
    columns["dB above codes"] = ["" if pd.isna(value) else f"{value:+.2f}" for value in table["gain"]]
    columns["PSNR over seeds"] = texts(table["seeds"])
    columns["dB of mean MSE"] = [score("psnr", value) for value in table["psnr_of_mean_mse"]]
    columns["identical patches"] = texts(table["identical"])
    for column, title in TITLES.items():
        columns[title] = ["" if pd.isna(value) else f"{value:,}" for value in table[column]]
    after = list(table.columns).index("patches") + 1
    return pd.DataFrame({**columns, **{name: texts(table[name]) for name in table.columns[after:]}}, index=table.index)


def photographs(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """PSNR and SSIM of each method, a column for each photograph or domain: method, photo, domain, measures → text."""
    wide = {
        f"{place} {measure.title}": rows.set_index("method")[name].map(lambda value, name=name: score(name, value))
        for place, rows in table.groupby(by, sort=True)
        for name, measure in MEASURES.items()
        if measure.headline
    }
    return pd.DataFrame(wide).reindex(table["method"].unique()).rename_axis("method").reset_index()


def score(name: str, value: float) -> str:
    """A measure's value as text; what is missing is empty."""
    decimals = MEASURES[name].decimals
    if pd.isna(value):
        return ""
    return f"{value:.{DIGITS}g}" if decimals is None else f"{value:.{decimals}f}"


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table as text, its values as they stand in its file."""
    return pd.DataFrame({name: texts(table[name]) for name in table})


def texts(column: pd.Series) -> list[str]:
    """A column as text; what is missing is empty."""
    return ["" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value) for value in column]


# === metrics/results.md ===


def results(found: Results, claims: list[Claim]) -> str:
    """The whole file: answer, table, verdicts, probes, test sets, conversions."""
    return "\n".join(_lines(found, claims))


def _lines(found: Results, claims: list[Claim]) -> Iterator[str]:
    photographs = found.contrast["photo"].nunique()
    yield from ("# Results", "", "`dvc repro` writes this file. What the columns mean stands on the page,")
    answers = [summary.answer(found.methods, found.studies), summary.under_noise(found.restored, found.variants)]
    yield from ("`data/report/index.html`.", "", f"**{' '.join(filter(None, answers))}**", "")
    yield from (f"Means over {found.methods['patches'].max()} test patches; Student's intervals over photographs.", "")
    yield from as_markdown(methods(found.methods))
    yield from ("", "## Verdicts", "")
    for claim in claims:
        yield from (f"- **{claim.claim}** *{claim.label}.* {claim.sentence}",)
    scenes = summary.scenes(found.studies)
    if len(scenes):
        yield from ("", "## Left-out scenes", "", "Mean differences to yardsticks on the same patches, and 95 %.", "")
        yield from as_markdown(scenes)
    axis = summary.latent_axis(found.studies)
    if len(axis):
        yield from ("", "## Latent size", "", f"PSNR dB of the test patches. {summary.crossing(axis)}", "")
        yield from as_markdown(cells(axis))
    yield from ("", "## Probes", "")
    levels = [name for name in found.probes if summary.NOISE.fullmatch(str(name))]
    yield from as_markdown(cells(found.probes[[*PROBES, *levels]]))
    yield from ("", "## Contrast kept", "", f"Means over {photographs} whole test photographs.", "")
    yield from as_markdown(cells(summary.means(found.contrast, "method")))
    yield from ("", "## Conversions against the target", "")
    yield from as_markdown(cells(summary.means(found.conversions, "conversion")))
    yield from _restored(found.restored)
    for name, test_set in found.test_sets.items():
        yield from ("", f"## Test set {name}", "")
        yield from as_markdown(methods(test_set))
        yield from _restored(found.restored_sets[name])
    yield ""


def _restored(rows: pd.DataFrame) -> Iterator[str]:
    """Tables of damaged photographs, by measure."""
    for measure, found in summary.restored(rows).items():
        yield from ("", f"### Damage undone: {measure}", "", WHOLE.format(rows["photo"].nunique()), "")
        yield from as_markdown(found)


def as_markdown(rows: pd.DataFrame) -> Iterator[str]:
    """A table of text as Markdown; the first column is code."""
    yield f"| {' | '.join(map(str, rows.columns))} |"
    yield f"|---|{'---:|' * (len(rows.columns) - 1)}"
    for first, *rest in rows.itertuples(index=False, name=None):
        yield f"| `{first}` | {' | '.join(rest)} |"
