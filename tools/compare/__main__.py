"""`python -m tools.compare main`: do two revisions score differently? As text, and as Markdown for a pull request."""

import argparse
import re
import textwrap
from pathlib import Path

import numpy as np

from stages.common.artifacts import ArtifactError, write_text
from stages.evaluate.measures import HEADLINE
from tools.compare.compare import Comparison, Row, compare
from tools.compare.revisions import Revision

WIDTH = 120  # characters of a line of text
MOST = 12  # lines of a list that nobody unfolded
UNITS = {"psnr": " dB", "whole_psnr": " dB"}
HEADER = ["method", "measure", "old", "new", "difference", "95 %", "verdict", "over seeds"]
WORDS = ("method", "measure", "verdict")  # aligned to the left
LEGEND = (
    "Differences are means over photographs, each counting alike, of the same patches in both revisions. 95 %: a row's "
    "own paired interval over photographs. Verdicts are of all rows together (Holm): of comparisons in which nothing "
    "truly differs, 95 in 100 give none. “No difference” means none that this test set can show. Photographs that all "
    "differ “alike”, to the last digit, do not tell how much others would. Each side is one training run: “luck” marks "
    "what another seed might do as well."
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("old", help="commit, branch or tag to compare with")
    parser.add_argument("--to", metavar="REV", help="instead of the workspace, as its dvc.lock has it")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it there, too, for a pull request")
    arguments = parser.parse_args()
    try:
        found = compare(Revision(arguments.old), Revision(arguments.to))
    except ArtifactError as error:
        raise SystemExit(f"compare: {error}") from None
    if arguments.markdown:
        write_text(arguments.markdown, markdown(found))
    print(text(found))


def sentence(found: Comparison) -> str:
    """What the comparison found, in a few words."""
    parts = [f"No scores were compared: not all can be had here. {found.missing}."] if found.missing else []
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
    if any(row.difference.photographs == 1 for row in found.rows):
        parts.append("With a single photograph nothing can be said of others.")
    if found.unpaired:
        parts.append(f"Tables, methods or measures that can't be compared: {len(found.unpaired)}.")
    if not (found.rows or found.refused or found.missing):
        if not (found.same or found.untouched):
            parts.append("There is no score that both have.")
        elif found.unpaired:
            parts.append("Every other score is the same.")
        else:
            parts.append("Every score is the same." if found.changes else "Nothing changed.")
    return " ".join(parts)


def text(found: Comparison) -> str:
    """For a terminal: plain, aligned, only what changed."""
    lines = [f"{found.old} → {found.new}", "", *_wrapped(sentence(found))]
    if found.rows:
        lines += ["", *_aligned([HEADER, *map(cells, found.rows)]), "", *_wrapped(LEGEND)]
    for title, items in lists(found).items():
        lines += ["", f"{title}:", *(line for item in items[:MOST] for line in _wrapped(item, "  "))]
        lines += [f"  and {len(items) - MOST} more"] if len(items) > MOST else []
    return "\n".join(lines)


def markdown(found: Comparison) -> str:
    """For a pull request: the sentence, the rows that differ, and the rest folded away."""
    told = [row for row in found.rows if row.verdict != "none" or row.measure in HEADLINE]
    rest = [row for row in found.rows if row.verdict == "none" and row.measure not in HEADLINE]
    folded = {f"{len(rest)} more scores that changed": _table(rest)} if rest else {}
    folded |= {"How to read this": [LEGEND]} if found.rows else {}
    folded |= {title: [f"- {_code(item)}" for item in items] for title, items in lists(found).items()}
    lines = [
        f"**{_plain(sentence(found))}**",
        "",
        f"{_code(found.old)} → {_code(found.new)}",
        "",
        *([*_table(told), ""] if told else []),
    ]
    for title, body in folded.items():
        lines += [f"<details><summary>{title}</summary>", "", *body, "", "</details>", ""]
    return "\n".join(lines)


def lists(found: Comparison) -> dict[str, list[str]]:
    """Titles and lines of what stands beside the table, without empty ones."""
    changes = found.changes
    same = [f"{found.same} other scores of these methods"] if found.same and found.rows else []
    same += [", ".join(found.untouched)] if found.untouched else []
    every = {
        "Measured otherwise: differences may come from this alone": found.remeasured,
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
    difference = row.difference
    unknown = "one photograph" if difference.photographs == 1 else "alike"
    return [
        row.method + (f" on {row.test_set}" if row.test_set else ""),
        row.measure + (" (dB)" if row.measure in UNITS else ""),
        f"{row.old:.5g}",
        f"{row.new:.5g}",
        f"{difference.estimate:+.3g}",
        unknown if np.isnan(difference.low) else f"{difference.low:+.2g} … {difference.high:+.2g}",
        "no difference" if row.verdict == "none" else row.verdict,
        "" if np.isnan(row.seeds) else f"± {row.seeds:.2g}" + (", luck" if row.luck else ""),
    ]


def _named(row: Row) -> str:
    luck = ", within the luck of a seed" if row.luck else ""
    where = f" on {row.test_set}" if row.test_set else ""
    return f"{row.method}{where} {row.measure} ({row.difference.estimate:+.3g}{UNITS.get(row.measure, '')}{luck})"


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=2 * indent, break_on_hyphens=False)


def _aligned(table: list[list[str]]) -> list[str]:
    columns = []
    for title, *column in zip(*table, strict=True):
        width = max(map(len, (title, *column)))
        columns.append([f"{cell:{'<' if title in WORDS else '>'}{width}}" for cell in (title, *column)])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def _table(rows: list[Row]) -> list[str]:
    head, *lines = (f"| {' | '.join(map(_plain, line))} |" for line in (HEADER, *map(cells, rows)))
    return [head, "|---|---|---:|---:|---:|---:|---|---:|", *lines]


def _plain(text: str) -> str:
    """Text in Markdown that is no markup but code, however params.yaml may name a thing."""
    return re.sub(r"([\\*_\[\]<>|#~&!])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Text as code in one line of Markdown; between more backticks than it has in a row, none of its own ends it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`"


if __name__ == "__main__":
    main()
