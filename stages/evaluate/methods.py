"""The scored methods as functions: closed forms and a 1 × 1 convolution, or a network with PCA, DCT and read-outs."""

import sys
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from grayscale import damage, tiles
from stages.common.settings import Evaluate
from stages.common.tensorflow_import import tensorflow_import
from stages.evaluate import baselines, leakage, probes
from stages.evaluate.baselines import Closed, Method
from stages.evaluate.chunks import of_all, opened, pair, pairs

BASELINES = "baselines"
FITS = "fits.npz"
START = "start.keras"


@dataclass(frozen=True)
class Subject:
    """What is evaluated, on which data: a variant, or the baselines if it has no model. Picklable."""

    test: Path  # the patch set that is scored
    photos: Path  # the container with the whole test photographs
    conversion: str  # the key of `CONVERSIONS` that makes their targets
    settings: Evaluate
    name: str = BASELINES
    model: Path | None = None  # with `start.keras` beside it: the network before its first step
    input: str = "colour"  # of the network; or "gray" or "colour_damage"
    target: str = "gray"  # of its training; or "colour"
    restores: bool = True  # score it on damaged photographs
    levels: tuple[float, ...] | None = None  # of damage; None: estimated from the patches of each call
    train: Path = Path("data/pairs/train")  # fits PCA and the 1 × 1 convolution
    validation: Path = Path("data/pairs/validation")  # fits read-outs

    def predict(self, colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        """The network's output `(n, side, side, channels)` for colour `(n, side, side, 3)` and gray `(n, side, side)`.

        `ArtifactError`: see `networks.load`.
        """
        networks, model = self.network()
        return networks.predict(model, seen(self.input, colour, gray, self.levels))

    def start(self) -> "Subject":
        """The same with the network before its first step."""
        assert self.model
        return replace(self, model=self.model.with_name(START))

    def encode(self, colour: np.ndarray, gray: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The latent of each image, and the log-variance if the network is variational; see `predict`."""
        networks, model = self.network()
        return networks.encode(model, seen(self.input, colour, gray, self.levels))

    def network(self) -> tuple[ModuleType, Any]:
        """The module `networks` and the model, loaded once in a process."""
        assert self.model
        return _loaded(self.model, opened(self.test).patch, self.settings.threads)


def seen(kind: str, colour: np.ndarray, gray: np.ndarray, levels: tuple[float, ...] | None = None) -> np.ndarray:
    """The input `(n, side, side, channels)` of a network whose recipe has the `input` `kind`.

    `colour` is `(n, side, side, 3)`, `gray` `(n, side, side)`. If `levels` is None, the damage is estimated, as if all
    images were patches of one photograph.
    """
    if kind == "colour_damage":
        found = damage.estimate(np.rint(255 * colour).astype(np.uint8)) if levels is None else np.array(levels)
        return damage.beside(colour, found)
    return colour if kind == "colour" else gray[..., None]


def whole(subject: Subject, name: str, method: Method, colour: np.ndarray) -> np.ndarray:
    """Convert a whole photograph `(height, width, 3)`, uint8 or float in [0, 1], by the method `name`.

    A network for any size that sees the damage works on large tiles, as in the library, all other methods on patches;
    see `tiles.whole`.
    """
    reach = None
    if subject.input == "colour_damage" and name == subject.name:
        assert subject.model
        reach = subject.network()[0].reach(subject.model)
    return tiles.whole(on_colour(method), colour, opened(subject.test).patch, reach)


def fit(subject: Subject, folder: Path) -> dict[str, Any]:
    """Fit what the methods of `subject` need, into `folder`. `ArtifactError`: an input is missing or damaged.

    Returns `hue_contrast` by method and, of a variant, `latent`, the size of its code.
    """
    train = opened(subject.train)
    facts: dict[str, Any] = {}
    if subject.model is None:
        fits = {"conv1x1": baselines.fit_conv1x1(pairs(train))}
    else:
        latent, _ = subject.encode(*pair(train, np.arange(1)))
        facts["latent"] = int(np.prod(latent.shape[1:]))
        fits = {"latent": np.array(facts["latent"])}
        if facts["latent"] < train.patch**2:
            grays = (gray for _, gray in pairs(train))
            mean, directions = baselines.fit_pca(grays, len(train), facts["latent"])
            fits |= {"pca_mean": mean, "pca_directions": directions}
        if subject.target == "colour" and latent.ndim == 4:  # (n, rows, columns, channels)
            seen = pairs(opened(subject.validation))
            moments = (probes.latent_and_gray(subject.encode(colour, gray)[0], gray) for colour, gray in seen)
            fits["read_out"] = probes.fit_read_out(of_all(moments))
    np.savez(folder / FITS, allow_pickle=False, **fits)
    facts["hue_contrast"] = {
        name: leakage.hue_contrast(on_colour(method), train.patch) for name, method in of(subject, folder).items()
    }
    return facts


def of(subject: Subject, fitted: Path) -> dict[str, Method]:
    """The scored methods by name; `fitted` is the folder that `fit` wrote into."""
    with np.load(fitted / FITS) as file:
        fits = dict(file)
    if subject.model is None:
        closed = {name: _of_colour(form) for name, form in baselines.CLOSED_FORMS.items()}
        return {**closed, "conv1x1": lambda colour, _: baselines.conv1x1(colour, fits["conv1x1"])}
    beside: dict[str, Method] = {}
    if "pca_mean" in fits:  # the latent has fewer numbers than pixels
        beside = baselines.codes(int(fits["latent"]), (fits["pca_mean"], fits["pca_directions"]))
    if subject.target == "gray":
        return {subject.name: lambda colour, gray: subject.predict(colour, gray)[..., 0], **beside}
    beside[f"{subject.name}_luma"] = lambda colour, gray: baselines.luma(subject.predict(colour, gray))
    if "read_out" in fits:
        beside[f"{subject.name}_latent_channel"] = lambda colour, gray: probes.read_out(
            subject.encode(colour, gray)[0], fits["read_out"], gray.shape[1]
        )
    return {subject.name: subject.predict, **beside}


def on_colour(method: Method) -> Closed:
    """The method as a function of colour alone; gray is its unrounded luma."""
    return lambda colour: method(colour, baselines.luma(colour))


def _of_colour(form: Closed) -> Method:
    return lambda colour, _: form(colour)


@lru_cache(maxsize=2)  # a network and its start
def _loaded(path: Path, patch: int, threads: int) -> tuple[ModuleType, Any]:
    networks = _prepared(threads)
    return networks, networks.load(path, patch)


@cache
def _prepared(threads: int) -> ModuleType:
    has_trained = "tensorflow" in sys.modules  # in a study; training has prepared it
    with tensorflow_import():  # late: the baselines need no TensorFlow
        from stages.evaluate import networks
        from stages.train import precision
    if not has_trained:
        precision.prepare(threads=threads, dtype="float64")
    return networks
