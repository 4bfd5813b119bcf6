"""What an evaluation scores, method by method: closed forms, or a network beside its yardsticks, once they are fitted.

A `Subject` is picklable, so that it can be sent to where a shard of the evaluation is done. Nothing is scored here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from grayscale.core.tensorflow_import import tensorflow_import
from stages.common.settings import Evaluate
from stages.evaluate import baselines, probes

# Colour (n, side, side, 3) in [0, 1] → (n, side, side) or (n, side, side, 3), whatever is outside [0, 1] to be clipped.
# PCA and a network that sees gray convert nothing: they look at the second argument, gray (n, side, side), instead.
Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Subject:
    """What is evaluated, on what, and how: a variant, or without a model the baselines.

    Attributes:
        name: of the variant, or `baselines`.
        train: the patch set that PCA and the 1 × 1 convolution are fitted on.
        validation: the patch set that read-outs are fitted on.
        test: the patch set that is scored.
        photos: the container with the whole test photographs.
        conversion: the key of `CONVERSIONS` that makes their targets.
        settings: of the probes and pictures.
        model: the model file.
        sees: what the network sees, "colour" or "gray".
        makes: what it makes.
    """

    name: str
    train: Path
    validation: Path
    test: Path
    photos: Path
    conversion: str
    settings: Evaluate
    model: Path | None = None
    sees: str = "colour"
    makes: str = "gray"

    def see(self, colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        """Colour `(n, side, side, 3)` or gray `(n, side, side)`, as the network wants it: with an axis of channels."""
        return colour if self.sees == "colour" else gray[..., None]


def of(subject: Subject, fits: Mapping[str, np.ndarray]) -> dict[str, Method]:
    """The methods that are scored, by name.

    Args:
        subject: what is evaluated.
        fits: what `fits.fit` found.
    """
    if subject.model is None:
        closed = {name: _of_colour(form) for name, form in baselines.CLOSED_FORMS.items()}
        return {**closed, "conv1x1": lambda colour, _: baselines.conv1x1(colour, fits["conv1x1"])}
    networks, model = loaded(subject.model, subject.settings.threads)

    def network(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return networks.predict(model, subject.see(colour, gray))

    def pca(_: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return baselines.pca(gray, fits["pca_mean"], fits["pca_directions"])

    def luma(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return baselines.luma(network(colour, gray))

    def latent_channel(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        latent, _ = networks.encode(model, subject.see(colour, gray))
        return probes.read_out(latent, fits["read_out"], gray.shape[1])

    yardstick = {f"pca_{fits['components']}": pca}
    if subject.makes == "gray":
        return {subject.name: lambda colour, gray: network(colour, gray)[..., 0], **yardstick}
    read_outs = {f"{subject.name}_latent_channel": latent_channel} if "read_out" in fits else {}
    return {subject.name: network, **yardstick, f"{subject.name}_luma": luma, **read_outs}


def on_colour(method: Method) -> baselines.Closed:
    """The method for colour without a target, such as a whole photograph: gray is its luma, unrounded."""
    return lambda colour: method(colour, baselines.luma(colour))


def _of_colour(form: baselines.Closed) -> Method:
    return lambda colour, _: form(colour)


@lru_cache(maxsize=1)
def loaded(path: Path, threads: int) -> tuple[ModuleType, Any]:
    """The module `networks`, and the model in a file: once in a process, and nothing of TensorFlow before it."""
    networks = _prepared(threads)
    return networks, networks.load(path)


@cache
def _prepared(threads: int) -> ModuleType:
    with tensorflow_import():  # here, because the baselines run no network
        from stages.evaluate import networks
        from stages.train import precision
    precision.prepare(threads=threads, dtype="float64")
    return networks
