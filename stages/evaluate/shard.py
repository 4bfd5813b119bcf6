"""One shard of an evaluation: a chunk of the test patches, or one whole photograph, under all methods.

What is found are rows, and sums that add up over shards; evaluation.py puts them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grayscale import tiles
from grayscale.conversions import CONVERSIONS
from grayscale.core.levels import to_unit
from stages.evaluate import (
    baselines,
    decolorization,
    fits,
    frequency,
    leakage,
    measures,
    methods,
    noise,
    pictures,
    probes,
    scores,
)
from stages.evaluate.chunks import opened, pair, spans
from stages.evaluate.decolorization import Pairs
from stages.evaluate.methods import Method, Subject
from stages.evaluate.moments import Moments
from stages.formats import patches
from stages.formats.container import Container

MEASURED = "measured.npz"


@dataclass(frozen=True)
class Chunk:
    """The test patches from `start` to before `stop`, chunk `number`; what was fitted is in the folder `fitted`."""

    subject: Subject
    fitted: Path
    number: int
    start: int
    stop: int


@dataclass(frozen=True)
class Whole:
    """The whole test photograph `name` of a domain; with pictures if it is `shown`."""

    subject: Subject
    fitted: Path
    name: str
    domain: str
    shown: bool


@dataclass(frozen=True)
class Sheet:
    """The picture of the worst, median and best patches.

    Attributes:
        numbers: of the patches.
        groups: by title the positions of its patches among `numbers`.
        ssim: of each.
    """

    subject: Subject
    fitted: Path
    numbers: np.ndarray
    groups: dict[str, np.ndarray]
    ssim: np.ndarray


def measure(task: Chunk | Whole | Sheet, folder: Path) -> dict[str, Any]:
    """Do one shard: write its arrays and pictures into `folder`, and give the rest as facts."""
    ways = methods.of(task.subject, fits.load(task.fitted))
    if isinstance(task, Chunk):
        return _chunk(task, ways, folder)
    if isinstance(task, Whole):
        return _whole(task, ways, folder)
    return _sheet(task, ways, folder)


# === Test patches ===


def _chunk(task: Chunk, ways: dict[str, Method], folder: Path) -> dict[str, Any]:
    """Facts: `methods` and, of each, how many `planes` its outputs have. Arrays, in the order of both:

    `scores` `(methods, n, measures)` of `scores.MEASURES`; the sums over patches `error` `(methods, bands)`, `detail`
    `(bands,)`, `variation` `(methods,)`, `wanted` `()`, `noise` `(methods, levels, 3)`; `triangles`
    `(photographs, …)`; for a colour output the sums `chroma_of_input` and `chroma_of_output`; for a variational
    autoencoder the sum `kl_nats` and the moments of the latent, `latent_mean` and `latent_scatter`.
    """
    subject, test = task.subject, opened(task.subject.test)
    colour, targets = pair(test, np.arange(task.start, task.stop))
    found: dict[str, Any] = {"detail": frequency.energies(targets), "wanted": noise.variation(targets[None])}
    measured, error, variation, residuals, counts = [], [], [], [], []
    for method in ways.values():
        planes = scores.planes(targets, method(colour, targets))
        residuals.append(planes - targets)
        measured.append(scores.measure(targets, planes))
        error.append(np.mean([frequency.energies(plane) for plane in residuals[-1]], axis=0))
        variation.append(noise.variation(planes))
        counts.append(len(planes))
    found |= {"scores": measured, "error": error, "variation": variation}
    found["triangles"] = _triangles(task, colour, np.concatenate(residuals))
    del residuals
    found["noise"] = _under_noise(task, ways, colour, targets)
    found |= _of_network(subject, colour, targets) if subject.model else {}
    np.savez(folder / MEASURED, allow_pickle=False, **found)
    return {"methods": list(ways), "planes": counts}


def _triangles(task: Chunk, colour: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """The triangle of each photograph, in the order of their first patches."""
    photos = opened(task.subject.test).index["photo"][task.start : task.stop].to_numpy()
    masks = [photos == photo for photo in pd.unique(photos)]
    return np.stack([leakage.triangle(colour[mine], residuals[:, mine]) for mine in masks])


def _under_noise(task: Chunk, ways: dict[str, Method], colour: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """`(methods, levels, 3)`; every chunk has its own noise, the first that of the seed alone."""
    settings = task.subject.settings
    found = []
    for level in settings.noise_levels:
        noisy = noise.noisy(colour, level, [settings.seed, task.number])
        gray = baselines.luma(noisy)
        found.append([noise.sums(targets, scores.planes(targets, way(noisy, gray))) for way in ways.values()])
    return np.stack(found, axis=1)


def _of_network(subject: Subject, colour: np.ndarray, gray: np.ndarray) -> dict[str, Any]:
    assert subject.model
    networks, model = methods.loaded(subject.model, subject.settings.threads)
    found: dict[str, Any] = {}
    if networks.is_variational(model):
        latent, log_variance = networks.encode(model, subject.see(colour, gray))
        moments = Moments.of(latent)
        found["kl_nats"] = probes.kl_nats(latent, log_variance).sum()
        found |= {"latent_mean": moments.mean, "latent_scatter": moments.scatter}
    if subject.makes == "colour":
        found["chroma_of_input"] = measures.chroma(colour).sum()
        found["chroma_of_output"] = measures.chroma(networks.predict(model, subject.see(colour, gray))).sum()
    return found


def _sheet(task: Sheet, ways: dict[str, Method], folder: Path) -> dict[str, Any]:
    colour, targets = pair(opened(task.subject.test), task.numbers)
    output = ways[task.subject.name](colour, targets)
    np.save(folder / "patches.npy", pictures.patch_sheet(task.groups, colour, targets, output, task.ssim))
    return {}


# === Whole photographs ===


def _whole(task: Whole, ways: dict[str, Method], folder: Path) -> dict[str, Any]:
    """Facts: rows of `contrast` by method, and for the baselines of `conversions` by conversion. Pictures: as .npy."""
    subject, patch = task.subject, opened(task.subject.test).patch
    colour = _photos(subject.photos).read(task.name)
    target = CONVERSIONS[subject.conversion](colour)
    pairs = decolorization.pairs_of(colour, subject.settings.seed)

    def row(output: np.ndarray) -> dict[str, Any]:
        return {"photo": task.name, "domain": task.domain, **of_whole(to_unit(target), pairs, output)}

    facts: dict[str, Any] = {"contrast": [], "conversions": []}
    if subject.model is None:
        facts["contrast"].append({"method": "target", **row(to_unit(target))})
    for name, method in ways.items():
        output = tiles.whole(methods.on_colour(method), colour, patch)
        facts["contrast"].append({"method": name, **row(output)})
    if subject.model is None:
        for name, conversion in CONVERSIONS.items():
            facts["conversions"].append({"conversion": name, **row(to_unit(conversion(colour)))})
    if task.shown:
        for title, picture in _shown(subject, ways, colour, target, patch).items():
            np.save(folder / f"{title}.npy", picture)
    return facts


def of_whole(target: np.ndarray, pairs: Pairs, output: np.ndarray) -> dict[str, float]:
    """Scores of an output of a whole photograph: PSNR and SSIM against its target, and what contrast it keeps.

    Args:
        target: `(height, width)` in [0, 1].
        pairs: of the photograph's colour.
        output: `(height, width)`, or `(height, width, 3)` whose channels are averaged, in [0, 1].
    """
    found = [
        {
            "whole_psnr": float(measures.psnr(target[None], plane)[0]),
            "whole_ssim": float(measures.ssim(target[None], plane)[0]),
            **decolorization.contrast(pairs, plane[0]),
        }
        for plane in scores.planes(target[None], output[None])
    ]
    return pd.DataFrame(found).mean().to_dict()


def _shown(
    subject: Subject, ways: dict[str, Method], colour: np.ndarray, target: np.ndarray, patch: int
) -> dict[str, np.ndarray]:
    """Pictures by title, `(height, width, channels)` uint8: of the baselines what each variant starts from."""
    corners = patches.grid(target.shape[0], target.shape[1], patch, patch)
    if subject.model is None:
        height, width = corners.max(axis=0) + patch
        return {"photograph_colour": colour[:height, :width], "photograph_gray": target[:height, :width, None]}
    pieces = []
    for start, stop in spans(len(corners), patch):
        tile = to_unit(patches.cut(colour, corners[start:stop], patch))
        gray = to_unit(patches.cut(target[..., None], corners[start:stop], patch))[..., 0]
        output = pictures.to_levels(ways[subject.name](tile, gray))
        pieces.append(output if output.ndim == 4 else output[..., None])
    return {"photograph": patches.join(np.concatenate(pieces), corners)}


@lru_cache(maxsize=1)
def _photos(folder: Path) -> Container:
    return Container(folder, needed=("test",))
