"""A run as a task: its network is trained on the photographs that it has, and measured on every split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stages.common.settings import SettingsError, Variant
from stages.evaluate import baselines, probes, scores
from stages.evaluate.chunks import grays, pairs
from stages.evaluate.moments import Moments, of_all
from stages.formats.patches import PatchSet
from stages.train import training

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # colour and gray patches → what is made of them


@dataclass(frozen=True)
class Task(training.Task):
    """A training on the first `photographs`, or on all if None."""

    photographs: int | None = None


def do(task: Task, folder: Path) -> dict[str, Any]:
    """Train on data/pairs and measure. Returns facts, and writes nothing: `folder` stays empty."""
    train = FirstPhotographs(Path("data/pairs/train"), task.photographs)
    splits = {"train": train, **{split: PatchSet(Path(f"data/pairs/{split}")) for split in ("validation", "test")}}
    counts = (training.seen_in_an_epoch(count, task.settings) for count in (len(train), train.of_all))
    task = replace(task, variant=with_equal_steps(task.variant, *counts))
    model, curve = training.trained(task, train, splits["validation"])

    from stages.train import precision

    return {
        "photographs": train.photographs,
        "patches": len(train),
        **training.facts(task, model, curve, train),
        # as the file would be that training leaves
        **measured(precision.convert(model, "float64"), task.variant, splits),
        "end": {key: float(curve[key].iloc[-1]) for key in ("psnr", "val_psnr")},
    }


class FirstPhotographs(PatchSet):
    """The patches of the first photographs of a patch set, in the order of its index.

    Attributes:
        photographs: how many there are.
        of_all: the number of patches of all photographs.

    Raises:
        SettingsError: there are fewer photographs than wanted.
        ArtifactError: a file is missing or damaged.
    """

    def __init__(self, folder: Path, photographs: int | None) -> None:
        """Keep the first `photographs`, or all if None."""
        super().__init__(folder)
        names = self.index["photo"].unique()
        self.photographs = len(names) if photographs is None else photographs
        if self.photographs > len(names):
            raise SettingsError(f"photographs is {photographs}; {folder} has {len(names)}")
        self.of_all = len(self)
        kept = int(self.index["photo"].isin(names[: self.photographs]).sum())  # the first: a photograph's are together
        self.index = self.index[:kept]
        self._starts = np.append(self._starts[self._starts < kept], kept)


def with_equal_steps(variant: Variant, patches: int, of_all: int) -> Variant:
    """The variant with the epochs of `patches` that take as many gradient steps as its own of `of_all`, or just more.

    Warm-up and patience grow with them, so that they last as many steps, too.
    """
    before, after = (-(-count // variant.batch) for count in (of_all, patches))  # steps in an epoch
    lengths = {key: getattr(variant, key) for key in ("epochs", "warmup_epochs", "patience")}
    return variant.model_copy(update={key: -(-length * before // after) for key, length in lengths.items()})


def measured(model: Any, variant: Variant, splits: Mapping[str, PatchSet]) -> dict[str, Any]:
    """Latent size, scores of a float64 network and of PCA at that size on every split, and probes of a VAE's latent.

    Args:
        model: the network.
        variant: its `input` says what it sees.
        splits: train, on which PCA is fitted, validation and test; the latent is that of test.
    """
    from stages.evaluate import networks

    def see(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return colour if variant.input == "colour" else gray[..., None]

    def network(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return networks.predict(model, see(colour, gray))

    def pca(_: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return baselines.pca(gray, mean, directions)

    train = splits["train"]
    size = int(np.prod(networks.encode(model, see(*next(pairs(train)))[:1])[0].shape[1:]))
    components = min(size, train.patch**2, len(train))  # more than fit_pca can give are no code
    mean, directions = baselines.fit_pca(grays(train), len(train), components)
    found = {
        "latent": size,
        "scores": {split: _means(network, patches) for split, patches in splits.items()},
        "pca": {"components": components, **{split: _means(pca, patches) for split, patches in splits.items()}},
    }
    if not networks.is_variational(model):
        return found
    nats, moments = [], []
    for colour, gray in pairs(splits["test"]):
        latent, log_variance = networks.encode(model, see(colour, gray))
        assert log_variance is not None
        nats.append(probes.kl_nats(latent, log_variance))
        moments.append(Moments.of(latent))
    kl_nats, active = float(np.concatenate(nats).mean()), probes.active_units(of_all(moments))
    return {**found, "kl_nats": kl_nats, "active_units": active}


def _means(method: Method, split: PatchSet) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM of a method over the patches of a split."""
    chunks = (scores.measure(gray, scores.planes(gray, method(colour, gray))) for colour, gray in pairs(split))
    averages = np.concatenate(list(chunks)).mean(axis=0)
    return {measure: float(averages[scores.MEASURES.index(measure)]) for measure in ("psnr", "ssim")}
