"""`python -m tools.compare main`: which scores differ from another revision's by more than chance, as Markdown.

PSNR and SSIM are compared patch by patch. The sample is photographs, not patches: patches of one photograph are alike,
and so are their differences.
"""

import argparse
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from grayscale.reading.names import shown
from stages.common.artifacts import DIGITS, ArtifactError, write_text
from stages.evaluate.measures import HEADLINE, MEASURES
from tools.revisions import EVALUATIONS, Revision, UnavailableError

ERROR = 0.05  # chance that a comparison without any true difference gives a verdict
RELATIVE, ABSOLUTE = 10.0 ** (1 - DIGITS), 1e-12  # tolerances: rounding is no difference
SETS = f"{EVALUATIONS}test_sets/"
# Scores are compared only if these dependencies and params of the evaluation, or those below them, are the same.
MEASURED_WITH = ("data/pairs/test", "data/test_sets/", "stages/evaluate", "stages/targets", "evaluate", "targets")
METHOD, PATCH = ["test_set", "method"], ["photo", "row", "column"]  # test_set is '' for the test photographs
HEADER = ("score", "old", "new", "difference", "95 %", "verdict")
LEGEND = (
    "Differences are means over photographs, each weighted equally, of the same patches in both revisions. 95 %: the "
    "row's own paired confidence interval over photographs. Verdicts are corrected for all rows together (Holm): where "
    "nothing truly differs, at most 5 in 100 comparisons give any. “No difference” means none that these photographs "
    "can show. “No spread”: the differences of all photographs are equal to within rounding. Another seed may make a "
    "difference, too: `make study`. `git diff --stat` and `dvc params diff` show what changed."
)


@dataclass
class Row:
    """A score that differs between the revisions."""

    test_set: str
    method: str
    measure: str
    old: float  # mean over photographs
    new: float
    photographs: int
    p: float  # of this row alone; 1, and the 95 % interval NaN, where the spread over photographs is unknown
    low: float
    high: float
    verdict: str = "no difference"  # or better or worse, of all rows together

    @property
    def name(self) -> str:
        return code(self.method) + (f" on {code(self.test_set)}" if self.test_set else "") + f" {self.measure}"


@dataclass
class Comparison:
    """What differs between two revisions."""

    old: str  # title of the revision
    new: str
    refused: dict[str, list[str]] = field(default_factory=dict)  # what differs of `MEASURED_WITH` → evaluations
    unpaired: list[str] = field(default_factory=list)  # evaluations and methods that only one revision has
    rows: list[Row] = field(default_factory=list)  # scores that changed, in the order of their tables
    missing: str = ""  # why no scores could be compared, and what to do


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("old", help="commit, branch or tag to compare with")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write to a file, for a pull request")
    arguments = parser.parse_args()
    try:
        text = markdown(compare(Revision(arguments.old), Revision()))
    except ArtifactError as error:
        raise SystemExit(f"compare: {error}") from None
    if arguments.markdown:
        write_text(arguments.markdown, text)
    print(text)


