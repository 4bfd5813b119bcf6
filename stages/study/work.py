"""The work of a run: train its network on its photographs, and score it beside all yardsticks."""

import functools
import operator
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from stages.common.artifacts import read_json, read_table, sha256_of, write_json, write_model, write_table
from stages.common.settings import Evaluate, Noise, SettingsError
from stages.evaluate import baselines, measures, methods, noise, probes, scores, shard
from stages.evaluate.chunks import pairs, spans
from stages.evaluate.methods import Method, Subject
from stages.formats.patches import KINDS, PatchSet
from stages.study.inputs import SPLITS
from stages.study.table import YARDSTICKS
from stages.train import training

NETWORK = "network"  # beside the names of yardsticks
NOISE = 25  # gray levels: the standard deviation of what is added to red, green and blue
SEED = 1  # of the noise
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

    `SettingsError`: there are fewer photographs, or the chosen ones have no patches; `ArtifactError`: patches or the
    model are missing or damaged; `StageError`: see `training.trained`.
    """
    with TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        sets = patch_sets(task, scratch)
        if task.model:
            facts, curve = read_json(task.model / "facts.json"), read_table(task.model / "curve.csv")
        else:
            facts, curve = train(task, sets, scratch)
        patches = PatchSet(sets["train"])
        end, half = (float(curve["val_psnr"].iloc[row]) for row in (-1, (len(curve) - 1) // 2))
        return {
            "photographs": patches.index["photo"].nunique(),
            "patches": len(patches),
            **facts,
            **measured(task, sets, scratch),
            "end": {"psnr": float(curve["psnr"].iloc[-1]), "val_psnr": end, "half_val_psnr": half},
        }


# === Patches ===


def patch_sets(task: Task, folder: Path) -> dict[str, Path]:
    """The folder of each split's patch set: data/pairs or, with the patches of chosen photographs, in `folder`."""
    sets = {split: Path(f"data/pairs/{split}") for split in SPLITS}
    if task.split:
        every = [PatchSet(path) for path in sets.values()]
        return {split: choose(every, task.split[split], folder / split) for split in SPLITS}
    if task.photographs:
        train = PatchSet(sets["train"])
        sets["train"] = choose([train], first(train, task.photographs), folder / "train")
    return sets


def choose(sets: Sequence[PatchSet], photographs: Collection[str], folder: Path) -> Path:
    """Write the patches of chosen photographs of several patch sets into `folder`, in the order of the sets.

    `SettingsError` if there are none.
    """
    folder.mkdir()
    index: list[pd.DataFrame] = []
    shards: list[dict[str, Any]] = []
    for patches in sets:
        chosen = patches.index["photo"].isin(photographs)
        for start, stop in patches.shards:
            numbers = start + np.flatnonzero(chosen[start:stop])
            if not len(numbers):
                continue
            files = {kind: folder / f"{kind}-{len(shards):05}.npy" for kind in KINDS}
            for kind, file in files.items():
                np.save(file, patches.read(kind, numbers))
            hashes = {f"{kind}_sha256": sha256_of(file) for kind, file in files.items()}
            shards.append({"shard": len(shards), "patches": len(numbers), **hashes})
            index.append(patches.index.iloc[numbers])
    if not shards:
        raise SettingsError(f"no patches of {', '.join(photographs)}")
    write_table(folder / "index.csv", pd.concat(index))
    write_table(folder / "shards.csv", pd.DataFrame(shards))
    return folder


def first(patches: PatchSet, photographs: int) -> list[str]:
    """The names of the first photographs of a patch set; `SettingsError` if there are fewer."""
    names = patches.index["photo"].unique().tolist()
    if photographs > len(names):
        raise SettingsError(f"photographs is {photographs}; {patches.folder} has {len(names)}")
    return names[:photographs]


# === Network and scores ===


