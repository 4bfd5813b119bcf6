"""`python -m benchmarks`: measure what converting costs, beside the committed ratios of results.json.

With `--write`, the new ratios replace them. Needs a machine with nothing else to do, and current results.
"""

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

from benchmarks import BenchmarkError, Row, converting, machine
from stages.common.artifacts import ArtifactError, read_json, write_text

RESULTS = Path("benchmarks/results.json")  # `[median, lowest, highest]` of each figure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--write", action="store_true", help=f"write the new ratios to {RESULTS}")
    arguments = parser.parse_args()
    try:
        committed = read_json(RESULTS)["rows"]
        rows = converting.convert(arguments.rounds)
    except (BenchmarkError, ArtifactError) as error:
        raise SystemExit(f"benchmarks: {error}") from None
    print(table(rows, committed))
    if arguments.write:
        write_text(RESULTS, text({"day": str(datetime.date.today()), "machine": machine(), "rows": rows}))


def table(rows: list[Row], committed: list[Row]) -> str:
    """What was measured, a line each, beside the ratio that is committed at the same place."""
    lines = [f"{'ratio':>8} {'range':>19} {'committed':>9}  {'goal':14} {'ours':>20} {'peer':>20}  what"]
    for place, row in enumerate(rows):
        ratio, low, high = (f"{value:,.4g}" for value in row["ratio"])
        before = f"{committed[place]['ratio'][0]:,.4g}" if place < len(committed) else ""
        goal = row.get("goal", "") + {True: " reached", False: " MISSED", None: ""}[row.get("reached")]
        ours, peer = (f"{row[side][0]:,.4g} {row['unit']}" for side in ("ours", "peer"))
        lines.append(f"{ratio:>8} {low + ' … ' + high:>19} {before:>9}  {goal:14} {ours:>20} {peer:>20}  {row['what']}")
    return "\n".join(lines)


def text(results: dict[str, Any]) -> str:
    """results.json: a line for each row, so that a diff shows what moved."""
    facts = [f' "{key}": {json.dumps(results[key])}' for key in ("day", "machine")]
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in results["rows"])
    return "{\n" + ",\n".join([*facts, f' "rows": [\n{rows}\n ]']) + "\n}\n"


if __name__ == "__main__":
    main()
