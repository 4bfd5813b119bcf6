"""Evaluate one variant or the baselines: fit, score all shards, combine their results.

Memory holds the scores of every test patch and the pixels of one shard.
"""

import functools
import operator
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
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
from stages.evaluate import leakage, methods, noise, probes, scores, shard
from stages.evaluate.chunks import Moments, of_all, opened, spans
from stages.evaluate.measures import HEADLINE
from stages.evaluate.methods import Subject
from stages.evaluate.scores import Interval
from stages.evaluate.shard import Chunk, Photograph
from stages.formats.patches import PatchSet

TRAINED = ("trainable", "parameters", "epochs", "steps", "macs")  # facts of training that go into the summary


@dataclass
class Evaluation:
    """The results of an evaluation."""

    tables: dict[str, pd.DataFrame]  # by file: scores, quantiles, photographs, bands, contrast, restored, conversions
    scores: dict[str, dict[str, Any]]  # by method: means, interval over photographs, probes
    facts: dict[str, Any]  # of the summary, besides the methods
    pictures: dict[str, np.ndarray]  # by file, `(height, width)` or `(height, width, 3)` uint8

    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        return {**self.facts, "scores": self.scores}


def evaluate(subject: Subject, photographs: pd.DataFrame, keep: Path, engine: Engine) -> Evaluation:
    """Evaluate `subject` on its patches and on whole `photographs`; the first one becomes a picture.

    Finished shards are kept in `keep`. `ArtifactError`: patches, photographs or the model are missing or damaged;
    `StageError`: a worker was killed; `ValueError`: patches are smaller than a window of SSIM.
    """
    cpus = subject.settings.threads
    (fitted,) = shards.run(methods.fit, [subject], keep / "fits", engine, cpus=cpus)
    test = opened(subject.test)
    tasks = [Chunk(number, *span) for number, span in enumerate(spans(len(test), test.patch))]
    names = zip(photographs["name"], photographs["domain"], strict=True)
    wholes = [Photograph(*name, shown=number == 0) for number, name in enumerate(names)]

    measure = partial(shard.measure, subject, fitted.folder)  # one run for both, so that a worker loads the model once
    finished = list(shards.run(measure, [*tasks, *wholes], keep / "measured", engine, cpus=cpus))
    chunks, rest = finished[: len(tasks)], finished[len(tasks) :]
    result = _of_patches(tasks, chunks, test, subject.settings, fitted.facts["hue_contrast"])
    rows = {name: [row for whole in rest for row in whole.facts[name]] for name in ("contrast", "conversions")}
    result.tables |= {name: pd.DataFrame(found) for name, found in rows.items() if found}
    restored = [row for whole in rest for row in whole.facts["restored"]]
    result.tables["restored"] = pd.DataFrame(restored, columns=[*scores.RESTORED, *probes.COLUMNS])
    if subject.model:
        result.facts = {"latent": fitted.facts["latent"], **result.facts}
    result.pictures = {path.stem: np.load(path) for found in rest for path in sorted(found.folder.glob("*.npy"))}
    return result


def of_variant(
    name: str, folder: Path, baselines: Subject, photographs: pd.DataFrame, keep: Path, engine: Engine
) -> Evaluation:
    """`evaluate` the variant `name`, whose model and facts are in `folder`, on the data of `baselines`."""
    trained = read_json(folder / "facts.json")
    recipe = trained["recipe"]
    sees = {"input": recipe["input"], "target": recipe["target"], "restores": recipe["degrade"] > 0}
    subject = replace(baselines, name=name, model=folder / "model.keras", **sees)
    result = evaluate(subject, photographs, keep, engine)
    result.facts = {**{fact: trained[fact] for fact in TRAINED}, **result.facts}
    return result


def whole_photographs(manifest: pd.DataFrame, patch: int, megapixels: float) -> pd.DataFrame:
    """Rows of the first test photographs that hold a patch, until `megapixels` are reached; at least one."""
    large = manifest[["height", "width"]].min(axis=1) >= patch
    table = manifest[large].query("split == 'test'")
    before = (table["height"] * table["width"]).cumsum().shift(fill_value=0)
    return table[before < megapixels * 1e6]


# === Combine shards ===


