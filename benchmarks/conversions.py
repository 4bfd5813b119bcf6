"""What a conversion costs, beside the same or the nearest in OpenCV, Pillow and scikit-image.

CPU time on one thread, in memory, on the bundled photograph `coffee`. The one that keeps contrast is compared with
OpenCV's `decolor` on all bundled test photographs, in speed and in how much contrast it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.color
from PIL import Image

from benchmarks.measure import by_turns, cpu_seconds, goal, ratio, spread
from grayscale.conversions import CONVERSIONS
from stages.evaluate import decolorization
from stages.fetch.sources import bundled
from stages.formats import manifest

TITLE = "Targets"
Convert = Callable[[np.ndarray], np.ndarray]

# The nearest that each library has: OpenCV's Lab, HSV and HLS have three channels.
PEERS: dict[str, dict[str, Convert]] = {
    "bt601": {
        "cv2.cvtColor GRAY": lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY),
        "Pillow convert L": lambda photograph: np.asarray(Image.fromarray(photograph).convert("L")),
    },
    "bt709": {"skimage rgb2gray": skimage.color.rgb2gray},
    "lightness": {
        "cv2.cvtColor LAB": lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2LAB),
        "skimage rgb2lab": skimage.color.rgb2lab,
    },
    "value": {
        "cv2.cvtColor HSV": lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2HSV),
        "skimage rgb2hsv": skimage.color.rgb2hsv,
    },
    "hsl_lightness": {"cv2.cvtColor HLS": lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2HLS)},
}
LIST = Path("stages/fetch/bundled.csv")
SEED = 1  # of the pairs of pixels that the E-score looks at


def measure(rounds: int) -> dict[str, Any]:
    """Time each conversion and each peer; then `contrast`."""
    table = manifest.read(LIST).query("split == 'test'")
    photographs = {row["name"]: bundled.read(row["name"], row["source"]) for _, row in table.iterrows()}
    return {"photograph": "coffee", "rows": speeds(rounds, list(CONVERSIONS)), **contrast(rounds, photographs)}


def speeds(rounds: int, names: Sequence[str]) -> list[dict[str, Any]]:
    """Time some conversions and their peers, the first call of two being the warm-up: a row for each of both."""
    cv2.setNumThreads(1)
    photograph = bundled.read("coffee", "scikit-image")
    megapixels = photograph.shape[0] * photograph.shape[1] / 1e6
    rows = [(name, peer) for name in names for peer in ("ours", *PEERS.get(name, {}))]
    work = {" | ".join(row): partial(cpu_seconds, partial(_convert(*row), photograph)) for row in rows}
    times = by_turns(work, rounds)
    found: list[dict[str, Any]] = []
    for name, peer in rows:
        took = times[f"{name} | {peer}"]
        found.append({"conversion": name, "by": peer, "megapixels_per_second": spread([megapixels / s for s in took])})
        if peer != "ours":
            found[-1]["its_time_by_ours"] = ratio(took, times[f"{name} | ours"])
    return found


def _convert(name: str, peer: str) -> Convert:
    return CONVERSIONS[name] if peer == "ours" else PEERS[name][peer]


def contrast(rounds: int, named: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """`gradient_correlation` beside `decolor` (Lu, Xu and Jia) on some photographs: time and E-scores."""
    photographs = list(named.values())
    ways: dict[str, Convert] = {"gradient_correlation": CONVERSIONS["gradient_correlation"], "decolor": decolor}
    pairs = [decolorization.pairs_of(photograph, SEED) for photograph in photographs]
    kept: dict[str, dict[str, float]] = {}
    for name, way in ways.items():
        scores = [
            decolorization.contrast(of, way(photograph) / 255)
            for of, photograph in zip(pairs, photographs, strict=True)
        ]
        kept[name] = {key: float(np.mean([score[key] for score in scores])) for key in ("e_neighbours", "e_random")}
    times = by_turns(
        {name: partial(cpu_seconds, partial(_all, way, photographs), warm_up=False) for name, way in ways.items()},
        rounds,
    )
    megapixels = sum(photograph.shape[0] * photograph.shape[1] for photograph in photographs) / 1e6
    speed = {name: megapixels / spread(took)["median"] for name, took in times.items()}
    e = {name: " and ".join(f"{value:.3f}" for value in scores.values()) for name, scores in kept.items()}
    return {
        "contrast": {"photographs": list(named), "e_scores": kept, "megapixels_per_second": speed},
        "goals": {
            "contrast": goal(
                "Contrast-preserving gray, at equal or better E-score (of neighbours, of random pairs)",
                f"{speed['gradient_correlation']:.2g} Mpixel/s, E {e['gradient_correlation']}",
                f"`cv2.decolor`: {speed['decolor']:.2g} Mpixel/s, E {e['decolor']}",
                ratio(times["decolor"], times["gradient_correlation"]),
                least=10,
                also=all(kept["gradient_correlation"][key] >= kept["decolor"][key] for key in kept["decolor"]),
            )
        },
    }


def decolor(photograph: np.ndarray) -> np.ndarray:
    """OpenCV's `decolor`, which wants blue first: `(height, width, 3)` uint8 → `(height, width)` uint8."""
    return cv2.decolor(np.ascontiguousarray(photograph[..., ::-1]))[0]


def _all(way: Convert, photographs: list[np.ndarray]) -> None:
    for photograph in photographs:
        way(photograph)
