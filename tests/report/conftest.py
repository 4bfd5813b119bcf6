"""Made-up results, as `stages.evaluate` and `stages.train` write them, and what the report collects of them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.common.artifacts import write_json, write_table
from stages.evaluate import probes, scores
from stages.evaluate.decolorization import MEASURES as KEPT
from stages.evaluate.pictures import write_png
from stages.report import collect, summary

PHOTOS = {"coffee": "everyday", "section": "histology"}
VARIANTS = {"simple": (28.0, 784, "gray"), "naive": (18.0, 784, "colour"), "adaptive": (38.5, 261, "gray")}
SPLITS = ("train", "validation", "test")
INPUTS = {f"data/pairs/{split}": "0" * 64 for split in SPLITS}
SIZE = (240, 360)  # pixels of the pictures

SCENES = [f"scene{number}" for number in range(10)]
DOMAINS = [*["everyday"] * 8, "histology", "medical"]
NARROW = np.tile([-0.1, 0.1], 5)  # around a mean that is known well
WIDE = 50 * NARROW
CODES = {"pca_psnr": 38 - NARROW, "dct_psnr": 38.2 - NARROW, "dct_radial_psnr": 38.4 - NARROW}
DESIGNS: dict[str, dict[str, Any]] = {
    "simple": {"latent": 784, "psnr": 32 + NARROW, "mse": 6e-4},
    "simple_mae": {"latent": 784, "psnr": 32.5 - NARROW, "mse": 7e-4},
    "bottleneck": {"parameters": 2, "latent": 261, "psnr": 30 - NARROW, "mse": 1e-3},
    "adaptive": {"latent": 261, "psnr": [*[38.9, 39.1] * 4, 39.5, 39.1], "mse": 1e-4, **CODES},
    "naive": {"latent": 784, "psnr": 20 - NARROW, "mse": 1e-2, "target": "colour", "chroma_kept": 0.95 + NARROW / 9},
    "vae": {"latent": 32, "psnr": 28, "mse": 2e-3, "noise_psnr": 27 + NARROW, "smoothness": 0.3 + NARROW / 9},
}
NOISE = {"luma_noise_psnr": 24, "pca_noise_psnr": 26, "dct_noise_psnr": 26, "dct_radial_noise_psnr": 26}
EVERY = {"parameters": 1, "hue_contrast": 3 + NARROW, "detail_limit": 0.125, "ssim": 0.95 + NARROW / 9}
BESIDE = {"smoothness_reference": 0.4, "luma_ssim": 1.0, "conv1x1_ssim": 1.0, "mean_rgb_ssim": 0.996, **NOISE}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[collect.Results]:
    """In the folder that holds them; tests change nothing in it."""
    folder = tmp_path_factory.mktemp("report")
    write_results(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield collect.collect(list(VARIANTS), [])


def runs(study: str, variant: str, names: list[str], **columns: Any) -> pd.DataFrame:
    told = {"study": study, "variant": variant, "input": "colour", "target": "gray", "val_psnr": 30, **columns}
    return pd.DataFrame(told, index=[f"{study}_{variant}_{name}" for name in names])


def studies() -> pd.DataFrame:
    """Numbers of nothing real, of which every claim holds."""
    tables = []
    for variant, columns in DESIGNS.items():
        tables.append(runs("scenes", variant, SCENES, leave=SCENES, domain=DOMAINS, **{**EVERY, **BESIDE, **columns}))
        codes = dict.fromkeys(("pca_psnr", "dct_psnr", "dct_radial_psnr"), 38)
        tables.append(
            runs("seeds", variant, ["1"], photographs=6, psnr=30, noise_psnr=26, latent=columns["latent"], **codes)
        )
    for variant in ("bottleneck", "vae", "adaptive"):
        curve = {"photographs": [1, 2, 4], "psnr": [27.3, 28.3, 29.5], "noise_psnr": [25.1, 25.2, 25.4]}
        tables.append(runs("photographs", variant, ["1", "2", "4"], **curve))
    tables += [
        runs("control", variant, ["gray"], input="gray", psnr=30.2) for variant in ("simple", "bottleneck", "vae")
    ]
    twice: dict[str, Any] = {f"{code}_psnr": [21.0, 28.0] for code in ("pca", "dct", "dct_radial")}
    tables.append(runs("latent", "adaptive", ["8", "32"], latent=[8, 32], psnr=[20, 28.5], **twice))
    plain = {"half_val_psnr": [25, 25.1, 25.2], "end_val_psnr": [24, 24, 24.1], "end_train_psnr": 30}
    tables.append(runs("augmentation", "bottleneck", ["1", "2", "3"], **plain))
    table = pd.concat(tables)
    return table.assign(run=table.index)


def table_of_studies() -> pd.DataFrame:
    """`studies` as `make study` leaves them beside the results of `write_results`."""
    table = studies().assign(made_from="1e2345678901", variant_from="2e3456789012", **dict.fromkeys(SPLITS, "0" * 12))
    for variant, (psnr, *_) in VARIANTS.items():
        table.loc[f"seeds_{variant}_1", ["psnr", "ssim"]] = [psnr, psnr / 100]
    return table


def write_results(folder: Path) -> None:
    """All that the report reads, in `folder`."""
    for name, (psnr, latent, target) in VARIANTS.items():
        work = {"parameters": 12769, "trainable": 12000, "steps": 784, "macs": 1000000}
        facts = {"recipe": {"input": "colour", "target": target}, **work}
        write_json(folder / f"data/models/{name}/facts.json", facts)
        curve = pd.DataFrame({"epoch": [1, 2], "loss": 0.1, "val_loss": 0.1, "psnr": psnr, "val_psnr": psnr - 1})
        write_table(folder / f"data/models/{name}/curve.csv", curve)
        read_out = {f"{name}_luma": psnr + 1} if target == "colour" else {}
        chroma = {"chroma_of_input": 20.0, "chroma_of_output": 19.0} if target == "colour" else {}
        codes = {f"{code}_{latent}": 30.0 for code in ("pca", "dct", "dct_radial")} if latent < 784 else {}
        start = {"psnr": 16.0, "ssim": 0.1}
        evaluation(folder, name, {name: psnr, **codes, **read_out}, latent=latent, start=start, **chroma)
        write_png(folder / f"data/evaluations/{name}/photograph.png", pixels(3 if target == "colour" else 1))
    targets = {"conversion": "bt601", "min_contrast": 5}
    evaluation(folder, "baselines", {"luma": 61.0, "mean_rgb": 35.0, "green": 31.0, "conv1x1": 61.0}, targets=targets)
    baselines = folder / "data/evaluations/baselines"
    write_table(baselines / "conversions.csv", kept(["bt601", "green"], "conversion"))
    write_png(baselines / "photograph_colour.png", pixels(3))
    write_png(baselines / "photograph_gray.png", pixels(1))
    (folder / "metrics").mkdir(exist_ok=True)
    table_of_studies().to_csv(folder / "metrics/studies.csv", index=False)
    (folder / "data/models/denoise").mkdir()
    (folder / "data/models/denoise/model.onnx").write_bytes(b"network")
    peers("this", hashlib.sha256(b"network").hexdigest()).to_csv(folder / "metrics/peers.csv", index=False)


def peers(photographs: str, model: str) -> pd.DataFrame:
    """Two photographs, on which denoise is 1 and 2 dB above BM3D."""
    rows = [
        {"photographs": photographs, "kind": "gaussian", "level": 25, "method": method, "photo": photo}
        | {"psnr": 30.0 + gain * (method == "denoise"), "ssim": 0.9, "rate": 2.0, "model": model[:12]}
        for gain, photo in enumerate(PHOTOS, start=1)
        for method in ("denoise", "bm3d")
    ]
    return pd.DataFrame(rows)


def evaluation(folder: Path, name: str, methods: dict[str, float], **facts: Any) -> None:
    """The evaluation `name` of methods with a mean PSNR (dB) each."""
    to = folder / "data/evaluations" / name
    tables = [patches(method, psnr) for method, psnr in methods.items()]
    found = {}
    for method, table in zip(methods, tables, strict=True):
        score = scores.summarise(table)
        ends = {key: {"mean": score[key], "low": score[key] - 1, "high": score[key] + 1} for key in ("psnr", "ssim")}
        noise = {condition: {"psnr": 20.0, "ssim": 0.5} for condition in ("gaussian_5", "gaussian_25", "jpeg_30")}
        found[method] = {**score, "interval": ends, "probes": {**dict.fromkeys(summary.PROBES, 0.5), "noise": noise}}
    write_json(to / "summary.json", {**facts, "inputs": INPUTS, "scores": found})
    write_table(to / "quantiles.csv", pd.concat(map(scores.quantiles, tables)))
    ones = np.ones(len(probes.EDGES) - 1)
    write_table(to / "bands.csv", pd.concat([probes.bands(method, ones * 0.1, ones, 1) for method in methods]))
    columns = [*scores.RESTORED, *probes.COLUMNS]
    damaged = pd.DataFrame(restored(methods) if name == "baselines" else [], columns=columns)
    write_table(to / "restored.csv", damaged)
    write_table(to / "contrast.csv", kept(["target", *methods] if name == "baselines" else list(methods), "method"))


def restored(methods: dict[str, float]) -> list[dict[str, Any]]:
    """What is made of damaged photographs: 25 dB and more of noise; a clean one is exact."""
    return [
        {"kind": "gaussian", "level": level, "method": method, "photo": photo, "domain": domain}
        | {"psnr": 25.0 + number if level else None, "ssim": 0.5 if level else 1.0}
        | (dict.fromkeys(probes.COLUMNS, -3.0 - number) if level else {})
        for method in methods
        for level in (0, 25)
        for number, (photo, domain) in enumerate(PHOTOS.items())
    ]


def patches(method: str, psnr: float) -> pd.DataFrame:
    """Scores of four patches of each photograph."""
    index = pd.DataFrame([(photo, domain, 0, 28 * number) for photo, domain in PHOTOS.items() for number in range(4)])
    index.columns = pd.Index(["photo", "domain", "row", "column"])
    decibels = psnr + np.linspace(-1, 1, len(index))
    return scores.per_patch(
        index,
        method,
        np.stack([decibels, decibels / 100, 10 ** (-decibels / 10), 0.01 + 0 * decibels, decibels / 100], 1),
    )


def kept(names: list[str], by: str) -> pd.DataFrame:
    """Whole photographs: what contrast is kept."""
    rows = [{by: name, "photo": photo, "domain": domain} for name in names for photo, domain in PHOTOS.items()]
    return pd.DataFrame(rows).assign(whole_psnr=40.0, whole_ssim=0.9, **dict.fromkeys(KEPT, 0.5))


def pixels(channels: int) -> np.ndarray:
    """A picture with some noise."""
    return np.random.default_rng(channels).integers(100, 120, (*SIZE, channels), dtype=np.uint8).squeeze()
