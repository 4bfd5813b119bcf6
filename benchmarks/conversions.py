"""What a conversion costs: `python -m benchmarks.conversions` times each beside the same in other libraries.

Ratios of one run on the bundled photograph `coffee`: in every round, each conversion and each peer once, one after the
other, on one thread; the median and range of all rounds. Needs the test packages (OpenCV).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
import skimage.color
from PIL import Image
from tqdm import tqdm

from stages.fetch import bundled
from stages.targets.conversions import CONVERSIONS

Convert = Callable[[np.ndarray], np.ndarray]

# The nearest that each library has: OpenCV's Lab has three channels, and its decolor is Lu, Xu and Jia's method (which
# expects blue first; its time does not depend on that).
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
    "value": {"cv2.cvtColor HSV": lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2HSV)},
    "hsl_lightness": {"cv2.cvtColor HLS": lambda photograph: cv2.cvtColor(photograph, cv2.COLOR_RGB2HLS)},
    "gradient_correlation": {"cv2.decolor": lambda photograph: cv2.decolor(photograph)[0]},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversions", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="timings of each (default 7)")
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    photograph = bundled.read("coffee", "scikit-image")
    megapixels = photograph.shape[0] * photograph.shape[1] / 1e6
    rows = [(name, peer) for name in CONVERSIONS for peer in (None, *PEERS.get(name, {}))]
    times: dict[tuple[str, str | None], list[float]] = {row: [] for row in rows}
    for _ in tqdm(range(rounds), unit="round", disable=None):
        for name, peer in rows:
            convert = CONVERSIONS[name] if peer is None else PEERS[name][peer]
            times[name, peer].append(seconds(convert, photograph))
    print(f"{'conversion':21}{'beside':18}{'Mpixel/s':>9}  its time / ours")
    for name, peer in rows:
        speed = megapixels / statistics.median(times[name, peer])
        line = f"{name if peer is None else '':21}{peer or 'ours':18}{speed:9.2f}"
        if peer is not None:
            ratios = [theirs / ours for theirs, ours in zip(times[name, peer], times[name, None], strict=True)]
            line += f"  {statistics.median(ratios):.2f} ({min(ratios):.2f}…{max(ratios):.2f})"
        print(line)


def seconds(convert: Convert, photograph: np.ndarray) -> float:
    """Seconds of one conversion, the first of two being the warm-up."""
    convert(photograph)
    start = time.perf_counter()
    convert(photograph)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
