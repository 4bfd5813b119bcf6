"""What a conversion costs, beside the same or the nearest in OpenCV, Pillow and scikit-image.

CPU time on one thread, in memory, on the bundled photograph `coffee`. The one that keeps contrast is compared with
OpenCV's `decolor` on all bundled test photographs, in speed and in how much contrast it keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import skimage.color
from PIL import Image

from benchmarks.measure import Row, by_turns, cpu_seconds, row
from grayscale.conversions import CONVERSIONS
from stages.evaluate import decolorization
from stages.fetch.sources import bundled
from stages.formats import manifest

Convert = Callable[[np.ndarray], np.ndarray]

# Conversion and peer, the nearest that each library has: OpenCV's Lab, HSV and HLS have three channels.
PEERS: dict[tuple[str, str], Convert] = {
    ("bt601", "cv2.cvtColor GRAY"): lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY),
    ("bt601", "Pillow convert L"): lambda photograph: np.asarray(Image.fromarray(photograph).convert("L")),
    ("bt709", "skimage rgb2gray"): skimage.color.rgb2gray,
    ("lightness", "cv2.cvtColor LAB"): lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2LAB),
    ("lightness", "skimage rgb2lab"): skimage.color.rgb2lab,
    ("value", "cv2.cvtColor HSV"): lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2HSV),
    ("value", "skimage rgb2hsv"): skimage.color.rgb2hsv,
    ("hsl_lightness", "cv2.cvtColor HLS"): lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2HLS),
}
LIST = Path("stages/fetch/bundled.csv")
SEED = 1  # of the pairs of pixels that the E-score looks at


def measure(rounds: int) -> list[Row]:
    """Time each pair, the first call of two being the warm-up; then `contrast`."""
    cv2.setNumThreads(1)
    photograph = bundled.read("coffee", "scikit-image")
    megapixels = photograph.shape[0] * photograph.shape[1] / 1e6
    rows = []
    for (name, peer), function in PEERS.items():
        pair = {name: CONVERSIONS[name], peer: function}
        took = by_turns({key: partial(cpu_seconds, partial(way, photograph)) for key, way in pair.items()}, rounds)
        rate, of_peer = ([megapixels / seconds for seconds in took[key]] for key in pair)
        rows.append(row(f"converting by {name}, beside {peer}", "Mpixel/s", rate, of_peer))
    return [*rows, contrast(rounds)]


def contrast(rounds: int) -> Row:
    """`gradient_correlation` beside `decolor` (Lu, Xu and Jia 2012) on the test photographs: time and E-scores."""
    table = manifest.read(LIST).query("split == 'test'")
    photographs = [bundled.read(photo["name"], photo["source"]) for _, photo in table.iterrows()]
    megapixels = sum(photograph.shape[0] * photograph.shape[1] for photograph in photographs) / 1e6
    pairs = [decolorization.pairs_of(photograph, SEED) for photograph in photographs]
    ways: dict[str, Convert] = {"gradient_correlation": CONVERSIONS["gradient_correlation"], "decolor": decolor}
    kept: dict[str, np.ndarray] = {}
    for name, way in ways.items():
        scores = [
            decolorization.contrast(of, way(photograph) / 255)
            for of, photograph in zip(pairs, photographs, strict=True)
        ]
        kept[name] = np.mean([[score["e_neighbours"], score["e_random"]] for score in scores], axis=0)
    took = by_turns(
        {name: partial(cpu_seconds, partial(_all, way, photographs), warm_up=False) for name, way in ways.items()},
        rounds,
    )
    rate, of_peer = ([megapixels / seconds for seconds in took[name]] for name in ways)
    told = [" and ".join(f"{score:.3f}" for score in kept[name]) for name in ways]
    what = f"keeping contrast, E-scores {told[0]} (neighbours, random pairs), beside cv2.decolor with {told[1]}"
    better = bool((kept["gradient_correlation"] >= kept["decolor"]).all())
    return row(what, "Mpixel/s", rate, of_peer, "≥ 10", also=better)


def decolor(photograph: np.ndarray) -> np.ndarray:
    """OpenCV's `decolor`, which wants blue first: `(height, width, 3)` uint8 → `(height, width)` uint8."""
    return cv2.decolor(np.ascontiguousarray(photograph[..., ::-1]))[0]


def _all(way: Convert, photographs: list[np.ndarray]) -> None:
    for photograph in photographs:
        way(photograph)
