"""Evaluates one shard, a chunk of test patches or a whole photograph, by all methods. evaluation.py combines shards."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from grayscale import damage
from grayscale.conversions import CONVERSIONS
from grayscale.core.levels import levels, to_unit
from stages.evaluate import (
    baselines,
    decolorization,
    leakage,
    measures,
    methods,
    noise,
    pictures,
    probes,
    scores,
)
from stages.evaluate.chunks import Moments, opened, pair
from stages.evaluate.decolorization import Pairs
from stages.evaluate.methods import Method, Subject
from stages.formats import patches
from stages.formats.container import Container

ARRAYS = "arrays.npz"


class Chunk(NamedTuple):
    """The test patches from `start` to `stop` − 1."""

    number: int
    start: int
    stop: int


class Photograph(NamedTuple):
    """A whole test photograph; pictures are written if it is `shown`."""

    name: str
    domain: str
    shown: bool


def measure(subject: Subject, fitted: Path, task: Chunk | Photograph, folder: Path) -> dict[str, Any]:
    """Evaluate one shard: write arrays and pictures into `folder`, and return facts.

    `fitted` is the folder that `methods.fit` wrote into. Errors: see `evaluation.evaluate`.
    """
    if isinstance(task, Photograph):
        return _photograph(subject, fitted, task, folder)
    return _chunk(subject, methods.of(subject, fitted), task, folder)


# === Test patches ===


def _chunk(subject: Subject, used: dict[str, Method], chunk: Chunk, folder: Path) -> dict[str, Any]:
    """Facts: the number of `planes` by method, and the names of the `arrays`. Arrays:

    `scores` `(methods, n, measures)`; `noise` `(methods, conditions, n, measures)`; `probes.sums`; `triangles`
    `(photographs, …)` of all methods, then of `probes.codes_of`; of a network `start` `(n, measures)` and `of_network`,
    with the parts of its moments as `latent_…`.
    """
    test = opened(subject.test)
    colour, targets = pair(test, np.arange(chunk.start, chunk.stop))
    photos = test.index["photo"][chunk.start : chunk.stop].to_numpy()
    used = {name: by_photo(method, photos) for name, method in used.items()}
    outputs = {name: scores.planes(method(colour, targets)) for name, method in used.items()}
    codes = probes.codes_of(targets)
    arrays: dict[str, Any] = {
        "scores": [scores.measure(targets, planes) for planes in outputs.values()],
        **probes.sums(targets, outputs.values(), codes),
        "triangles": leakage.triangles(photos, colour, np.concatenate([*outputs.values(), codes]) - targets),
    }
    planes = {name: len(output) for name, output in outputs.items()}
    del outputs, codes  # frees memory for the noise
    arrays["noise"] = _under_noise(subject, used, chunk, colour, targets)
    if subject.model:
        at_start = by_photo(subject.start().predict, photos)(colour, targets)
        arrays["start"] = scores.measure(targets, scores.planes(at_start))
        arrays |= of_network(subject, colour, targets)
        if latent := arrays.pop("latent", None):
            arrays |= {f"latent_{part}": value for part, value in vars(latent).items()}
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
    return {"planes": planes, "arrays": list(arrays)}


def by_photo(method: Method, photos: np.ndarray) -> Method:
    """The method, called for one photograph at a time; `photos` has the name for each patch."""
    borders = np.flatnonzero(photos[1:] != photos[:-1]) + 1
    return lambda *images: np.concatenate(
        [method(*parts) for parts in zip(*(np.split(image, borders) for image in images), strict=True)]
    )


def _under_noise(
    subject: Subject, used: dict[str, Method], chunk: Chunk, colour: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Scores of noisy colour against clean targets, `(methods, conditions, n, measures)`."""
    found = []
    for kind, level in noise.conditions(subject.settings.noise):
        noisy = noise.noisy(colour, kind, level, [subject.settings.seed, chunk.number])
        gray = baselines.luma(noisy)
        found.append([scores.measure(targets, scores.planes(method(noisy, gray))) for method in used.values()])
    return np.stack(found, axis=1)


def of_network(subject: Subject, colour: np.ndarray, gray: np.ndarray) -> dict[str, Any]:
    """Sums over patches that only some networks have.

    These are `kl_nats` and the `Moments` of the `latent` of a variational autoencoder, and `chroma_of_input` and
    `chroma_of_output` of a colour output.
    """
    found: dict[str, Any] = {}
    networks, model = subject.network()
    if networks.is_variational(model):
        latent, log_variance = subject.encode(colour, gray)
        assert log_variance is not None
        found |= {"kl_nats": probes.kl_nats(latent, log_variance).sum(), "latent": Moments.of(latent)}
    if subject.target == "colour":
        found["chroma_of_input"] = measures.chroma(colour).sum()
        found["chroma_of_output"] = measures.chroma(subject.predict(colour, gray)).sum()
    return found


# === Whole photographs ===


