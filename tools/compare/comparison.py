"""A comparison of two revisions as text for a terminal, as Markdown for a pull request, and as a part of the page."""

from __future__ import annotations

import base64
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path

import jinja2

from stages.common.artifacts import ArtifactError
from tools.compare.compare import Comparison, Row

TEMPLATE = Path(__file__).with_name("comparison.html")
WIDTH = 120  # characters of a line of text
MOST = 12  # lines of a list that nobody unfolded
UNITS = {"psnr": " dB", "whole_psnr": " dB"}
SHOWN = {"better": "better", "worse": "worse", "none": "no difference"}
LEGEND = (
    "Differences are means over photographs, each counting alike, of the same patches in both revisions. 95 %: a row's "
    "own paired interval over photographs. Verdicts are of all rows together (Holm): of comparisons in which nothing "
    "truly differs, 95 in 100 give none. “No difference” means none that this test set can show. Photographs that all "
    "differ “alike”, to the last digit, do not tell how much others would. Each side is one training run: “luck” marks "
    "what another seed might do as well."
)


def sentence(found: Comparison) -> str:
    """What the comparison found, in a few words."""
    parts = [f"No scores were compared: not all can be had here. {found.missing}."] if found.missing else []
    if found.stale:
        parts.append(f"The results of the {found.new} are not current ({', '.join(found.stale)}): run `make repro`.")
    parts += [f"The scores of {_set(name)} can't be compared: {why}." for name, why in found.refused.items()]
    for verdict in ("better", "worse"):
        names = [_named(row) for row in found.rows if row.verdict == verdict]
        more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
        if names:
            parts.append(f"{verdict.capitalize()}: {', '.join(names[:MOST])}{more}.")
    undecided = sum(row.verdict == "none" for row in found.rows)
    if undecided:
        rest = "all" if undecided == len(found.rows) else "the other"
        only = f"{rest} {undecided} scores that changed" if undecided > 1 else "one score that changed"
        parts.append(f"No difference that this test set can show: {only}.")
    if any(row.photographs == 1 for row in found.rows):
        parts.append("With a single photograph nothing can be said of others.")
    if found.unpaired:
        parts.append(f"Tables, methods, measures or pictures that can't be compared: {len(found.unpaired)}.")
    if not found.rows and not found.refused and not found.missing:
        if not found.same and not found.untouched:
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
    for title, items in lists(found):
        lines += ["", f"{title}:", *(line for item in items[:MOST] for line in _wrapped(item, "  "))]
        lines += [f"  and {len(items) - MOST} more"] if len(items) > MOST else []
    return "\n".join(lines)


def markdown(found: Comparison) -> str:
    """For a pull request: the sentence, the rows that differ, and the rest folded away."""
    told = [row for row in found.rows if row.verdict != "none" or row.measure in ("psnr", "ssim")]
    rest = [row for row in found.rows if row not in told]
    lines = [f"**{sentence(found)}**", "", f"`{found.old}` → `{found.new}`", ""]
    if told:
        lines += [*_markdown_table(told), ""]
    if rest:
        lines += [f"<details><summary>{len(rest)} more scores that changed</summary>", ""]
        lines += [*_markdown_table(rest), "", "</details>", ""]
    if found.rows:
        lines += ["<details><summary>How to read this</summary>", "", LEGEND, "", "</details>", ""]
    for title, items in lists(found):
        lines += [f"<details><summary>{title}</summary>", "", *(f"- `{item}`" for item in items), "", "</details>", ""]
    return "\n".join(lines)


def page(report: str, found: Comparison) -> str:
    """The report page with the comparison as its first section, to stand one folder above it.

    Args:
        report: HTML of the page.
        found: whose pictures become part of it.

    Raises:
        ArtifactError: the page has no section to stand before.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    section = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        old=found.old,
        new=found.new,
        sentence=sentence(found),
        header=HEADER,
        rows=[(row, cells(row)) for row in found.rows],
        legend=LEGEND,
        most=MOST,
        lists=lists(found),
        pictures={
            name: {title: [_embedded(png) for png in sides] for title, sides in pictures.items()}
            for name, pictures in found.pictures.items()
        },
    )
    before, heading, after = report.partition("\n<h2>")
    if not heading:
        raise ArtifactError("data/report/index.html has no section; run `make repro`")
    return f"{before}\n{section}{heading}{after}".replace('href="../provenance.html', 'href="provenance.html')


def lists(found: Comparison) -> Iterator[tuple[str, list[str]]]:
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
    yield from ((title, items) for title, items in every.items() if items)


HEADER = ["method", "measure", "old", "new", "difference", "95 %", "verdict", "over seeds"]


def cells(row: Row) -> list[str]:
    """The text of a row under `HEADER`."""
    unknown = "one photograph" if row.photographs == 1 else "alike"
    seeds = "" if math.isnan(row.seeds) else f"± {row.seeds:.2g}" + (", luck" if row.luck else "")
    return [
        row.method + (f" on {row.test_set}" if row.test_set else ""),
        row.measure + (" (dB)" if row.measure in UNITS else ""),
        f"{row.old:.5g}",
        f"{row.new:.5g}",
        f"{row.difference:+.3g}",
        unknown if math.isnan(row.low) else f"{row.low:+.2g} … {row.high:+.2g}",
        SHOWN[row.verdict],
        seeds,
    ]


def _named(row: Row) -> str:
    luck = ", within the luck of a seed" if row.luck else ""
    where = f" on {row.test_set}" if row.test_set else ""
    return f"{row.method}{where} {row.measure} ({row.difference:+.3g}{UNITS.get(row.measure, '')}{luck})"


def _set(name: str) -> str:
    return f"test set {name}" if name else "the test photographs"


def _wrapped(line: str, indent: str = "") -> list[str]:
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=2 * indent, break_on_hyphens=False)


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left = (0, 1, 6)  # columns of words
    return [
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def _markdown_table(rows: list[Row]) -> list[str]:
    rule = "|---|---|---:|---:|---:|---:|---|---:|"
    return [f"| {' | '.join(HEADER)} |", rule, *(f"| {' | '.join(cells(row))} |" for row in rows)]


def _embedded(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
