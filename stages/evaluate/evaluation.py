"""Evaluate one variant or the baselines: fit, score all shards, and combine their results in the order of the patches.

Memory holds the scores of every test patch, and the pixels of one shard.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Sequence
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
from stages.evaluate.shard import Chunk, Photograph, Sheet
from stages.formats.patches import PatchSet


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
    chunks = [Chunk(number, *span) for number, span in enumerate(spans(len(test), test.patch))]
    names = zip(photographs["name"], photographs["domain"], strict=True)
    wholes = [Photograph(*name, shown=number == 0) for number, name in enumerate(names)]

    # One map, so that a worker loads the model once.
    finished = shards.run(measure, [*chunks, *wholes], keep / "measured", engine, cpus=cpus)
    parts = [next(finished) for _ in chunks]
    result = _of_patches(chunks, parts, test, subject.settings, fitted.facts["isoluma_contrast"])
    for whole in finished:
        result.contrast += whole.facts["contrast"]
        result.conversions += whole.facts["conversions"]
        result.pictures |= _pictures(whole)
    if subject.model:
        result.facts = {"latent": fitted.facts["latent"], **result.facts}
        ssim = result.tables[subject.name]["ssim"].to_numpy()
        numbers = pictures.ranks(ssim, subject.settings.picture_rows).reshape(-1)
        (sheet,) = shards.run(measure, [Sheet(numbers, ssim[numbers])], keep / "sheet", engine, cpus=cpus)
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


def _of_patches(
    tasks: Sequence[Chunk], chunks: Sequence[Shard], test: PatchSet, settings: Evaluate, isoluma: dict[str, float]
) -> Evaluation:
    """The evaluation of the patches `test`, whose chunks are finished; `isoluma` is the contrast by method."""
    result, patches, planes = Evaluation(), len(test), chunks[0].facts["planes"]
    measured = np.concatenate(list(_arrays(chunks, "scores")), axis=1)
    for name, rows in zip(planes, measured, strict=True):
        result.tables[name] = scores.per_patch(test.index, name, rows)
    ends = intervals.of_means(result.tables, settings.bootstrap, settings.seed)
    triangles = _triangles(tasks, chunks, test.index["photo"])
    target_variation = float(_sum(chunks, "target_variation")) / patches
    error, detail, variation, noisy = (_sum(chunks, name) for name in ("error", "detail", "variation", "noise"))
    first = 0
    for number, (name, count) in enumerate(planes.items()):
        chroma = leakage.of_triangles(triangles, slice(first, first + count))
        per_photo = chroma.pop("chroma_r2_per_photo")
        photographs = scores.by_photograph(result.tables[name])
        result.photographs[name] = photographs.assign(chroma_r2=photographs["photo"].map(per_photo))
        result.bands[name] = frequency.bands(name, error[number], detail, patches * test.patch**2)
        levels = zip(settings.noise_levels, (noisy[number] / patches).tolist(), strict=True)
        result.probes[name] = {
            "interval": ends[name],
            "probes": {
                **chroma,
                "isoluma_contrast": isoluma[name],
                "smoothness": noise.smoothness(float(variation[number]) / patches, target_variation),
                "noise": {
                    str(level): {"psnr": psnr, "ssim": ssim, "smoothness": noise.smoothness(found, target_variation)}
                    for level, (psnr, ssim, found) in levels
                },
            },
        }
        first += count
    arrays = chunks[0].facts["arrays"]
    if "kl_nats" in arrays:
        result.facts["kl_nats"] = float(_sum(chunks, "kl_nats")) / patches
        sizes = (stop - start for _, start, stop in tasks)
        latent = map(Moments, sizes, _arrays(chunks, "latent_mean"), _arrays(chunks, "latent_scatter"))
        result.facts["active_units"] = probes.active_units(of_all(latent))
    for fact in ("chroma_of_input", "chroma_of_output"):
        if fact in arrays:
            result.facts[fact] = float(_sum(chunks, fact)) / patches
    return result


def _arrays(chunks: Sequence[Shard], name: str) -> Iterator[np.ndarray]:
    """The array `name` of each chunk, see `shard.measure`; memory holds one at a time."""
    for chunk in chunks:
        with np.load(chunk.folder / shard.ARRAYS) as file:
            yield file[name]


def _sum(chunks: Sequence[Shard], name: str) -> np.ndarray:
    return functools.reduce(operator.add, _arrays(chunks, name))


def _triangles(tasks: Sequence[Chunk], chunks: Sequence[Shard], photos: pd.Series) -> dict[str, np.ndarray]:
    """The triangle of each photograph, see `leakage.triangle`, from those of its parts in the chunks."""
    joined: dict[str, np.ndarray] = {}
    for (_, start, stop), triangles in zip(tasks, _arrays(chunks, "triangles"), strict=True):
        for photo, triangle in zip(photos[start:stop].unique(), triangles, strict=True):
            joined[photo] = leakage.joined([joined[photo], triangle]) if photo in joined else triangle
    return joined


def _pictures(finished: Shard) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in sorted(finished.folder.glob("*.npy"))}
