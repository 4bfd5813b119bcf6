"""Tables as text, for the page and for metrics/results.md, with the decimals of each measure."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from stages.evaluate.measures import HEADLINE, MEASURES
from stages.report import summary
from stages.report.claims import Claim
from stages.report.collect import PEER_OF, Results

PROBES = ("method", *summary.PROBES, "detail_limit")
WHOLE = (
    "Means over {} whole photographs against clean targets, with 95 % intervals. Gaussian and correlated: standard "
    "deviation of the noise in gray levels, 0 is clean. Poisson: photons at white. JPEG: quality. Classical "
    "filters and networks whose name ends in `_told` are told how strong the damage to luma is."
)
BESIDE = (
    "`python -m benchmarks.denoising` measured these {} photographs (metrics/peers.csv): `denoise`, blind, beside "
    "OpenCV's non-local means and BM3D, both of luma and told the true standard deviation of its damage. Means with "
    "95 % intervals."
)
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


# === metrics/results.md ===


def results(found: Results, claims: list[Claim]) -> Iterator[str]:
    """The lines of the file: answer, table, verdicts, probes, test sets, conversions."""
    yield from ("# Results", "", "Written by `dvc repro`. The page, `data/report/index.html`, explains the columns.")
    answers = [summary.answer(found.methods, found.studies), summary.under_noise(found.restored, found.variants)]
    yield from ("", f"**{' '.join(filter(None, answers))}**", "")
    yield f"Means over {found.methods['patches'].max()} test patches, with Student's intervals over photographs."
    yield from as_markdown(methods(found.methods))
    yield from ("", "## Verdicts", "")
    yield from (f"- **{claim.claim}** *{claim.label}.* {claim.sentence}" for claim in claims)
    scenes, axis = summary.scenes(found.studies), summary.latent_axis(found.studies)
    if len(scenes):
        yield from _titled(
            "## Left-out scenes", scenes, "Mean differences from yardsticks on the same patches, with 95 % intervals."
        )
    if len(axis):
        crossing = summary.crossing(axis)
        yield from _titled("## Latent size", cells(axis), f"PSNR dB of the test patches. {crossing}")
    if (found.studies["study"] == "photographs").any():
        told = "PSNR dB of the test patches by number of training photographs, at equal steps."
        yield from _titled("## Training photographs", summary.learning_curve(found.studies), told)
    levels = [name for name in found.probes if summary.NOISE.fullmatch(str(name))]
    yield from _titled("## Probes", cells(found.probes[[*PROBES, *levels]]))
    photographs = found.contrast["photo"].nunique()
    contrast, conversions = (summary.means(found.contrast, "method"), summary.means(found.conversions, "conversion"))
    yield from _titled("## Contrast kept", cells(contrast), f"Means over {photographs} whole test photographs.")
    yield from _titled("## Conversions against the target", cells(conversions))
    yield from _restored(found.restored)
    for name, test_set in found.test_sets.items():
        yield from _titled(f"## Test set {name}", methods(test_set))
        yield from _restored(found.restored_sets[name])
    for name, rows in found.peers.items():
        yield from ("", f"## Beside other programs: {name}", "", BESIDE.format(rows["photo"].nunique()))
        for title, table in summary.beside_peers(rows, PEER_OF).items():
            yield from _titled(f"### {title}", table)
    yield ""


def _restored(rows: pd.DataFrame) -> Iterator[str]:
    """Tables of damaged photographs, by measure."""
    for measure, found in summary.restored(rows).items():
        yield from _titled(f"### Damage undone: {measure}", found, WHOLE.format(rows["photo"].nunique()))


def _titled(title: str, rows: pd.DataFrame, told: str = "") -> Iterator[str]:
    yield from ("", title, *(("", told) if told else ()))
    yield from as_markdown(rows)


def as_markdown(rows: pd.DataFrame) -> Iterator[str]:
    """A table of text as Markdown, below an empty line; the first column is code."""
    yield from ("", f"| {' | '.join(map(str, rows.columns))} |", f"|---|{'---:|' * (len(rows.columns) - 1)}")
    for first, *rest in rows.itertuples(index=False, name=None):
        yield f"| `{first}` | {' | '.join(rest)} |"
