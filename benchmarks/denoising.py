"""`denoise` beside the filters that people use, on damaged photographs: PSNR and SSIM against clean luma, and speed.

`python -m benchmarks.denoising NAME FOLDER` measures the clean photographs of a folder, or without a folder, as
`test`, the test photographs. It replaces their rows in metrics/peers.csv, which the report shows. `denoise` is blind;
filters see luma and are told the true strength of its damage. BM3D (Dabov et al. 2007) takes part if the package
`bm3d` is installed, whose binary is free for non-commercial use only; without it, its rows stay as they were.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from benchmarks import BenchmarkError
from grayscale.photograph import convert
from stages.common.artifacts import read_table, sha256_of, write_table
from stages.evaluate import baselines, noise, scores
from stages.fetch.sources import bundled
from stages.formats import manifest
from stages.report.collect import HEXADECIMALS, PEERS, PEERS_TEXT

LIST, MODEL = Path("stages/fetch/bundled.csv"), Path("data/models/denoise/model.onnx")
BM3D = [("gaussian", 10), ("gaussian", 25), ("gaussian", 50)]  # where it takes part, at ten seconds per photograph
CONDITIONS = [("gaussian", 2), *BM3D, ("jpeg", 10), ("jpeg", 20)]
DIGITS = {"psnr": 3, "ssim": 5, "rate": 4}  # decimals in metrics/peers.csv

Filter = Callable[[np.ndarray, float], np.ndarray]  # luma (height, width) uint8, σ in gray levels → gray


def non_local_means(luma: np.ndarray, sigma: float) -> np.ndarray:
    """OpenCV's, with the usual 7 × 7 and 21 × 21 pixels; h as is best for it: σ, and 0.9 σ where noise is strong."""
    return cv2.fastNlMeansDenoising(luma, None, sigma if sigma < 10 else 0.9 * sigma, 7, 21)


def bm3d(luma: np.ndarray, sigma: float) -> np.ndarray:
    """Block matching and collaborative filtering, with the settings of its authors."""
    from bm3d import bm3d as filtered

    return np.asarray(filtered(luma / 255, sigma / 255)) * 255


FILTERS: dict[str, Filter] = {"opencv_nl_means": non_local_means} | ({"bm3d": bm3d} if find_spec("bm3d") else {})


def compare(seen: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """A row per photograph, damage and method: kind, level, method, photo, psnr (dB), ssim, rate.

    `seen` are clean photographs by name, `(height, width, 3)` uint8; the rate is in megapixels per CPU second.
    `BenchmarkError`: `denoise` has not been trained.
    """
    if not MODEL.is_file():
        raise BenchmarkError(f"{MODEL} is missing; run `make repro`")
    tasks = [(name, *condition) for condition in CONDITIONS for name in seen]
    return pd.DataFrame([each for task in tqdm(tasks, disable=None) for each in _rows(seen[task[0]], *task)])


def _rows(photograph: np.ndarray, name: str, kind: str, level: int) -> Iterator[dict[str, object]]:
    clean = photograph[None] / 255
    target = scores.planes(baselines.luma(clean))[0]
    colour = noise.noisy(clean, kind, level, [1, *name.encode()])
    luma = baselines.luma(colour)
    sigma = 255 * float((luma - target).std())
    gray, damaged = (np.rint(255 * image[0]).astype(np.uint8) for image in (luma, colour))
    methods = {"luma": partial(np.copy, gray), "denoise": partial(convert, damaged, model=MODEL)}
    for peer, apply in FILTERS.items():
        if peer != "bm3d" or (kind, level) in BM3D:
            methods[peer] = partial(apply, gray, sigma)
    for method, work in methods.items():
        start = time.process_time()
        output = work()
        rate = gray.size / 1e6 / max(time.process_time() - start, 1e-6)
        found = dict(zip(scores.MEASURES, scores.measure(target, scores.planes(output[None] / 255))[0], strict=True))
        condition = {"kind": kind, "level": level, "method": method, "photo": name}
        yield {**condition, "psnr": found["psnr"], "ssim": found["ssim"], "rate": rate}


def test_photographs() -> dict[str, np.ndarray]:
    """The bundled photographs of the test split by name: `(height, width, 3)` uint8."""
    table = manifest.read(LIST)
    chosen = table[table["split"] == "test"]
    return {photo["name"]: bundled.read(photo["name"], photo["source"]) for _, photo in chosen.iterrows()}


def write(name: str, rows: pd.DataFrame) -> None:
    """Replace the rows of the photographs `name` in metrics/peers.csv; those of methods not measured now stay."""
    rows = pd.concat({name: rows.round(DIGITS)}, names=["photographs"]).reset_index(level=0)
    known = read_table(PEERS, text=PEERS_TEXT) if PEERS.exists() else rows[:0]
    here = known["photographs"] == name
    rows = pd.concat([rows, known[here & ~known["method"].isin(rows["method"])]])  # filters that do not depend on it
    write_table(PEERS, pd.concat([known[~here], rows.assign(model=sha256_of(MODEL)[:HEXADECIMALS])]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoising", description=__doc__)
    parser.add_argument("name", help="of these photographs in the table; test: the pipeline's own")
    parser.add_argument("folder", nargs="?", type=Path, help="of clean photographs")
    arguments = parser.parse_args()
    if (arguments.name == "test") != (arguments.folder is None):
        parser.error("a folder goes with any name but test")
    if arguments.folder and not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is no folder of photographs")
    files = sorted(arguments.folder.iterdir()) if arguments.folder else []
    own = {file.stem: np.asarray(Image.open(file).convert("RGB")) for file in files}
    try:
        write(arguments.name, compare(own or test_photographs()))
    except BenchmarkError as error:
        raise SystemExit(f"benchmarks: {error}") from None
