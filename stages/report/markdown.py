"""metrics/results.md: every number and verdict that people read in git. Nothing parses it."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from stages.report import shown, summary
from stages.report.claims import Claim
from stages.report.collect import Results

PROBES = ("method", *summary.PROBES, "detail_limit")
WHOLE = (
    "Means and 95 % intervals over {} whole photographs, against clean targets. Gaussian and correlated: standard "
    "deviation of the noise in gray levels, 0 is clean; poisson: photons that white has; jpeg: quality. Classical "
    "filters are told how strong the damage to luma is, networks are not."
)


def results(found: Results, claims: list[Claim]) -> str:
    """The whole file: answer, table, verdicts, probes, test sets, conversions."""
    return "\n".join(_lines(found, claims))


def _lines(found: Results, claims: list[Claim]) -> Iterator[str]:
    photographs = found.contrast["photo"].nunique()
    yield from ("# Results", "", "`dvc repro` writes this file. What the columns mean stands on the page,")
    answers = [summary.answer(found.methods, found.studies), summary.under_noise(found.restored, found.variants)]
    yield from ("`data/report/index.html`.", "", f"**{' '.join(filter(None, answers))}**", "")
    yield from (f"Means over {found.methods['patches'].max()} test patches; Student's intervals over photographs.", "")
    yield from table(shown.methods(found.methods))
    yield from ("", "## Verdicts", "")
    for claim in claims:
        yield from (f"- **{claim.claim}** *{claim.label}.* {claim.sentence}",)
    scenes = summary.scenes(found.studies)
    if len(scenes):
        yield from ("", "## Left-out scenes", "", "Mean differences to yardsticks on the same patches, and 95 %.", "")
        yield from table(scenes)
    axis = summary.latent_axis(found.studies)
    if len(axis):
        yield from ("", "## Latent size", "", f"PSNR dB of the test patches. {summary.crossing(axis)}", "")
        yield from table(shown.cells(axis))
    yield from ("", "## Probes", "")
    levels = [name for name in found.probes if summary.NOISE.fullmatch(str(name))]
    yield from table(shown.cells(found.probes[[*PROBES, *levels]]))
    yield from ("", "## Contrast kept", "", f"Means over {photographs} whole test photographs.", "")
    yield from table(shown.cells(summary.means(found.contrast, "method")))
    yield from ("", "## Conversions against the target", "")
    yield from table(shown.cells(summary.means(found.conversions, "conversion")))
    yield from _restored(found.restored)
    for name, methods in found.test_sets.items():
        yield from ("", f"## Test set {name}", "")
        yield from table(shown.methods(methods))
        yield from _restored(found.restored_sets[name])
    yield ""


def _restored(rows: pd.DataFrame) -> Iterator[str]:
    """Tables of damaged photographs, by measure."""
    for measure, found in summary.restored(rows).items():
        yield from ("", f"### Damage undone: {measure}", "", WHOLE.format(rows["photo"].nunique()), "")
        yield from table(found)


def table(rows: pd.DataFrame) -> Iterator[str]:
    """A table of text as Markdown; the first column is code."""
    yield f"| {' | '.join(map(str, rows.columns))} |"
    yield f"|---|{'---:|' * (len(rows.columns) - 1)}"
    for first, *rest in rows.itertuples(index=False, name=None):
        yield f"| `{first}` | {' | '.join(rest)} |"
