"""`python -m benchmarks [name …]`: measure all benchmarks, or some, beside the committed ratios of results.json.

`--write` commits what was measured in their place. Needs a machine with nothing else to do, and current results.
"""

import argparse
import datetime
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import BenchmarkError, Row, machine
from stages.common.artifacts import ArtifactError, read_json, write_text
from stages.common.settings import SettingsError

MODULES = {"quality": "training", "scoring": "images", "convert": "images"}  # benchmark → module of its function
RESULTS = Path("benchmarks/results.json")  # `[median, lowest, highest]` of each figure
Results = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=MODULES, help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--write", action="store_true", help=f"write what was measured to {RESULTS}")
    arguments = parser.parse_args()
    try:
        committed: Results = dict(read_json(RESULTS)) if RESULTS.exists() else {}
        for name in arguments.names or MODULES:
            start = time.monotonic()
            rows = getattr(import_module(f"benchmarks.{MODULES[name]}"), name)(arguments.rounds)
            print(f"{name}: {time.monotonic() - start:.0f} s", file=sys.stderr)
            print(table(rows, committed.get(name, {}).get("rows", [])), flush=True)
            if arguments.write:
                committed[name] = {"day": str(datetime.date.today()), "machine": machine(), "rows": rows}
                write_text(RESULTS, text({key: committed[key] for key in MODULES if key in committed}))
    except (BenchmarkError, ArtifactError, SettingsError) as error:
        raise SystemExit(f"benchmarks: {error}") from None


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


def text(results: Results) -> str:
    """results.json: a line for each row, so that a diff shows what moved."""
    parts = []
    for name, found in results.items():
        facts = [f'  "{key}": {json.dumps(found[key])}' for key in ("day", "machine")]
        rows = ",\n".join("   " + json.dumps(row, ensure_ascii=False) for row in found["rows"])
        parts.append(f' "{name}": {{\n' + ",\n".join([*facts, f'  "rows": [\n{rows}\n  ]']) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
