"""Evaluate one variant or the baselines: fit, score all shards, and combine their results in the order of the patches.

Memory holds the scores of every test patch, and the pixels of one shard.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
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
from stages.evaluate import frequency, leakage, methods, noise, pictures, probes, reference, scores, shard
from stages.evaluate.chunks import opened, spans
from stages.evaluate.measures import HEADLINE
from stages.evaluate.methods import Subject
from stages.evaluate.moments import Moments, of_all
from stages.evaluate.scores import Interval
from stages.evaluate.shard import Chunk, Photograph, Sheet
from stages.formats.patches import PatchSet

TRAINED = ("trainable", "parameters", "epochs", "steps", "macs")  # facts of training that the summary repeats


@dataclass
class Evaluation:
    """The results of an evaluation, tables and probes by method."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)  # a row per test patch
    photographs: dict[str, pd.DataFrame] = field(default_factory=dict)  # a row per test photograph, with `chroma_r2`
    bands: dict[str, pd.DataFrame] = field(default_factory=dict)  # a row per band of spatial frequency
    contrast: list[dict[str, Any]] = field(default_factory=list)  # rows: method and whole test photograph
    conversions: list[dict[str, Any]] = field(default_factory=list)  # rows: standard conversion and whole photograph
    restored: list[dict[str, Any]] = field(default_factory=list)  # rows: damage, method and whole photograph
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)  # and the interval over photographs
    facts: dict[str, Any] = field(default_factory=dict)  # what the summary says beside the methods
    pictures: dict[str, np.ndarray] = field(default_factory=dict)  # by file name, `(height, width, channels)` uint8

    def summary(self) -> dict[str, Any]:
        """The facts, and by method its mean scores, interval and probes."""
        found = {name: {**scores.summarise(table), **self.probes[name]} for name, table in self.tables.items()}
        return {**self.facts, "scores": found}


