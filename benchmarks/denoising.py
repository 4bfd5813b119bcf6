"""What `denoise` makes of Gaussian noise, beside filters that people use: PSNR and SSIM against clean luma, speed.

`python -m benchmarks.denoising FOLDER` prints the table of further clean photographs. Filters are given luma and the
true strength of its noise; `denoise` is blind. BM3D (Dabov et al. 2007) takes part if the package `bm3d` is installed,
whose binary is free for non-commercial use only. metrics/results.md has weaker noise, and JPEG.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.measure import BenchmarkError, Row, photographs, row
from grayscale.photograph import convert
from stages.evaluate import baselines, noise, scores

MODEL = Path("data/models/denoise/model.onnx")
LEVELS = (10, 25, 50)  # gray levels
BETTER, FASTER = 1.3, 50  # than non-local means, dB; than BM3D, times

Filter = Callable[[np.ndarray, float], np.ndarray]  # luma (height, width) uint8, σ in gray levels → gray


def non_local_means(luma: np.ndarray, sigma: float) -> np.ndarray:
    """OpenCV's, with the usual 7 × 7 and 21 × 21 pixels; h as is best for it: σ, and 0.9 σ where noise is strong."""
    return cv2.fastNlMeansDenoising(luma, None, sigma if sigma < 10 else 0.9 * sigma, 7, 21)


def bm3d(luma: np.ndarray, sigma: float) -> np.ndarray:
    """Block matching and collaborative filtering, with the settings of its authors."""
    from bm3d import bm3d as filtered

    return np.asarray(filtered(luma / 255, sigma / 255)) * 255


FILTERS: dict[str, Filter] = {"nl_means": non_local_means} | ({"bm3d": bm3d} if find_spec("bm3d") else {})


def denoising(rounds: int) -> list[Row]:
    """Rows of the test photographs, at each of `LEVELS` beside each filter; they are compared once."""
    found = compare(photographs("test"))
    rows = []
    for level in LEVELS:
        for peer in FILTERS:
            ours, theirs = found.loc[(level, "denoise")], found.loc[(level, peer)]
            wanted, faster = (BETTER, 0) if peer == "nl_means" else (0, FASTER)
            what = (
                f"noise of {level}: {ours['psnr']:.2f} dB, SSIM {ours['ssim']:.3f}, beside {peer}, told σ, with "
                f"{theirs['psnr']:.2f} dB, {theirs['ssim']:.3f}; at least {wanted} dB more"
            )
            better = ours["psnr"] - theirs["psnr"] >= wanted
            rows.append(row(what, "Mpixel/s", [ours["rate"]], [theirs["rate"]], f"≥ {faster}", also=better))
    return rows


def compare(seen: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Means over photographs by level and method: psnr (dB), ssim, rate (megapixels per second)."""
    if not MODEL.is_file():
        raise BenchmarkError(f"{MODEL} is missing; run `make repro`")
    rows = [each for name, photograph in seen.items() for level in LEVELS for each in _rows(name, photograph, level)]
    return pd.DataFrame(rows).groupby(["level", "method"], sort=False).mean()


def _rows(name: str, photograph: np.ndarray, level: int) -> Iterator[dict[str, object]]:
    clean = photograph[None] / 255
    target = scores.planes(baselines.luma(clean))[0]
    colour = noise.noisy(clean, "gaussian", level, [1, *name.encode()])
    luma = baselines.luma(colour)
    sigma = 255 * float((luma - target).std())
    gray, damaged = (np.rint(255 * image[0]).astype(np.uint8) for image in (luma, colour))
    methods = {"luma": partial(np.copy, gray), "denoise": partial(convert, damaged, model=MODEL)}
    for method, work in (methods | {peer: partial(apply, gray, sigma) for peer, apply in FILTERS.items()}).items():
        start = time.perf_counter()
        output = work()
        rate = gray.size / 1e6 / (time.perf_counter() - start)
        measured = scores.measure(target, scores.planes(output[None] / 255))[0]
        found = dict(zip(scores.MEASURES, measured, strict=True))
        yield {"level": level, "method": method, "psnr": found["psnr"], "ssim": found["ssim"], "rate": rate}


if __name__ == "__main__":
    files = sorted(Path(sys.argv[1]).iterdir())
    print(compare({file.stem: np.asarray(Image.open(file).convert("RGB")) for file in files}).round(3).to_string())