def _of_patches(
    tasks: Sequence[Chunk], chunks: Sequence[Shard], test: PatchSet, settings: Evaluate, hue: dict[str, float]
) -> Evaluation:
    """Combine the chunks of the patches `test`; `hue` is the hue contrast by method."""
    planes = chunks[0].facts["planes"]
    measured = np.concatenate(list(_arrays(chunks, "scores")), axis=1)
    noisy = np.concatenate(list(_arrays(chunks, "noise")), axis=2)
    triangles = _triangles(tasks, chunks, test.index["photo"])
    conditions = [f"{kind}_{level}" for kind, level in noise.conditions(settings.noise)]
    error, detail, variation = (_sum(chunks, name) for name in ("error", "detail", "variation"))
    # The codes of equal error, see `probes`. Their residuals come after those of the methods.
    mse_of_codes = _sum(chunks, "reference_mse") / len(test)
    target = float(_sum(chunks, "target_variation")) / len(test)
    rough = _sum(chunks, "reference_variation") / len(test)
    smoothness = np.array([probes.smoothness(each, target) for each in rough])
    last = sum(planes.values())
    codes = [slice(plane, plane + 1) for plane in range(last, last + len(mse_of_codes))]
    leaked = np.array([leakage.of_triangles(triangles, code)["chroma_levels"] for code in codes])
    tables: dict[str, list[pd.DataFrame]] = defaultdict(list)
    found, first = {}, 0
    for number, (name, count) in enumerate(planes.items()):
        table = scores.per_patch(test.index, name, measured[number])
        mse = table["mse"].mean()
        photographs = scores.by_photograph(table)
        chroma = leakage.of_triangles(triangles, slice(first, first + count))
        photographs["chroma_r2"] = photographs["photo"].map(chroma.pop("chroma_r2_per_photo"))
        tables["scores"].append(table)
        tables["quantiles"].append(scores.quantiles(table))
        tables["photographs"].append(photographs)
        tables["bands"].append(probes.bands(name, error[number], detail, len(test) * test.patch**2))
        found[name] = {
            **scores.summarise(table),
            "interval": {
                key: asdict(Interval.of(photographs[key])) if photographs[key].count() > 1 else None for key in HEADLINE
            },
            "probes": {
                **chroma,
                "chroma_excess": chroma["chroma_levels"] - probes.at_error(mse, mse_of_codes, leaked, exact=0),
                "smoothness": probes.smoothness(variation[number] / len(test), target),
                "smoothness_reference": probes.at_error(mse, mse_of_codes, smoothness, exact=1),
                "hue_contrast": hue[name],
                "noise": {
                    condition: _headline(each) for condition, each in zip(conditions, noisy[number], strict=True)
                },
            },
        }
        first += count
    joined = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    return Evaluation(joined, found, _of_network(chunks, len(test)), {})


def _headline(measured: np.ndarray) -> dict[str, Any]:
    """The headline measures of `scores.averages`."""
    found = scores.averages(measured)
    return {key: found[key] for key in HEADLINE}


def _of_network(chunks: Sequence[Shard], patches: int) -> dict[str, Any]:
    """Facts about a network; empty for the baselines."""
    arrays = chunks[0].facts["arrays"]
    facts: dict[str, Any] = {}
    if "start" in arrays:
        facts["start"] = _headline(np.concatenate(list(_arrays(chunks, "start"))))
    if "kl_nats" in arrays:
        facts["kl_nats"] = float(_sum(chunks, "kl_nats")) / patches
        parts = (_arrays(chunks, f"latent_{part}") for part in ("count", "mean", "scatter"))
        facts["active_units"] = probes.active_units(of_all(map(Moments, *parts)))
    sums = ("chroma_of_input", "chroma_of_output")
    return facts | {fact: float(_sum(chunks, fact)) / patches for fact in sums if fact in arrays}


def _arrays(chunks: Sequence[Shard], name: str) -> Iterator[np.ndarray]:
    """The array `name` of each chunk, one at a time."""
    for chunk in chunks:
        with np.load(chunk.folder / shard.ARRAYS) as file:
            yield file[name]


def _sum(chunks: Sequence[Shard], name: str) -> np.ndarray:
    return functools.reduce(operator.add, _arrays(chunks, name))


def _triangles(tasks: Sequence[Chunk], chunks: Sequence[Shard], photos: pd.Series) -> dict[str, np.ndarray]:
    """The `leakage.triangle` of each photograph, joined over chunks."""
    joined: dict[str, np.ndarray] = {}
    for (_, start, stop), triangles in zip(tasks, _arrays(chunks, "triangles"), strict=True):
        for photo, triangle in zip(photos[start:stop].unique(), triangles, strict=True):
            joined[photo] = leakage.joined([joined[photo], triangle]) if photo in joined else triangle
    return joined
