"""Time to quality: CPU seconds until validation SSIM passes what the original recipe ends with.

The original recipe is `benchmarks.original`. Ours is the pipeline's own training in float64, watched from beside. The
networks of the family of `subpixel` start from a fixed transform and near the mean of red, green and blue: they pass
before their first step, so that what is timed is how long it takes to build one and to make its first step. A network
of plain patch convolutions with random weights, `benchmarks.patches`, shows what is left without that.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from benchmarks.measure import BenchmarkError, by_turns, child, goal, ratio, spread
from benchmarks.watch import reached

TITLE = "Time to quality"
EPOCHS = 50
THREADS = 2
EVERY = 0.05  # CPU seconds between two looks at a network that learns
LEAST = 100

# Ours: the recipe of params.yaml, and what differs from it.
OURS: dict[str, dict[str, Any]] = {
    "subpixel": {"variant": "subpixel", "recipe": {}},
    "subpixel_bottleneck": {"variant": "subpixel_bottleneck", "recipe": {}},
    "patches": {
        "variant": "subpixel",
        "patches": True,
        "recipe": {"learning_rate": 0.02, "flips": False, "quarter_turns": False},
    },
}
WORDS = {
    "subpixel": "`subpixel`",
    "subpixel_bottleneck": "`subpixel_bottleneck`, a third of the latent",
    "patches": "plain patch convolutions from random weights",
}


def measure(rounds: int, epochs: int = EPOCHS) -> dict[str, Any]:
    """Train the original recipe and each of ours, by turns, every one in a process of its own.

    Raises:
        BenchmarkError: one of ours did not reach that quality.
    """
    runs = by_turns(
        {"original": partial(child, "original", THREADS, epochs), **{name: partial(_train, name) for name in OURS}},
        rounds,
    )
    quality = [run["ssim"] for run in runs["original"]]
    peer = [run["cpu_seconds"] for run in runs["original"]]
    found: dict[str, Any] = {
        "threads": THREADS,
        "epochs": epochs,
        "quality": spread(quality),
        "original": {
            "cpu_seconds": spread(peer),
            "import_cpu_seconds": spread([run["import_cpu_seconds"] for run in runs["original"]]),
            "curve": _rounded(runs["original"][-1]["curve"]),
        },
        "goals": {},
    }
    for name in OURS:
        moments = [_moment(name, run, ssim) for run, ssim in zip(runs[name], quality, strict=True)]
        head_start = runs[name][-1]["curve"][0][1]
        with_import = [run["import_cpu_seconds"] + moment for run, moment in zip(runs[name], moments, strict=True)]
        peer_with_import = [run["import_cpu_seconds"] + run["cpu_seconds"] for run in runs["original"]]
        found[name] = {
            "parameters": runs[name][-1]["parameters"],
            "ssim_before_the_first_step": head_start,
            "cpu_seconds": spread(moments),
            "cpu_seconds_to_its_first_step": spread([run["first_step"] for run in runs[name]]),
            "import_cpu_seconds": spread([run["import_cpu_seconds"] for run in runs[name]]),
            "ratio_with_imports": ratio(peer_with_import, with_import),
            "ssim_in_the_end": spread([run["ssim"] for run in runs[name]]),
            "curve": _rounded(runs[name][-1]["curve"]),
        }
        before = f"{head_start:.3f} before its first step" + (
            ", so passed at once" if head_start > min(quality) else ""
        )
        found["goals"][f"quality_{name}"] = goal(
            f"CPU time until validation SSIM passes the original recipe's: {WORDS[name]} ({before})",
            f"{spread(moments)['median']:.2g} s",
            f"plain Keras, {epochs} epochs, to {spread(quality)['median']:.3f}: {spread(peer)['median']:.0f} s",
            ratio(peer, moments),
            least=LEAST,
        )
    return found


def _train(name: str) -> Any:
    task = {"dtype": "float64", "threads": THREADS, "every": EVERY, **OURS[name]}
    return child("ours", json.dumps(task))


def _moment(name: str, run: dict[str, Any], quality: float) -> float:
    """CPU seconds from building the network until it stays above `quality`, and never before its first step."""
    moment = reached(run["curve"], quality)
    if moment is None:
        raise BenchmarkError(f"{name} ended at SSIM {run['ssim']:.4f}, the original recipe at {quality:.4f}")
    return max(moment, run["first_step"])


def _rounded(curve: list[list[float]]) -> list[list[float]]:
    return [[round(moment, 3), round(ssim, 4)] for moment, ssim in curve]