def train(task: Task, sets: dict[str, Path], folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Train a network; writes model.keras and facts.json into `folder`. Returns the facts and the curve."""
    train, validation = (training.squares(PatchSet(sets[split]), task.variant) for split in ("train", "validation"))
    model, curve = training.trained(task, train, validation)
    write_model(folder / "model.keras", model)
    facts = training.facts(task, model, curve, train)
    write_json(folder / "facts.json", facts)
    return facts, curve


def measured(task: Task, sets: dict[str, Path], folder: Path) -> dict[str, Any]:
    """Latent size, scores and probes of a network, and the scores of all yardsticks on the test patches.

    `sets` are the folders of train, to which yardsticks are fitted, validation and test. `folder` is for the fits, and
    holds the network unless the task does.
    """
    kinds = Noise(gaussian=[NOISE], correlated=[], poisson=[], jpeg=[])
    settings = Evaluate(threads=task.settings.threads, megapixels=1, noise=kinds, seed=SEED)
    photos, conversion = Path(), ""  # whole photographs are not scored
    formulae = Subject(sets["test"], photos, conversion, settings, train=sets["train"], validation=sets["validation"])
    model, seen, target = (task.model or folder) / "model.keras", task.variant.input, task.variant.target
    mine = replace(formulae, name=NETWORK, model=model, input=seen, target=target)
    used: dict[str, Method] = {}
    for subject in (formulae, mine):
        fits = folder / subject.name
        fits.mkdir()
        facts = methods.fit(subject, fits)
        used |= methods.of(subject, fits)
    used = {name.removesuffix(f"_{facts['latent']}"): method for name, method in used.items()}
    test = PatchSet(sets["test"])
    domains = test.index["domain"].unique()
    return {
        "latent": facts["latent"],
        "domain": domains[0] if len(domains) == 1 else None,
        "scores": {split: averages(used[NETWORK], PatchSet(path)) for split, path in sets.items()},
        "probes": {"hue_contrast": facts["hue_contrast"][NETWORK], **_probes(mine, used[NETWORK], test)},
        "yardsticks": {
            name: {**averages(used[name], test), "noise_psnr": averages(used[name], test, NOISE)["psnr"]}
            for name in YARDSTICKS
            if name in used
        },
    }


def averages(method: Method, split: PatchSet, level: int = 0) -> dict[str, Any]:
    """`scores.averages` of a method over the patches of a split, with noise of so many gray levels on the colour."""
    chunks = []
    for number, (own, colour, gray) in enumerate(_chunks(method, split)):
        seen = (colour, gray)
        if level:
            noisy = noise.noisy(colour, "gaussian", level, [SEED, number])
            seen = (noisy, baselines.luma(noisy))
        chunks.append(scores.measure(gray, scores.planes(own(*seen))))
    return scores.averages(np.concatenate(chunks))


def _chunks(method: Method, split: PatchSet) -> Iterator[tuple[Method, np.ndarray, np.ndarray]]:
    """For each chunk, the method applied photograph by photograph, as `stages.evaluate` does; colour; gray."""
    for (start, stop), pair in zip(spans(len(split), split.patch), pairs(split), strict=True):
        yield shard.by_photo(method, split.index["photo"][start:stop].to_numpy()), *pair


def _probes(subject: Subject, network: Method, test: PatchSet) -> dict[str, Any]:
    """Noise, detail, smoothness and, where there are any, the chroma of the output and the use of the latent."""
    chunks = []
    for own, colour, gray in _chunks(network, test):
        planes = scores.planes(own(colour, gray))
        mse = measures.mse(gray, planes.mean(axis=0)).sum()  # in evaluate, the mean of the channels' errors
        sums = probes.sums(gray, [planes], probes.codes_of(gray))
        chunks.append({"mse": mse, **sums, **shard.of_network(subject, colour, gray)})
    total = {key: functools.reduce(operator.add, (chunk[key] for chunk in chunks)) for key in chunks[0]}
    bands = probes.bands("", total["error"][0], total["detail"], len(test) * test.patch**2)
    lost = bands["low"][bands["relative_error_db"] > HALF]
    errors, smoothness = total["reference_mse"] / len(test), total["reference_variation"] / total["target_variation"]
    found = {
        "noise_psnr": averages(network, test, NOISE)["psnr"],
        "detail_limit": float(bands["high"].max() if lost.empty else lost.min()),
        "smoothness": float(total["variation"][0] / total["target_variation"]),
        "smoothness_reference": probes.at_error(total["mse"] / len(test), errors, smoothness, exact=1),
    }
    if "latent" in total:
        found["kl_nats"] = float(total["kl_nats"] / len(test))
        found["active_units"] = probes.active_units(total["latent"])
    if "chroma_of_input" in total:
        found["chroma_kept"] = float(total["chroma_of_output"] / total["chroma_of_input"])
    return found
