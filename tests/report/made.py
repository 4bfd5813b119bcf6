"""Made-up results, as `stages.evaluate` and `stages.train` write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.artifacts import write_json, write_table
from stages.evaluate import frequency, scores
from stages.evaluate.decolorization import MEASURES as KEPT
from stages.evaluate.pictures import write_png

PHOTOS = {"coffee": "everyday", "section": "histology"}
VARIANTS = {"simple": (28.0, 784, "gray"), "naive": (18.0, 784, "colour"), "subpixel": (60.0, 784, "gray")}
STUDIES = "study,run,variant,psnr,val_psnr,photographs,latent,sigma,ssim,train,validation,test,made_from\n"
INPUTS = {f"data/pairs/{split}": "0" * 64 for split in ("train", "validation", "test")}
SIZE = (24, 36)  # pixels of the pictures


def write(folder: Path, studies: str = STUDIES) -> None:
    """All that the report reads, in `folder`."""
    for name, (psnr, latent, target) in VARIANTS.items():
        facts = {"recipe": {"input": "colour", "target": target}, "parameters": 12769, "patches_seen": 24888}
        write_json(folder / f"data/models/{name}/facts.json", {**facts, "inputs": {}, "environment": {}})
        curve = pd.DataFrame({"epoch": [1, 2], "loss": 0.1, "val_loss": 0.1, "psnr": psnr, "val_psnr": psnr - 1})
        write_table(folder / f"data/models/{name}/curve.csv", curve)
        read_out = {f"{name}_luma": psnr + 1} if target == "colour" else {}
        chroma = {"chroma_of_input": 20.0, "chroma_of_output": 19.0} if target == "colour" else {}
        evaluation(folder, name, {name: psnr, "pca_784": 100.0, **read_out}, latent=latent, **chroma)
        write_png(folder / f"data/evaluations/{name}/patches.png", pixels(1))
        write_png(folder / f"data/evaluations/{name}/photograph.png", pixels(3 if target == "colour" else 1))
    targets = {"conversion": "bt601", "min_contrast": 5}
    evaluation(folder, "baselines", {"luma": 61.0, "mean_rgb": 35.0, "green": 31.0, "conv1x1": 61.0}, targets=targets)
    baselines = folder / "data/evaluations/baselines"
    write_table(baselines / "conversions.csv", kept(["bt601", "green"], "conversion"))
    photographs = pd.DataFrame({"photo": list(PHOTOS), "split": "test", "patches": 5, "kept": 4})
    write_table(folder / "data/pairs/counts.csv", photographs)
    origin = photographs.assign(licence="CC0", sha256="0" * 64).rename(columns={"photo": "name"})
    write_table(baselines / "origin.csv", origin[["name", "split", "licence", "sha256"]])
    write_png(baselines / "photograph_colour.png", pixels(3))
    write_png(baselines / "photograph_gray.png", pixels(1))
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics/studies.csv").write_text(studies)


def evaluation(folder: Path, name: str, methods: dict[str, float], **facts: Any) -> None:
    """The evaluation `name` of methods with a mean PSNR (dB) each."""
    to = folder / "data/evaluations" / name
    tables = [patches(method, psnr) for method, psnr in methods.items()]
    found = {}
    for method, table in zip(methods, tables, strict=True):
        score = scores.summarise(table)
        ends = {key: {"low": score[key] - 1, "high": score[key] + 1} for key in ("psnr", "ssim")}
        noise = {level: {"psnr": 20.0, "ssim": 0.5, "smoothness": 1.0} for level in ("5", "25")}
        probes = dict.fromkeys(("chroma_r2", "chroma_levels", "isoluma_contrast", "smoothness"), 0.5)
        found[method] = {**score, "interval": ends, "probes": {**probes, "noise": noise}}
    write_json(to / "summary.json", {**facts, "inputs": INPUTS, "environment": {}, "scores": found})
    write_table(to / "quantiles.csv", pd.concat(map(scores.quantiles, tables)))
    write_table(to / "photographs.csv", pd.concat(map(scores.by_photograph, tables)))
    ones = np.ones(len(frequency.EDGES) - 1)
    write_table(to / "bands.csv", pd.concat([frequency.bands(method, ones * 0.1, ones, 1) for method in methods]))
    write_table(to / "contrast.csv", kept(["target", *methods] if name == "baselines" else list(methods), "method"))


def patches(method: str, psnr: float) -> pd.DataFrame:
    """Scores of four patches of each photograph."""
    index = pd.DataFrame([(photo, domain, 0, 28 * number) for photo, domain in PHOTOS.items() for number in range(4)])
    index.columns = pd.Index(["photo", "domain", "row", "column"])
    decibels = np.minimum(psnr + np.linspace(-1, 1, len(index)), 100)
    return scores.per_patch(
        index, method, np.stack([decibels, decibels / 100, 10 ** (-decibels / 10), 0.01 + 0 * decibels], 1)
    )


def kept(names: list[str], by: str) -> pd.DataFrame:
    """Whole photographs: what contrast is kept."""
    rows = [{by: name, "photo": photo, "domain": domain} for name in names for photo, domain in PHOTOS.items()]
    return pd.DataFrame(rows).assign(whole_psnr=40.0, whole_ssim=0.9, **dict.fromkeys(KEPT, 0.5))


def pixels(channels: int) -> np.ndarray:
    """A picture that is not flat."""
    return np.random.default_rng(channels).integers(0, 256, (*SIZE, channels), dtype=np.uint8)
