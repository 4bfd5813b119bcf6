"""`python -m benchmarks [name …]`: measure all benchmarks, or some, into benchmarks/results.json and docs/speed.png.

Each result is written as soon as it is there; a benchmark that is measured again replaces its own part alone.
"""

from __future__ import annotations

import argparse
import datetime
import inspect
import sys
import time
from importlib import import_module
from typing import Any

from benchmarks import results
from benchmarks.measure import BenchmarkError, machine
from benchmarks.results import FURTHER, SEVEN
from stages.common.artifacts import ArtifactError
from stages.common.settings import SettingsError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join((*SEVEN, *FURTHER))} (default: the seven)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5; growth: once)")
    parser.add_argument(
        "--factors", type=int, nargs="+", default=None, help="of growth, at least two (default 1 10 100)"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {*SEVEN, *FURTHER}:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join((*SEVEN, *FURTHER))}")
    if arguments.factors and len(arguments.factors) < 2:
        parser.error("--factors needs at least two")
    try:
        for name in arguments.names or SEVEN:
            say(f"{name} …")
            start = time.monotonic()
            found = measured(name, arguments.rounds, arguments.factors)
            results.add(name, found)
            say(f"{name}: {time.monotonic() - start:.0f} s")
            for row in found.get("goals", {}).values():
                print(results.line(row), flush=True)
        results.draw()
    except (BenchmarkError, ArtifactError, SettingsError) as error:
        raise SystemExit(f"benchmarks: {error}") from None


def measured(name: str, rounds: int, factors: list[int] | None) -> dict[str, Any]:
    """What the benchmark `name` finds, with its title, the machine and the day."""
    module = import_module(f"benchmarks.{name}")
    given = (
        {"factors": sorted(factors)} if factors and "factors" in inspect.signature(module.measure).parameters else {}
    )
    start = time.monotonic()
    found = module.measure(rounds, **given)
    took = round(time.monotonic() - start)
    day = datetime.date.today().isoformat()
    return {"title": module.TITLE, "day": day, "seconds_in_all": took, "machine": machine(), **found}


def say(words: str) -> None:
    """Tell the person who waits."""
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
