"""The parts of README.md that are numbers: `python -m tools.readme` writes them anew from the files in metrics
and from benchmarks/results.json.

A test compares them, so that the README cannot say anything else than the metrics. What surrounds them is written by
hand, and so is the description of each method, which is taken over from the table that stands there.
"""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pandas as pd

from benchmarks import results as benchmarks
from stages.common.artifacts import write_text
from stages.report import claims, page, summary
from stages.report.claims import Claim, Evidence, Row

README = Path("README.md")
TABLES = {name: Path("metrics") / file for name, file in claims.FILES.items()}
WIDTH = 120  # characters
HEADER = (
    "| method | what it is | PSNR dB | 95 % interval | over seeds | SSIM | latent |",
    "|---|---|---:|---:|---:|---:|---:|",
)


def main() -> None:
    """Write the README with the numbers of metrics."""
    write_text(README, filled(README.read_text(encoding="utf-8"), evidence()))


def evidence() -> Evidence:
    """What git holds of the results."""
    return Evidence(
        summary=json.loads(TABLES["summary"].read_text(encoding="utf-8")),
        probes=pd.read_csv(TABLES["probes"]).set_index("method"),
        studies=pd.read_csv(TABLES["studies"]).set_index("run", drop=False),
    )


def filled(text: str, found: Evidence) -> str:
    """The README's text with the parts between `<!-- name -->` and `<!-- end -->` written anew.

    Raises:
        ValueError: a part is missing from the text.
    """
    parts = {
        "results": results(text, found),
        "answer": wrapped(f"**The answer, as measured:** {summary.answer(found.summary)}"),
        "claims": "\n\n".join(map(paragraph, claims.settle(found))),
        "speed": benchmarks.section(benchmarks.read()),
    }
    for name, part in parts.items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not end:
            raise ValueError(f"{README} has no part between <!-- {name} --> and <!-- end -->")
        text = f"{before}{begin}{part}\n{end}{after}"
    return text


def results(text: str, found: Evidence) -> str:
    """The table of all methods, best PSNR first, with the descriptions that stand in `text`."""
    words = described(text)
    luck = page.seeds(found.studies)
    rows = {**found.summary["variants"], **found.summary["baselines"]}
    lines = []
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["psnr"]):
        low, high = row["interval"]["psnr"]["low"], row["interval"]["psnr"]["high"]
        cells = [f"`{name}`", words.get(name, ""), f"{row['psnr']:.1f}", f"{low:.1f} … {high:.1f}"]
        cells += [luck.get(name, ""), f"{row['ssim']:.4f}", str(row.get("latent", ""))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*HEADER, *lines])


def described(text: str) -> dict[str, str]:
    """What the README says of each method: name → the second column of the table of all methods."""
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", text, flags=re.MULTILINE))


def paragraph(claim: Claim) -> str:
    """A claim, its verdict, and links to the rows that decide it."""
    links = ", ".join(f"[{row.key}]({TABLES[row.table]}#L{line_of(row)})" for row in claim.rows)
    return wrapped(f"**{claim.claim}** *{claim.label}.* {claim.sentence}" + (f" ({links})" if links else ""))


def line_of(row: Row) -> int:
    """Where a row begins in its file, counted from 1."""
    begins = re.compile({"summary": r'    "{}": ', "probes": "{},", "studies": r"\w+,{},"}[row.table].format(row.key))
    lines = TABLES[row.table].read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if begins.match(line))


def wrapped(text: str) -> str:
    """A paragraph in lines of at most `WIDTH` characters, but for longer words."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    main()
