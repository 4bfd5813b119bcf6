"""Evaluate one variant or the baselines: fit, score all shards, and combine their results in the order of the patches.

Memory holds the scores of every test patch, and the pixels of one shard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common import shards
from stages.common.artifacts import read_json
from stages.common.engine import Engine
from stages.common.settings import Evaluate
from stages.common.shards import Shard
from stages.evaluate import frequency, intervals, leakage, methods, noise, pictures, probes, scores, shard
from stages.evaluate.chunks import opened, spans
from stages.evaluate.methods import Subject
from stages.evaluate.moments import Moments, of_all


@dataclass
class Evaluation:
    """The results of an evaluation: tables by method, facts for the summary, pictures by file name.

    Attributes:
        tables: a row per test patch.
        photographs: a row per test photograph, with the share of the error that chroma explains, `chroma_r2`.
        bands: a row per band of spatial frequency.
        contrast: rows, one per method and whole test photograph.
        conversions: rows, one per standard conversion and whole test photograph, for the baselines alone.
        probes: interval and probes, what the summary says of a method beside its scores.
        facts: what it says beside the methods.
        pictures: `(height, width, channels)` uint8.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    photographs: dict[str, pd.DataFrame] = field(default_factory=dict)
    bands: dict[str, pd.DataFrame] = field(default_factory=dict)
    contrast: list[dict[str, Any]] = field(default_factory=list)
    conversions: list[dict[str, Any]] = field(default_factory=list)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The facts, and by method its mean scores, interval and probes."""
        found = {name: {**scores.summarise(table), **self.probes[name]} for name, table in self.tables.items()}
        return {**self.facts, "scores": found}


def evaluate(subject: Subject, photographs: pd.DataFrame, keep: Path, engine: Engine) -> Evaluation:
    """Evaluate `subject`.

    Args:
        subject: what is evaluated, on what, and how.
        photographs: name and domain of the whole test photographs to convert, see `whole_photographs`; the first is
            shown as a picture, too.
        keep: the folder for finished shards.
        engine: where shards are done.
    """
    cpus = subject.settings.threads
    (fitted,) = shards.run(methods.fit, [subject], keep / "fits", engine, cpus=cpus)
    measure = partial(shard.measure, subject, fitted.folder)
    test = opened(subject.test)
    chunks = [shard.Chunk(number, *span) for number, span in enumerate(spans(len(test), test.patch))]
    names = zip(photographs["name"], photographs["domain"], strict=True)
    wholes = [shard.Photograph(*name, shown=number == 0) for number, name in enumerate(names)]

    # One map, so that a worker loads the model once.
    finished = shards.run(measure, [*chunks, *wholes], keep / "measured", engine, cpus=cpus)
    measured = _combined([next(finished) for _ in chunks], test.index)
    result = _of_patches(measured, test.index, test.patch, subject.settings, fitted.facts["isoluma_contrast"])
    for whole in finished:
        result.contrast += whole.facts["contrast"]
        result.conversions += whole.facts["conversions"]
        result.pictures |= _pictures(whole)
    if subject.model:
        result.facts = {"latent": fitted.facts["latent"], **result.facts}
        ssim = result.tables[subject.name]["ssim"].to_numpy()
        numbers = pictures.ranks(ssim, subject.settings.picture_rows).reshape(-1)
        (sheet,) = shards.run(measure, [shard.Sheet(numbers, ssim[numbers])], keep / "sheet", engine, cpus=cpus)
        result.pictures |= _pictures(sheet)
    return result


def of_variant(
    name: str, folder: Path, baselines: Subject, photographs: pd.DataFrame, keep: Path, engine: Engine
) -> Evaluation:
    """Evaluate the variant `name`, whose model and facts are in `folder`, on what the `baselines` are evaluated on."""
    trained = read_json(folder / "facts.json")
    recipe = trained["recipe"]
    model = folder / "model.keras"
    subject = replace(baselines, name=name, model=model, input=recipe["input"], target=recipe["target"])
    result = evaluate(subject, photographs, keep, engine)
    result.facts = {**{fact: trained[fact] for fact in ("parameters", "epochs")}, **result.facts}
    return result


def whole_photographs(manifest: pd.DataFrame, patch: int, megapixels: float) -> pd.DataFrame:
    """The rows of the first test photographs that hold a patch, as many as have `megapixels` and at least one."""
    large = manifest[["height", "width"]].min(axis=1) >= patch
    table = manifest[large].query("split == 'test'")
    before = (table["height"] * table["width"]).cumsum().shift(fill_value=0)
    return table[before < megapixels * 1e6]


# === From shards to values ===


@dataclass
class Measured:
    """What the chunks of the test patches measured, combined.

    Attributes:
        planes: by method, of how many planes its outputs are.
        scores: `(methods, n, measures)` of `scores.MEASURES`.
        triangles: by photograph, see `leakage.triangle`.
        sums: over patches, see `shard.measure`.
        latent: moments of the latent of a variational autoencoder.
    """

    planes: dict[str, int]
    scores: np.ndarray
    triangles: dict[str, np.ndarray]
    sums: dict[str, np.ndarray]
    latent: Moments | None


def _combined(chunks: Sequence[Shard], index: pd.DataFrame) -> Measured:
    """Combine chunks of the patches in `index`, in their order."""
    measured: list[np.ndarray] = []
    triangles: dict[str, np.ndarray] = {}
    sums: dict[str, np.ndarray] = {}
    latent: list[Moments] = []
    start = 0
    for chunk in chunks:
        with np.load(chunk.folder / shard.ARRAYS) as file:
            arrays = dict(file)
        measured.append(arrays.pop("scores"))
        stop = start + measured[-1].shape[1]
        photos = pd.unique(index["photo"][start:stop].to_numpy())
        for photo, triangle in zip(photos, arrays.pop("triangles"), strict=True):
            triangles[photo] = leakage.joined([triangles[photo], triangle]) if photo in triangles else triangle
        if "latent_mean" in arrays:
            latent.append(Moments(stop - start, arrays.pop("latent_mean"), arrays.pop("latent_scatter")))
        sums = {name: sums.get(name, 0) + array for name, array in arrays.items()}
        start = stop
    moments = of_all(latent) if latent else None
    return Measured(chunks[0].facts["planes"], np.concatenate(measured, axis=1), triangles, sums, moments)


def _of_patches(
    measured: Measured, index: pd.DataFrame, side: int, settings: Evaluate, isoluma: dict[str, float]
) -> Evaluation:
    """The evaluation of the patches in `index`."""
    patches, sums, result = len(index), measured.sums, Evaluation()
    for name, rows in zip(measured.planes, measured.scores, strict=True):
        result.tables[name] = scores.per_patch(index, name, rows)
    ends = intervals.of_means(result.tables, settings.bootstrap, settings.seed)
    target_variation = float(sums["target_variation"]) / patches
    first = 0
    for number, (name, planes) in enumerate(measured.planes.items()):
        noisy = zip(settings.noise_levels, (sums["noise"][number] / patches).tolist(), strict=True)
        chroma = leakage.of_triangles(measured.triangles, slice(first, first + planes))
        per_photo = chroma.pop("chroma_r2_per_photo")
        photographs = scores.by_photograph(result.tables[name])
        result.photographs[name] = photographs.assign(chroma_r2=photographs["photo"].map(per_photo))
        result.bands[name] = frequency.bands(name, sums["error"][number], sums["detail"], patches * side**2)
        result.probes[name] = {
            "interval": ends[name],
            "probes": {
                **chroma,
                "isoluma_contrast": isoluma[name],
                "smoothness": noise.smoothness(float(sums["variation"][number]) / patches, target_variation),
                "noise": {
                    str(level): {
                        "psnr": psnr,
                        "ssim": ssim,
                        "smoothness": noise.smoothness(variation, target_variation),
                    }
                    for level, (psnr, ssim, variation) in noisy
                },
            },
        }
        first += planes
    if measured.latent:
        result.facts["kl_nats"] = float(sums["kl_nats"]) / patches
        result.facts["active_units"] = probes.active_units(measured.latent)
    for fact in ("chroma_of_input", "chroma_of_output"):
        if fact in sums:
            result.facts[fact] = float(sums[fact]) / patches
    return result


def _pictures(finished: Shard) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in sorted(finished.folder.glob("*.npy"))}