def compare(old: Revision, new: Revision) -> Comparison:
    """Compare the recorded results of two revisions of the repository in the working directory."""
    result = Comparison(old.title, new.title)
    before, after = old.evaluations(), new.evaluations()
    result.unpaired = [folder.removeprefix(EVALUATIONS) for folder in sorted(before.keys() ^ after.keys())]
    changed = [folder for folder in before if folder in after and before[folder]["outs"] != after[folder]["outs"]]
    comparable = []
    for folder in changed:
        if reasons := ", ".join(differing(before[folder], after[folder])):
            result.refused.setdefault(reasons, []).append(folder.removeprefix(EVALUATIONS))
        else:
            comparable.append(folder)
    try:
        sides = [scores(revision, comparable) for revision in (old, new)]
    except UnavailableError as error:
        result.missing = str(error)
        return result
    here, there = ({*side.index.get_level_values("method")} for side in sides)
    result.unpaired += sorted(here ^ there)
    result.rows = judged(*sides)
    return result


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Which of `MEASURED_WITH` differ between two entries of dvc.lock."""
    old, new = (
        {dep["path"]: dep["md5"] for dep in entry.get("deps", [])} | entry.get("params", {}).get("params.yaml", {})
        for entry in (before, after)
    )
    return [name for name in {**old, **new} if name.startswith(MEASURED_WITH) and old.get(name) != new.get(name)]


def scores(revision: Revision, folders: list[str]) -> pd.DataFrame:
    """PSNR and SSIM of every patch in the folders of evaluations, indexed by `METHOD` and `PATCH`."""
    tables = [pd.DataFrame(columns=[*METHOD, *PATCH, *HEADLINE])]
    for folder in folders:
        test_set = folder.removeprefix(SETS) if folder.startswith(SETS) else ""
        tables.append(revision.table(f"{folder}/scores.csv").assign(test_set=test_set))
    together = pd.concat(tables).drop_duplicates([*METHOD, *PATCH])  # PCA is in several folders
    return together.set_index([*METHOD, *PATCH])[[*HEADLINE]].astype(float)


def judged(old: pd.DataFrame, new: pd.DataFrame) -> list[Row]:
    """A row for each of the `scores` that differs, with verdicts on all together."""
    both = pd.concat({"old": old, "new": new}, axis="columns", join="inner")
    rows = []
    for (test_set, method), patches in both.groupby(level=METHOD, sort=False):
        for measure in HEADLINE:
            pair = patches.xs(measure, axis="columns", level=1).dropna()  # a patch equal to its target has no PSNR
            if np.allclose(pair["old"], pair["new"], RELATIVE, ABSOLUTE):
                continue
            means = pair.groupby(level="photo").mean()
            p, low, high = students_t(means["new"] - means["old"], RELATIVE * means.abs().max(axis=None))
            before, after = means["old"].mean(), means["new"].mean()
            rows.append(Row(test_set, method, measure, before, after, len(means), p, low, high))
    for row, differs in zip(rows, holm(np.array([row.p for row in rows])), strict=True):
        if differs:
            row.verdict = "better" if (row.new > row.old) == MEASURES[row.measure].more_is_better else "worse"
    return rows


def students_t(differences: pd.Series, rounding: float) -> tuple[float, float, float]:
    """p and 95 % interval of the mean of the differences of photographs, by Student's t-test.

    It is the bootstrap over photographs corrected for few of them (Hesterberg 2015, What Teachers Should Know About the
    Bootstrap, sections 3.2 and 4.5); percentiles of resamples of three photographs are far too narrow.

    p is 1 and the interval NaN where the spread over photographs is unknown: with one photograph, or where the
    differences are equal to within `rounding`. Else a rounding step that two photographs share would be certain.
    """
    if len(differences) == 1 or differences.std() <= rounding:
        return 1.0, np.nan, np.nan
    result = stats.ttest_1samp(differences, 0)
    low, high = result.confidence_interval(1 - ERROR)
    return float(result.pvalue), float(low), float(high)


def holm(p: np.ndarray) -> np.ndarray:
    """Which of m differences with p-values `(m,)` are significant, `(m,)` bool.

    Holm's step-down procedure (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal
    of Statistics 6): the chance of any false positive is at most `ERROR`, however the measures are correlated.
    """
    order = np.argsort(p, kind="stable")
    significant = np.empty(len(p), bool)
    significant[order] = np.logical_and.accumulate(p[order] <= ERROR / np.arange(len(p), 0, -1))
    return significant


def markdown(comparison: Comparison) -> str:
    """The result in a few sentences and a table."""
    lines = [f"{code(comparison.old)} → {code(comparison.new)}", "", sentences(comparison), ""]
    return "\n".join([*lines, *table(comparison.rows), "", LEGEND, ""] if comparison.rows else lines)


def sentences(comparison: Comparison) -> str:
    """The result in a few sentences."""
    rows, parts = comparison.rows, []
    if comparison.missing:
        parts.append(f"No scores were compared: not all are available here. {code(comparison.missing)}.")
    for reasons, evaluations in comparison.refused.items():
        parts.append(f"Not compared, because {code(reasons)} changed: {', '.join(map(code, evaluations))}.")
    if comparison.unpaired:
        parts.append(f"Only in one of the two: {', '.join(map(code, comparison.unpaired))}.")
    for verdict in ("better", "worse"):
        if names := [row.name for row in rows if row.verdict == verdict]:
            parts.append(f"{verdict.capitalize()}: {', '.join(names)}.")
    if undecided := sum(row.verdict == "no difference" for row in rows):
        parts.append(f"No difference that these photographs can show: {undecided} of {len(rows)} scores that changed.")
    if any(row.photographs == 1 for row in rows):
        parts.append("A single photograph says nothing about others.")
    if not (rows or comparison.refused or comparison.missing):
        parts.append("Every PSNR and SSIM that both have is the same.")
    return " ".join(parts)


def table(rows: list[Row]) -> list[str]:
    """The lines of a Markdown table with aligned columns."""
    lines = [HEADER, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return [f"| {' | '.join(map(str.ljust, line, widths))} |" for line in lines]


def cells(row: Row) -> tuple[str, ...]:
    """The text of a row under `HEADER`."""
    unknown = "one photograph" if row.photographs == 1 else "no spread"
    interval = unknown if np.isnan(row.low) else f"{row.low:+.2g} … {row.high:+.2g}"
    return row.name, f"{row.old:.5g}", f"{row.new:.5g}", f"{row.new - row.old:+.3g}", interval, row.verdict


def code(text: str) -> str:
    """Text as code in one line of Markdown. All names pass here: a pull request may put markup into them."""
    line = shown(" ".join(text.split())).replace("|", "¦")  # | ends a cell of a table, even in code
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


if __name__ == "__main__":
    main()
