"""The evaluation of one thing, the baselines or a variant: fitted, mapped over shards, and put together in their order.

What comes out are values in memory, as many as there are test patches; their pixels are only ever seen in shards.
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
from stages.evaluate import fits, frequency, intervals, leakage, noise, pictures, probes, scores, shard
from stages.evaluate.chunks import opened, spans
from stages.evaluate.methods import Subject
from stages.evaluate.moments import Moments, of_all
from stages.evaluate.shard import MEASURED, Chunk, Sheet, Whole


@dataclass
class Evaluation:
    """What an evaluation found: tables by method, facts for the summary, pictures by file name.

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
        found = {name: {**scores.summarise(table), **self.probes[name]} for name, table in self.tables.items()}
        return {**self.facts, "scores": found}


def evaluate(subject: Subject, photographs: pd.DataFrame, keep: Path, where: Engine) -> Evaluation:
    """Evaluate `subject`.

    Args:
        subject: what is evaluated, on what, and how.
        photographs: name and domain of the whole test photographs to convert, see `whole_photographs`; the first is
            shown as a picture, too.
        keep: the folder for finished shards.
        where: the engine.
    """
    run = partial(shards.run, where=where, cpus=subject.settings.threads)
    (fitted,) = run(fits.fit, [subject], keep / "fits")
    test = opened(subject.test)
    spots = enumerate(spans(len(test), test.patch))
    chunks = [Chunk(subject, fitted.folder, number, start, stop) for number, (start, stop) in spots]
    names = enumerate(zip(photographs["name"], photographs["domain"], strict=True))
    wholes = [Whole(subject, fitted.folder, name, domain, number == 0) for number, (name, domain) in names]

    done = run(shard.measure, [*chunks, *wholes], keep / "measured")  # one map: a worker loads the model once
    found = _joined([next(done) for _ in chunks], test.index)
    result = _of_patches(found, test.index, test.patch, subject.settings, fitted.facts["isoluma_contrast"])
    for finished in done:
        result.contrast += finished.facts["contrast"]
        result.conversions += finished.facts["conversions"]
        result.pictures |= _pictures(finished)
    if subject.model:
        result.facts = {"latent": fitted.facts["latent"], **result.facts}
        task = _sheet(subject, fitted.folder, result.tables[subject.name]["ssim"].to_numpy())
        (sheet,) = run(shard.measure, [task], keep / "sheet")
        result.pictures |= _pictures(sheet)
    return result


def of_variant(
    name: str, folder: Path, baselines: Subject, photographs: pd.DataFrame, keep: Path, where: Engine
) -> Evaluation:
    """Evaluate the variant `name`, whose model and facts are in `folder`, on what the `baselines` are evaluated on."""
    trained = read_json(folder / "facts.json")
    recipe = trained["recipe"]
    model = folder / "model.keras"
    subject = replace(baselines, name=name, model=model, sees=recipe["input"], makes=recipe["target"])
    result = evaluate(subject, photographs, keep, where)
    result.facts = {**{fact: trained[fact] for fact in ("parameters", "epochs")}, **result.facts}
    return result


def whole_photographs(manifest: pd.DataFrame, patch: int, megapixels: float) -> pd.DataFrame:
    """The rows of the first test photographs that hold a patch, as many as have `megapixels` and at least one."""
    large = manifest[["height", "width"]].min(axis=1) >= patch
    table = manifest[large].query("split == 'test'")
    before = (table["height"] * table["width"]).cumsum().shift(fill_value=0)
    return table[before < megapixels * 1e6]


# === From shards to values ===


@dataclass(frozen=True)
class Found:
    """What the chunks of the test patches found, put together.

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


def _joined(chunks: Sequence[Shard], index: pd.DataFrame) -> Found:
    """Put chunks of the patches in `index` together, in their order."""
    measured: list[np.ndarray] = []
    triangles: dict[str, np.ndarray] = {}
    sums: dict[str, np.ndarray] = {}
    latent: list[Moments] = []
    start = 0
    for chunk in chunks:
        with np.load(chunk.folder / MEASURED) as file:
            found = dict(file)
        measured.append(found.pop("scores"))
        stop = start + measured[-1].shape[1]
        photos = pd.unique(index["photo"][start:stop].to_numpy())
        for photo, triangle in zip(photos, found.pop("triangles"), strict=True):
            triangles[photo] = leakage.joined([triangles[photo], triangle]) if photo in triangles else triangle
        if "latent_mean" in found:
            latent.append(Moments(stop - start, found.pop("latent_mean"), found.pop("latent_scatter")))
        sums = {name: sums.get(name, 0) + array for name, array in found.items()}
        start = stop
    planes = dict(zip(chunks[0].facts["methods"], chunks[0].facts["planes"], strict=True))
    return Found(planes, np.concatenate(measured, axis=1), triangles, sums, of_all(latent) if latent else None)


def _of_patches(
    found: Found, index: pd.DataFrame, side: int, settings: Evaluate, isoluma: dict[str, float]
) -> Evaluation:
    """The evaluation of the patches in `index`, whose shards found `found`."""
    patches, sums, result = len(index), found.sums, Evaluation()
    for name, rows in zip(found.planes, found.scores, strict=True):
        result.tables[name] = scores.per_patch(index, name, rows)
    ends = intervals.of_means(result.tables, settings.bootstrap, settings.seed)
    wanted = float(sums["wanted"])
    first = 0
    for number, (name, planes) in enumerate(found.planes.items()):
        noisy = zip(settings.noise_levels, sums["noise"][number], strict=True)
        chroma = leakage.of_triangles(found.triangles, slice(first, first + planes))
        per_photo = chroma.pop("chroma_r2_per_photo")
        photographs = scores.by_photograph(result.tables[name])
        result.photographs[name] = photographs.assign(chroma_r2=photographs["photo"].map(per_photo))
        result.bands[name] = frequency.bands(name, sums["error"][number], sums["detail"], patches * side**2)
        result.probes[name] = {
            "interval": ends[name],
            "probes": {
                **chroma,
                "isoluma_contrast": isoluma[name],
                "smoothness": noise.smoothness(float(sums["variation"][number]) / patches, wanted / patches),
                "noise": {str(level): noise.means(row, wanted, patches) for level, row in noisy},
            },
        }
        first += planes
    if found.latent:
        result.facts["kl_nats"] = float(sums["kl_nats"]) / patches
        result.facts["active_units"] = probes.active_units(found.latent)
    for fact in ("chroma_of_input", "chroma_of_output"):
        if fact in sums:
            result.facts[fact] = float(sums[fact]) / patches
    return result


def _sheet(subject: Subject, fitted: Path, ssim: np.ndarray) -> Sheet:
    """The task of drawing the worst, median and best patches by `ssim` `(n,)`."""
    ranks = pictures.ranks(ssim, subject.settings.picture_rows)
    numbers = np.concatenate(list(ranks.values()))
    places = np.split(np.arange(len(numbers)), len(ranks))
    return Sheet(subject, fitted, numbers, dict(zip(ranks, places, strict=True)), ssim[numbers])


def _pictures(finished: Shard) -> dict[str, np.ndarray]:
    return {path.stem: np.load(path) for path in sorted(finished.folder.glob("*.npy"))}
