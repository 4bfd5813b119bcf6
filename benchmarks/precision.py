"""What portable training costs: every variant in float64 beside float32, trainings of two epochs, without imports.

Not among the seven: `python -m benchmarks precision` adds it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from benchmarks.measure import by_turns, child, ratio
from stages.common import settings

TITLE = "float64 beside float32"


def measure(rounds: int) -> dict[str, Any]:
    """Time both for each variant of params.yaml, by turns, every training in a process of its own."""
    checked = settings.load()
    types = ("float64", "float32")
    runs = {
        f"{name} {dtype}": partial(_seconds, name, dtype, checked.train.threads)
        for name in checked.variants
        for dtype in types
    }
    found = by_turns(runs, rounds)
    return {
        "float64_by_float32": {name: ratio(*(found[f"{name} {dtype}"] for dtype in types)) for name in checked.variants}
    }


def _seconds(variant: str, dtype: str, threads: int) -> float:
    task = {"variant": variant, "dtype": dtype, "threads": threads, "every": 1e9, "recipe": {"epochs": 2}}
    return child("ours", json.dumps(task))["seconds"]
