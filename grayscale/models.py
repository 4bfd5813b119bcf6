"""Find trained models, and check that they are the recorded ones."""

import functools
import json
from pathlib import Path
from typing import Any

from grayscale.core import hashes

REPOSITORY = Path(__file__).resolve().parents[1]
PACKED = Path(__file__).resolve().with_name("trained")  # in a wheel: <variant>/model.onnx, and `LIST`
LIST = "list.json"
NOISY = "denoise"  # the variant for photographs with noise


class ModelError(Exception):
    """A trained model can't be found, loaded or used; the message says what to do."""


def find(variant: str, repository: Path = REPOSITORY, packed: Path = PACKED) -> Path:
    """The model file of a variant, in this clone or packed with the library.

    A clone's folder must have the hash that dvc.lock records, a packed file the hash in `LIST`.

    Raises:
        ModelError: the variant was not trained, or its model is missing or not the recorded one.
    """
    known = trained(repository, packed)
    if variant not in known:
        raise ModelError(f"no variant {variant!r} has been trained; there are {', '.join(sorted(known))}")
    if not _is_clone(repository):
        file = packed / variant / "model.onnx"
        if not file.is_file() or hashes.sha256(file) != known[variant]["sha256"]:
            raise ModelError(f"{file} is damaged; install the package again")
        return file
    folder = repository / "data/models" / variant
    if not folder.exists():
        raise ModelError(
            f"{folder} is missing; run `make pull` if a remote has it, else `make repro`; or get a model from another "
            "clone, `dvc artifacts get`, and name its file with --model"
        )
    if hashes.of_dvc(folder) != known[variant]["folder"]:
        raise ModelError(
            f"{folder} is not what dvc.lock records of train@{variant}; restore that with `dvc checkout --force "
            f"train@{variant}`, bring dvc.lock up to date with `make repro`, or use the file as it is with --model"
        )
    return folder / "model.onnx"


def best(repository: Path = REPOSITORY, packed: Path = PACKED) -> tuple[str, str | None]:
    """The variant with the highest PSNR from colour to gray, and the one for noisy photographs if it has been trained.

    Raises:
        ModelError: there are no scores of such a variant.
    """
    known = trained(repository, packed)
    scores = {name: model["psnr"] for name, model in known.items() if model["psnr"] is not None and name != NOISY}
    if not scores:
        raise ModelError(f"{repository / 'metrics/scores'} has no variant from colour to gray; run `make repro`")
    return max(scores, key=lambda name: scores[name]), NOISY if NOISY in known else None


def trained(repository: Path = REPOSITORY, packed: Path = PACKED) -> dict[str, dict[str, Any]]:
    """Variant → `folder`, its hash in dvc.lock; `psnr` in dB, None if it is not from colour to gray.

    Packed models have the `sha256` of their file, too.

    Raises:
        ModelError: this is no clone and no models are packed, or dvc.lock can't be read.
    """
    if _is_clone(repository):
        return _in_clone(repository)
    if not (packed / LIST).is_file():
        raise ModelError(
            f"{repository} is no clone of the repository, and this package has no models; run `grayscale` in a clone, "
            "install a wheel of `make wheel`, or name a file with --model"
        )
    return dict(json.loads((packed / LIST).read_text(encoding="utf-8")))


def _is_clone(repository: Path) -> bool:
    return (repository / "dvc.lock").is_file()


def _in_clone(repository: Path) -> dict[str, dict[str, Any]]:
    found = {}
    try:
        locked = _trainings((repository / "dvc.lock").read_bytes())
    except ValueError as error:
        raise ModelError(f"{repository / 'dvc.lock'} can't be read: {error}") from error
    for name, entry in locked.items():
        params, scores = entry["params"]["params.yaml"], repository / f"metrics/scores/{name}.json"
        recipe = {**params["train"]["recipe"], **params[f"variants.{name}"]}
        scored = (recipe["input"], recipe["target"]) == ("colour", "gray") and scores.is_file()
        psnr = json.loads(scores.read_text(encoding="utf-8"))["psnr"] if scored else None
        found[name] = {"folder": entry["outs"][0]["md5"], "psnr": psnr}
    return found


@functools.lru_cache(maxsize=1)  # a tenth of a second
def _trainings(lock: bytes) -> dict[str, Any]:
    """Variant → the entry of its training in dvc.lock; `ValueError` if it has another form."""
    from ruamel.yaml import YAML, YAMLError

    try:
        stages = YAML(typ="safe").load(lock)["stages"]
        return {name.removeprefix("train@"): entry for name, entry in stages.items() if name.startswith("train@")}
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(error) from error
