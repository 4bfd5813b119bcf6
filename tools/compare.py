"""`python -m tools.compare main`: which scores differ from another revision's, as text and as Markdown."""

import argparse
import re
import textwrap
from pathlib import Path

import numpy as np

from stages.common.artifacts import ArtifactError, write_text
from stages.evaluate.measures import HEADLINE
from tools.comparison import Comparison, Row, compare
from tools.revisions import Changes, Revision

WIDTH = 120  # characters of a line of text
MOST = 12  # lines of a list in the text, and names in a sentence
UNITS = {"psnr": " dB", "whole_psnr": " dB"}
HEADER = ["method", "measure", "old", "new", "difference", "95 %", "verdict", "over seeds"]
WORDS = ("method", "measure", "verdict")  # columns aligned to the left
LEGEND = (
    "Differences are means over photographs, each weighted equally, of the same patches in both revisions. 95 %: the "
    "row's own paired confidence interval over photographs. Verdicts are corrected for all rows together (Holm): where "
    "nothing truly differs, at most 5 in 100 comparisons give any. “No difference” means none that this test set can "
    "show. “Alike”: the differences of all photographs are equal to within rounding. Each side is one training run: "
    "“luck” marks what another seed might do as well."
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("old", help="commit, branch or tag to compare with")
    parser.add_argument("--to", metavar="REV", help="compare this revision instead of the workspace")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write Markdown for a pull request")
    arguments = parser.parse_args()
    try:
        found = compare(Revision(arguments.old), Revision(arguments.to))
    except ArtifactError as error:
        raise SystemExit(f"compare: {error}") from None
    if arguments.markdown:
        write_text(arguments.markdown, markdown(found))
    print(text(found))


def sentence(found: Comparison) -> str:
    """The result in a few sentences."""
    parts = [f"No scores were compared: not all are available here. {found.missing}."] if found.missing else []
    if found.stale:
        parts.append(f"The results of the {found.new} are not current ({', '.join(found.stale)}): run `make repro`.")
    for name, why in found.refused.items():
        photographs = f"test set {name}" if name else "the test photographs"
        parts.append(f"The scores of {photographs} can't be compared: {why}.")
    for verdict in ("better", "worse"):
        names = [_named(row) for row in found.rows if row.verdict == verdict]
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        parts += [f"{verdict.capitalize()}: {', '.join(names[:MOST])}{more}."] if names else []
    if undecided := sum(row.verdict == "none" for row in found.rows):
        rest = "all" if undecided == len(found.rows) else "the other"
        only = f"{rest} {undecided} scores that changed" if undecided > 1 else "one score that changed"
        parts.append(f"No difference that this test set can show: {only}.")
    if any(row.photographs == 1 for row in found.rows):
        parts.append("A single photograph says nothing about others.")
    if found.unpaired:
        parts.append(f"Tables, methods or measures that can't be compared: {len(found.unpaired)}.")
    if not (found.rows or found.refused or found.missing):
        if not (found.same or found.untouched):
            parts.append("There is no score that both have.")
        elif found.unpaired:
            parts.append("Every other score is the same.")
        else:
            parts.append("Every score is the same." if found.changes != Changes() else "Nothing changed.")
    return " ".join(parts)


def text(found: Comparison) -> str:
    """For a terminal: aligned columns, only what changed."""
    lines = [f"{found.old} → {found.new}", "", *_wrapped(sentence(found))]
    if found.rows:
        lines += ["", *_aligned([HEADER, *map(cells, found.rows)]), "", *_wrapped(LEGEND)]
    for title, items in lists(found).items():
        lines += ["", f"{title}:", *(line for item in items[:MOST] for line in _wrapped(item, "  "))]
        lines += [f"  and {len(items) - MOST} more"] if len(items) > MOST else []
    return "\n".join(lines)


def markdown(found: Comparison) -> str:
    """For a pull request: the sentences, the rows that differ, and everything else folded."""
    shown = [row for row in found.rows if row.verdict != "none" or row.measure in HEADLINE]
    rest = [row for row in found.rows if row not in shown]
    folded = {f"{len(rest)} more scores that changed": _table(rest)} if rest else {}
    folded |= {"How to read this": [LEGEND]} if found.rows else {}
    folded |= {title: [f"- {_code(item)}" for item in items] for title, items in lists(found).items()}
    lines = [f"**{_escaped(sentence(found))}**", "", f"{_code(found.old)} → {_code(found.new)}", ""]
    lines += [*_table(shown), ""] if shown else []
    for title, body in folded.items():
        lines += [f"<details><summary>{title}</summary>", "", *body, "", "</details>", ""]
    return "\n".join(lines)


def lists(found: Comparison) -> dict[str, list[str]]:
    """Titles and lines of the lists below the table, without empty ones."""
    changes = found.changes
    same = [f"{found.same} other scores of these methods"] if found.same and found.rows else []
    same += [", ".join(found.untouched)] if found.untouched else []
    every = {
        "Evaluation changed: scores may differ for this reason alone": found.remeasured,
        "Not compared": found.unpaired,
        "Variants added": changes.added,
        "Variants removed": changes.removed,
        "Params": changes.params,
        "Packages": changes.packages,
        "Data": changes.data,
        "Code": changes.code,
        "The same": same,
    }
    return {title: items for title, items in every.items() if items}


def cells(row: Row) -> list[str]:
    """The text of a row under `HEADER`."""
    unknown = "one photograph" if row.photographs == 1 else "alike"
    return [
        row.method + (f" on {row.test_set}" if row.test_set else ""),
        row.measure + (" (dB)" if row.measure in UNITS else ""),
        f"{row.old:.5g}",
        f"{row.new:.5g}",
        f"{row.difference:+.3g}",
        unknown if np.isnan(row.low) else f"{row.low:+.2g} … {row.high:+.2g}",
        "no difference" if row.verdict == "none" else row.verdict,
        "" if np.isnan(row.seeds) else f"± {row.seeds:.2g}" + (", luck" if row.luck else ""),
    ]


def _named(row: Row) -> str:
    luck = ", within the luck of a seed" if row.luck else ""
    where = f" on {row.test_set}" if row.test_set else ""
    return f"{row.method}{where} {row.measure} ({row.difference:+.3g}{UNITS.get(row.measure, '')}{luck})"


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=2 * indent, break_on_hyphens=False)


def _aligned(table: list[list[str]]) -> list[str]:
    columns = []
    for column in zip(*table, strict=True):
        width = max(map(len, column))
        columns.append([f"{cell:{'<' if column[0] in WORDS else '>'}{width}}" for cell in column])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _table(rows: list[Row]) -> list[str]:
    head, *lines = (f"| {' | '.join(map(_escaped, line))} |" for line in (HEADER, *map(cells, rows)))
    return [head, "|---|---|---:|---:|---:|---:|---|---:|", *lines]


def _escaped(text: str) -> str:
    """Text without Markdown except code: names in params.yaml may contain markup."""
    return re.sub(r"([\\*_\[\]<>|#~&!])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Text as code in one line of Markdown, between more backticks than it has in a row."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


if __name__ == "__main__":
    main()