def _photograph(subject: Subject, fitted: Path, task: Photograph, folder: Path) -> dict[str, Any]:
    """Facts: rows of `contrast`, `restored` and, for the baselines, `conversions`. Pictures are written as .npy."""
    colour = _photos(subject.photos).read(task.name)
    subject = replace(subject, levels=tuple(damage.estimate(colour)))
    used = methods.of(subject, fitted)
    target = CONVERSIONS[subject.conversion](colour)
    pairs = decolorization.pairs_of(colour, subject.settings.seed)

    def row(output: np.ndarray) -> dict[str, Any]:
        return {"photo": task.name, "domain": task.domain, **of_whole(to_unit(target), pairs, output)}

    contrast, conversions, pictured = [], [], {}
    if subject.model is None:
        contrast.append({"method": "target", **row(to_unit(target))})
        conversions = [{"conversion": name, **row(to_unit(convert(colour)))} for name, convert in CONVERSIONS.items()]
        pictured = {"photograph_colour": colour, "photograph_gray": target}
    for name, method in used.items():
        output = methods.whole(subject, name, method, colour)
        contrast.append({"method": name, **row(output)})
        if name == subject.name:
            pictured = {"photograph": levels(output, bits=8)}
    if task.shown:
        for title, picture in pictured.items():
            np.save(folder / f"{title}.npy", picture)
    restored = _restored(subject, fitted, task, colour, to_unit(target), folder) if subject.restores else []
    return {"contrast": contrast, "conversions": conversions, "restored": restored}


def _restored(
    subject: Subject, fitted: Path, task: Photograph, colour: np.ndarray, target: np.ndarray, folder: Path
) -> list[dict[str, Any]]:
    """A row per damage and method: scores of the damaged photograph's output against the clean target.

    Methods are the baselines and `FILTERS`; or a network, the same before its first step (`_start`), and, if it sees
    the damage, the same with the true level of Gaussian noise (`_told`). The noise shown in pictures also has the error
    by spatial frequency; a shown photograph has pictures of its middle in `folder`.
    """
    rows = []
    patch = opened(subject.test).patch
    corners = patches.grid(target.shape[0], target.shape[1], patch, patch)

    def energies(image: np.ndarray) -> np.ndarray:
        return probes.energies(patches.cut(image[..., None], corners, patch)[..., 0])

    detail = energies(target)
    for kind, level in [("gaussian", 0), *noise.conditions(subject.settings.noise)]:
        clean = to_unit(colour)
        damaged = noise.noisy(clean[None], kind, level, [subject.settings.seed, *task.name.encode()])[0]
        told = replace(subject, levels=tuple(damage.estimate(np.rint(255 * damaged).astype(np.uint8))))
        if subject.model:
            subjects = {subject.name: told, f"{subject.name}_start": told.start()}
            if kind == "gaussian" and subject.input == "colour_damage":
                subjects[f"{subject.name}_told"] = replace(told, levels=tuple(damage.of_noise(level)))
            used = {name: methods.of(each, fitted)[subject.name] for name, each in subjects.items()}
            outputs = {name: methods.whole(each, subject.name, used[name], damaged) for name, each in subjects.items()}
        else:
            used = methods.of(told, fitted)
            outputs = {name: methods.whole(told, name, method, damaged) for name, method in used.items()}
            gray = baselines.luma(damaged[None])[0]
            sigma = float((gray - baselines.luma(clean[None])[0]).std())
            outputs |= {name: apply(gray, sigma) if sigma else gray for name, apply in baselines.FILTERS.items()}
        shown = (kind, level) == ("gaussian", pictures.noise_shown(subject.settings.noise.gaussian))
        if shown and task.shown:
            seen = {**outputs, "colour": damaged, "clean": target}
            for name in (subject.name,) if subject.model else ("colour", "luma", "nl_means", "clean"):
                np.save(folder / f"noisy_{name}.npy", pictures.middle(levels(seen[name], bits=8)))
        for name, output in outputs.items():
            planes = scores.planes(output[None])
            measured = scores.measure(target[None], planes)[0].tolist()
            row = {"kind": kind, "level": level, "method": name, "photo": task.name, "domain": task.domain}
            rows.append(row | dict(zip(scores.MEASURES, measured, strict=True)))
            if shown:
                bands = probes.bands(name, energies(planes[0, 0] - target), detail, len(corners) * patch**2)
                rows[-1] |= dict(zip(probes.COLUMNS, bands["relative_error_db"], strict=True))
    return rows


def of_whole(target: np.ndarray, pairs: Pairs, output: np.ndarray) -> dict[str, float]:
    """PSNR and SSIM of an output against its target `(height, width)` in [0, 1], and `decolorization.contrast`.

    The output is `(height, width)` or `(height, width, 3)`; values are means over channels. `pairs` belong to the
    photograph's colour.
    """
    rows = [
        {
            "whole_psnr": float(measures.psnr(target[None], plane)[0]),
            "whole_ssim": float(measures.ssim(target[None], plane)[0]),
            **decolorization.contrast(pairs, plane[0]),
        }
        for plane in scores.planes(output[None])
    ]
    return pd.DataFrame(rows).mean().to_dict()


@lru_cache(maxsize=1)
def _photos(folder: Path) -> Container:
    return Container(folder, needed=("test",))
