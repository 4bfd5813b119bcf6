"""The work of a run: train its network on its photographs, and score it beside all yardsticks."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common.artifacts import read_json, read_table
from stages.common.settings import SettingsError, Variant
from stages.common.tensorflow_import import tensorflow_import
from stages.evaluate import baselines, frequency, leakage, measures, methods, noise, probes, reference, scores
from stages.evaluate.chunks import grays, pairs, spans
from stages.evaluate.moments import Moments, of_all
from stages.evaluate.shard import by_photo
from stages.formats.patches import PatchSet
from stages.train import training

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # colour and gray patches → what is made of them

NOISE = 25  # gray levels: the standard deviation of what is added to red, green and blue
HALF = -3.0  # dB


@dataclass(frozen=True)
class Task(training.Task):
    """A training on part of the photographs.

    Attributes:
        photographs: the number of training photographs, the first ones; None: all.
        split: the photographs of each split; None: those of data/pairs.
        model: the folder of a model to score; None: train one.
    """

    photographs: int | None = None
    split: dict[str, list[str]] | None = None
    model: Path | None = None


def do(task: Task, folder: Path) -> dict[str, Any]:
    """Train on data/pairs unless there is a model, and score. Returns facts; `folder` stays empty.

    Raises:
        SettingsError: there are fewer photographs, or the chosen ones have no patches.
        ArtifactError: patches or the model are missing or damaged.
        StageError: see `training.trained`.
    """
    sets = {split: PatchSet(Path(f"data/pairs/{split}")) for split in ("train", "validation", "test")}
    if task.split:
        sets = {split: Chosen(list(sets.values()), task.split[split]) for split in sets}
    elif task.photographs:
        sets["train"] = Chosen([sets["train"]], first(sets["train"], task.photographs))
    if task.model:
        curve, facts = read_table(task.model / "curve.csv"), read_json(task.model / "facts.json")
        model = _loaded(task.model / "model.keras", task.settings.threads)
    else:
        train, validation = (training.squares(sets[split], task.variant) for split in ("train", "validation"))
        trained, curve = training.trained(task, train, validation)
        facts = training.facts(task, trained, curve, train)

        from stages.train import precision

        model = precision.convert(trained, "float64")  # as loaded from a model file
    end, half = (float(curve["val_psnr"].iloc[row]) for row in (-1, (len(curve) - 1) // 2))
    return {
        "photographs": sets["train"].index["photo"].nunique(),
        "patches": len(sets["train"]),
        **facts,
        **measured(model, task.variant, sets),
        "end": {"psnr": float(curve["psnr"].iloc[-1]), "val_psnr": end, "half_val_psnr": half},
    }


def _loaded(file: Path, threads: int) -> Any:
    with tensorflow_import():
        from stages.evaluate import networks
        from stages.train import precision

    precision.prepare(threads=threads, dtype="float64")
    return networks.load(file, PatchSet(Path("data/pairs/train")).patch)


class Chosen(PatchSet):
    """The patches of chosen photographs of several patch sets, in the order of the sets.

    Raises:
        SettingsError: there are no such patches.
        ArtifactError: a file is missing or damaged.
    """

    def __init__(self, sets: Sequence[PatchSet], photographs: Collection[str]) -> None:
        kept = [np.flatnonzero(patches.index["photo"].isin(photographs)) for patches in sets]
        if not sum(map(len, kept)):
            raise SettingsError(f"no patches of {', '.join(photographs)}")
        self._sets, self.patch = sets, sets[0].patch
        self.index = pd.concat(
            [patches.index.iloc[numbers] for patches, numbers in zip(sets, kept, strict=True)], ignore_index=True
        )
        self._origin = np.concatenate([np.full(len(numbers), number) for number, numbers in enumerate(kept)])
        self._numbers = np.concatenate(kept)
        inside = [
            np.searchsorted(numbers, [stop for _, stop in patches.shards])
            for patches, numbers in zip(sets, kept, strict=True)
        ]
        ends = np.concatenate(
            [found + start for found, start in zip(inside, np.cumsum([0, *map(len, kept)]), strict=False)]
        )
        self._starts = np.unique(np.append(0, ends))

    def read(self, kind: str, numbers: np.ndarray | None = None) -> np.ndarray:
        """See `PatchSet.read`."""
        numbers = np.arange(len(self)) if numbers is None else np.asarray(numbers)
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise IndexError(f"there are the patches 0 to {len(self) - 1}")
        origin = self._origin[numbers]
        found = {
            int(number): self._sets[number].read(kind, self._numbers[numbers[origin == number]])
            for number in set(origin)
        }
        channels = next(iter(found.values())).shape[1:] if found else self._sets[0].read(kind, numbers).shape[1:]
        patches = np.empty((len(numbers), *channels), np.uint8)
        for number, part in found.items():
            patches[origin == number] = part
        return patches


def first(patches: PatchSet, photographs: int) -> list[str]:
    """The names of the first photographs of a patch set; `SettingsError` if there are fewer."""
    names = patches.index["photo"].unique().tolist()
    if photographs > len(names):
        raise SettingsError(f"photographs is {photographs}; {patches.folder} has {len(names)}")
    return names[:photographs]


def measured(model: Any, variant: Variant, splits: Mapping[str, PatchSet]) -> dict[str, Any]:
    """Latent size, scores and probes of a float64 network, and the scores of all yardsticks on the test patches.

    Args:
        model: the network.
        variant: for its `input`.
        splits: train, to which yardsticks are fitted, validation and test.

    Raises:
        ArtifactError: patches are missing or damaged.
    """
    from stages.evaluate import networks

    def see(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return methods.seen(variant.input, colour, gray)

    def network(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return networks.predict(model, see(colour, gray))

    train, test = splits["train"], splits["test"]
    size = int(np.prod(networks.encode(model, see(*next(pairs(train)))[:1])[0].shape[1:]))
    domains = test.index["domain"].unique()
    found: dict[str, Any] = {
        "latent": size,
        "domain": domains[0] if len(domains) == 1 else None,
        "scores": {split: averages(network, patches) for split, patches in splits.items()},
        "probes": _probes(network, test),
        "yardsticks": {
            name: {**averages(method, test), "noise_psnr": averages(method, test, NOISE)["psnr"]}
            for name, method in yardsticks(train, size).items()
        },
    }
    if not networks.is_variational(model):
        return found
    nats, moments = [], []
    for colour, gray in pairs(test):
        latent, log_variance = networks.encode(model, see(colour, gray))
        assert log_variance is not None
        nats.append(probes.kl_nats(latent, log_variance))
        moments.append(Moments.of(latent))
    found["probes"] |= {
        "kl_nats": float(np.concatenate(nats).mean()),
        "active_units": probes.active_units(of_all(moments)),
    }
    return found


def yardsticks(train: PatchSet, size: int) -> dict[str, Method]:
    """Formulae and, below the number of pixels, codes of `size` numbers, fitted to the training patches.

    Raises:
        ArtifactError: patches are missing or damaged.
    """
    weights = baselines.fit_conv1x1(pairs(train))
    found: dict[str, Method] = {
        "luma": lambda colour, _: baselines.luma(colour),
        "mean_rgb": lambda colour, _: baselines.mean_rgb(colour),
        "conv1x1": lambda colour, _: baselines.conv1x1(colour, weights),
    }
    if size >= train.patch**2:
        return found
    codes = baselines.codes(size, baselines.fit_pca(grays(train), len(train), size))
    return {**found, **{name.removesuffix(f"_{size}"): partial(_of_gray, code) for name, code in codes.items()}}


def averages(method: Method, split: PatchSet, level: int = 0) -> dict[str, Any]:
    """`scores.averages` of a method over the patches of a split, with noise of so many gray levels on the colour.

    Raises:
        ArtifactError: patches are missing or damaged.
    """
    chunks = []
    for number, (own, colour, gray) in enumerate(_chunks(method, split)):
        seen = (colour, gray)
        if level:
            noisy = noise.noisy(colour, "gaussian", level, [1, number])
            seen = (noisy, baselines.luma(noisy))
        chunks.append(scores.measure(gray, scores.planes(own(*seen))))
    return scores.averages(np.concatenate(chunks))


def _chunks(method: Method, split: PatchSet) -> Iterator[tuple[Method, np.ndarray, np.ndarray]]:
    """For each chunk, the method applied photograph by photograph, as `stages.evaluate` does; colour; gray."""
    for (start, stop), pair in zip(spans(len(split), split.patch), pairs(split), strict=True):
        yield by_photo(method, split.index["photo"][start:stop].to_numpy()), *pair


def _of_gray(code: baselines.Closed, _: np.ndarray, gray: np.ndarray) -> np.ndarray:
    return code(gray)


def _probes(network: Method, test: PatchSet) -> dict[str, Any]:
    """Noise, hue contrast at constant luma, detail, smoothness and, for a colour output, chroma."""
    sums: dict[str, Any] = dict.fromkeys(("error", "detail", "mse", "errors", "variations", "out", "of", "chroma"), 0)
    for own, colour, gray in _chunks(network, test):
        output = own(colour, gray)
        planes, blind = scores.planes(output), reference.outputs(gray)
        found = {
            "error": np.mean([frequency.energies(plane - gray) for plane in planes], axis=0),
            "detail": frequency.energies(gray),
            "mse": measures.mse(gray, planes.mean(axis=0)).sum(),
            "errors": np.array([measures.mse(gray, plane).sum() for plane in blind]),
            "variations": np.array([noise.variation(plane[None]) for plane in blind]),
            "out": noise.variation(planes),
            "of": noise.variation(gray[None]),
            "chroma": np.array([measures.chroma(image).sum() for image in (np.clip(output, 0, 1), colour)])
            if output.ndim == 4 and output.shape[3] == 3
            else 0,
        }
        sums = {key: sums[key] + value for key, value in found.items()}
    bands = frequency.bands("", sums["error"], sums["detail"], len(test) * test.patch**2)
    lost = bands["low"][bands["relative_error_db"] > HALF]
    smoothness = sums["variations"] / sums["of"]
    return {
        "noise_psnr": averages(network, test, NOISE)["psnr"],
        "hue_contrast": leakage.hue_contrast(lambda colour: network(colour, baselines.luma(colour)), test.patch),
        "detail_limit": float(bands["high"].max() if lost.empty else lost.min()),
        "smoothness": float(sums["out"] / sums["of"]),
        "smoothness_reference": reference.at(sums["mse"] / len(test), sums["errors"] / len(test), smoothness, exact=1),
        "chroma_kept": float(sums["chroma"][0] / sums["chroma"][1]) if np.any(sums["chroma"]) else None,
    }