def evaluate(subject: Subject, photographs: pd.DataFrame, keep: Path, engine: Engine) -> Evaluation:
    """Evaluate `subject` on its patches and on whole `photographs`, the first of which is shown as a picture, too.

    Finished shards are kept in `keep`.

    Raises:
        ArtifactError: patches, photographs or the model are missing or damaged.
        StageError: a worker was killed.
        ValueError: patches are smaller than a window of SSIM.
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
    result = _of_patches(chunks, parts, test, subject.settings, fitted.facts["hue_contrast"])
    for whole in finished:
        result.contrast += whole.facts["contrast"]
        result.conversions += whole.facts["conversions"]
        result.restored += whole.facts["restored"]
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
    """Evaluate the variant `name`, whose model and facts are in `folder`, on what the `baselines` are evaluated on.

    Raises:
        ArtifactError: the model or its facts are missing or damaged.
        StageError, ValueError: see `evaluate`.
    """
    trained = read_json(folder / "facts.json")
    recipe = trained["recipe"]
    sees = {"input": recipe["input"], "target": recipe["target"], "restores": recipe["degrade"] > 0}
    subject = replace(baselines, name=name, model=folder / "model.keras", **sees)
    result = evaluate(subject, photographs, keep, engine)
    result.facts = {**{fact: trained[fact] for fact in TRAINED}, **result.facts}
    return result


def whole_photographs(manifest: pd.DataFrame, patch: int, megapixels: float) -> pd.DataFrame:
    """The rows of the first test photographs that hold a patch, as many as have `megapixels` and at least one."""
    large = manifest[["height", "width"]].min(axis=1) >= patch
    table = manifest[large].query("split == 'test'")
    before = (table["height"] * table["width"]).cumsum().shift(fill_value=0)
    return table[before < megapixels * 1e6]


# === From shards to values ===


def _of_patches(
    tasks: Sequence[Chunk], chunks: Sequence[Shard], test: PatchSet, settings: Evaluate, hue: dict[str, float]
) -> Evaluation:
    """The evaluation of the patches `test`, whose chunks are finished; `hue` is the hue contrast by method."""
    result, patches, planes = Evaluation(), len(test), chunks[0].facts["planes"]
    measured = np.concatenate(list(_arrays(chunks, "scores")), axis=1)
    noisy = np.concatenate(list(_arrays(chunks, "noise")), axis=2)
    triangles = _triangles(tasks, chunks, test.index["photo"])
    beside = _beside_codes(chunks, patches, triangles, sum(planes.values()))
    conditions = [f"{kind}_{level}" for kind, level in noise.conditions(settings.noise)]
    error, detail, variation = (_sum(chunks, name) for name in ("error", "detail", "variation"))
    first = 0
    for number, (name, count) in enumerate(planes.items()):
        table = result.tables[name] = scores.per_patch(test.index, name, measured[number])
        chroma = leakage.of_triangles(triangles, slice(first, first + count))
        per_photo = chroma.pop("chroma_r2_per_photo")
        photographs = scores.by_photograph(table)
        result.photographs[name] = photographs.assign(chroma_r2=photographs["photo"].map(per_photo))
        result.bands[name] = frequency.bands(name, error[number], detail, patches * test.patch**2)
        result.probes[name] = {
            "interval": {
                key: asdict(Interval.of(photographs[key])) if photographs[key].count() > 1 else None for key in HEADLINE
            },
            "probes": {
                **chroma,
                **beside(float(table["mse"].mean()), chroma["chroma_levels"], variation[number] / patches),
                "hue_contrast": hue[name],
                "noise": {
                    condition: {key: found[key] for key in HEADLINE}
                    for condition, found in zip(conditions, map(scores.averages, noisy[number]), strict=True)
                },
            },
        }
        first += count
    result.facts = _of_network(tasks, chunks, patches)
    return result


def _beside_codes(
    chunks: Sequence[Shard], patches: int, triangles: dict[str, np.ndarray], first: int
) -> Callable[[float, float, float], dict[str, float]]:
    """Probes by error, chroma and total variation, beside a code of equal error: those of planes from `first` on."""
    target = float(_sum(chunks, "target_variation")) / patches
    variations = _sum(chunks, "reference_variation") / patches
    errors = _sum(chunks, "reference_mse") / patches
    smooth = np.array([noise.smoothness(float(each), target) for each in variations])
    planes = [slice(first + number, first + number + 1) for number in range(len(variations))]
    chroma = np.array([leakage.of_triangles(triangles, plane)["chroma_levels"] for plane in planes])

    def beside(mse: float, chroma_levels: float, variation: float) -> dict[str, float]:
        return {
            "chroma_excess": chroma_levels - reference.at(mse, errors, chroma, exact=0),
            "smoothness": noise.smoothness(variation, target),
            "smoothness_reference": reference.at(mse, errors, smooth, exact=1),
        }

    return beside


def _of_network(tasks: Sequence[Chunk], chunks: Sequence[Shard], patches: int) -> dict[str, Any]:
    """What the summary says of a network itself; nothing for the baselines."""
    arrays = chunks[0].facts["arrays"]
    facts: dict[str, Any] = {}
    if "start" in arrays:
        at_start = scores.averages(np.concatenate(list(_arrays(chunks, "start"))))
        facts["start"] = {key: at_start[key] for key in HEADLINE}
    if "kl_nats" in arrays:
        facts["kl_nats"] = float(_sum(chunks, "kl_nats")) / patches
        sizes = (stop - start for _, start, stop in tasks)
        latent = map(Moments, sizes, _arrays(chunks, "latent_mean"), _arrays(chunks, "latent_scatter"))
        facts["active_units"] = probes.active_units(of_all(latent))
    sums = ("chroma_of_input", "chroma_of_output")
    return facts | {fact: float(_sum(chunks, fact)) / patches for fact in sums if fact in arrays}


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
