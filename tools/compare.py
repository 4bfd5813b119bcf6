"""`python -m tools.compare main`: which scores differ from another revision's, as Markdown."""

import argparse
import re
from pathlib import Path

import numpy as np

from grayscale.reading.names import shown
from stages.common.artifacts import ArtifactError, write_text
from stages.evaluate.measures import HEADLINE
from tools.comparison import Comparison, Row, compare
from tools.revisions import Revision

MOST = 12  # names in a sentence
UNITS = {"psnr": " dB", "whole_psnr": " dB"}
HEADER = ("method", "measure", "old", "new", "difference", "95 %", "verdict", "over seeds")
WORDS = ("method", "measure", "verdict")  # columns aligned to the left
LEGEND = (
    "Differences are means over photographs, each weighted equally, of the same patches in both revisions. 95 %: the "
    "row's own paired confidence interval over photographs. Verdicts are corrected for all rows together (Holm): where "
    "nothing truly differs, at most 5 in 100 comparisons give any. “No difference” means none that this test set can "
    "show. “No spread”: the differences of all photographs are equal to within rounding. “Noise”: another seed might "
    "make this difference. `git diff --stat` and `dvc params diff` show what changed."
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("old", help="commit, branch or tag to compare with")
    parser.add_argument("--to", metavar="REV", help="compare this revision instead of the workspace")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write to a file, for a pull request")
    arguments = parser.parse_args()
    try:
        text = markdown(compare(Revision(arguments.old), Revision(arguments.to)))
    except ArtifactError as error:
        raise SystemExit(f"compare: {error}") from None
    if arguments.markdown:
        write_text(arguments.markdown, text)
    print(text)


def markdown(comparison: Comparison) -> str:
    """The result in a few sentences, the rows that matter, and everything else folded."""
    important = [row for row in comparison.rows if row.verdict != "none" or row.measure in HEADLINE]
    others = [row for row in comparison.rows if row not in important]
    folded = {f"{len(others)} more scores that changed": table(others)} if others else {}
    folded |= {"Not compared": [f"- {code(reason)}" for reason in comparison.unpaired]} if comparison.unpaired else {}
    lines = [f"{code(comparison.old)} → {code(comparison.new)}", "", sentences(comparison), ""]
    lines += [*table(important), ""] if important else []
    lines += [LEGEND, ""] if comparison.rows else []
    for title, body in folded.items():
        lines += [f"<details><summary>{title}</summary>", "", *body, "", "</details>", ""]
    return "\n".join(lines)


def sentences(comparison: Comparison) -> str:
    """The result in a few sentences."""
    parts = (
        [f"No scores were compared: not all are available here. {code(comparison.missing)}"]
        if comparison.missing
        else []
    )
    if comparison.stale:
        parts.append(f"The results of the workspace are not current ({listed(comparison.stale)}): run `make repro`.")
    for reasons, evaluations in comparison.refused.items():
        parts.append(f"Not compared, because {code(reasons)} changed: {listed(evaluations)}.")
    for verdict in ("better", "worse"):
        rows = [row for row in comparison.rows if row.verdict == verdict]
        more = f" and {len(rows) - MOST} more" if len(rows) > MOST else ""
        parts += [f"{verdict.capitalize()}: {', '.join(map(named, rows[:MOST]))}{more}."] if rows else []
    if undecided := sum(row.verdict == "none" for row in comparison.rows):
        rest = "all" if undecided == len(comparison.rows) else "the other"
        only = f"{rest} {undecided} scores that changed" if undecided > 1 else "one score that changed"
        parts.append(f"No difference that this test set can show: {only}.")
    if any(row.photographs == 1 for row in comparison.rows):
        parts.append("A single photograph says nothing about others.")
    if comparison.unpaired:
        parts.append(f"Evaluations, tables, methods or measures that can't be compared: {len(comparison.unpaired)}.")
    if not (comparison.rows or comparison.refused or comparison.missing):
        every = "Every other score is the same." if comparison.unpaired else "Every score is the same."
        parts.append(every if comparison.same else "There is no score that both have.")
    return " ".join(parts)


def table(rows: list[Row]) -> list[str]:
    """The lines of a Markdown table with aligned columns."""
    columns = []
    for head, *column in zip(HEADER, *map(cells, rows), strict=True):
        width = max(map(len, (head, *column)))
        if head in WORDS:
            columns.append([head.ljust(width), "-" * width, *(cell.ljust(width) for cell in column)])
        else:
            columns.append([head.rjust(width), "-" * (width - 1) + ":", *(cell.rjust(width) for cell in column)])
    return [f"| {' | '.join(line)} |" for line in zip(*columns, strict=True)]


def cells(row: Row) -> list[str]:
    """The text of a row under `HEADER`."""
    unknown = "one photograph" if row.photographs == 1 else "no spread"
    return [
        code(row.method) + (f" on {code(row.test_set)}" if row.test_set else ""),
        code(row.measure) + (" (dB)" if row.measure in UNITS else ""),
        f"{row.old:.5g}",
        f"{row.new:.5g}",
        f"{row.difference:+.3g}",
        unknown if np.isnan(row.low) else f"{row.low:+.2g} … {row.high:+.2g}",
        "no difference" if row.verdict == "none" else row.verdict,
        "" if np.isnan(row.over_seeds) else f"± {row.over_seeds:.2g}" + (", noise" if row.seed_noise else ""),
    ]


def named(row: Row) -> str:
    """A row in a sentence."""
    noise = ", within seed noise" if row.seed_noise else ""
    where = f" on {code(row.test_set)}" if row.test_set else ""
    return f"{code(row.method)}{where} {code(row.measure)} ({row.difference:+.3g}{UNITS.get(row.measure, '')}{noise})"


def listed(names: list[str]) -> str:
    """Names in a sentence."""
    return ", ".join(map(code, names[:MOST])) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")


def code(text: str) -> str:
    """Text as code in one line of Markdown. All names pass here: a pull request may put markup into them."""
    line = shown(" ".join(text.split())).replace("|", "¦") or " "  # | ends a cell of a table, even in code
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


if __name__ == "__main__":
    main()
