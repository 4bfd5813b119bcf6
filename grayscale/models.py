"""Find trained models and check that they are the recorded ones. Loads and converts nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


class ModelError(Exception):
    """A trained model can't be found, loaded or used; the message says what to do."""


def best(repository: Path = REPOSITORY) -> str:
    """The variant from colour to gray with the highest PSNR in metrics/scores.

    Raises:
        ModelError: the repository is not here, or there are no scores of such a variant.
    """
    scores = {}
    for name, entry in _trained(repository).items():
        params = entry["params"]["params.yaml"]
        recipe = {**params["train"]["recipe"], **params[f"variants.{name}"]}
        file = repository / f"metrics/scores/{name}.json"
        if (recipe["input"], recipe["target"]) == ("colour", "gray") and file.is_file():
            scores[name] = json.loads(file.read_text(encoding="utf-8"))["psnr"]
    if not scores:
        raise ModelError(f"{repository / 'metrics/scores'} has no variant from colour to gray; run `make repro`")
    return max(scores, key=lambda name: scores[name])


def find(variant: str | None = None, repository: Path = REPOSITORY) -> Path:
    """The model file of a variant (None: the best), pulled from the DVC remote if it is not in the workspace.

    The folder of the model must have the hash that dvc.lock records, so that a model from elsewhere, or half of one, is
    never taken for it.

    Raises:
        ModelError: no such variant was trained, its model can't be pulled, or is another one than recorded.
    """
    recorded = _trained(repository)
    variant = variant or best(repository)
    if variant not in recorded:
        raise ModelError(f"no variant {variant!r} has been trained; dvc.lock has {', '.join(sorted(recorded))}")
    folder = repository / "data/models" / variant
    if not folder.exists():
        _pull(variant, repository)
    if hash_of_folder(folder) != recorded[variant]["outs"][0]["md5"]:
        raise ModelError(
            f"{folder} is not what dvc.lock records of train@{variant}; restore that with "
            f"`dvc checkout --force train@{variant}`, bring dvc.lock up to date with `make repro`, or use "
            f"the file as it is with --model"
        )
    return folder / "model.onnx"


def hash_of_folder(folder: Path) -> str:
    """What dvc.lock records as `md5` of a folder: the md5 of a JSON list of its files' md5 and paths, and `.dir`."""
    entries = []
    for file in (path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        entries.append({"md5": digest, "relpath": file.relative_to(folder).as_posix()})
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _trained(repository: Path) -> dict[str, Any]:
    """Variant → its entry in dvc.lock."""
    if not (repository / "dvc.lock").is_file():
        raise ModelError(
            f"{repository} is no clone of the project's repository, so it has no trained models; "
            "run `grayscale` inside a clone, or name a file with --model"
        )
    from ruamel.yaml import YAML, YAMLError

    try:
        stages = YAML(typ="safe").load(repository / "dvc.lock")["stages"]
        return {name.removeprefix("train@"): entry for name, entry in stages.items() if name.startswith("train@")}
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{repository / 'dvc.lock'} can't be read: {error}") from error


def _pull(variant: str, repository: Path) -> None:
    print(f"grayscale: pulling the model of {variant} from the DVC remote", file=sys.stderr)
    command = [sys.executable, "-m", "dvc", "pull", "--quiet", f"train@{variant}"]
    pulled = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    if pulled.returncode:
        said = " ".join(pulled.stderr.split())
        raise ModelError(
            f"the model of {variant} is not in {repository / 'data/models'} and can't be pulled: {said}\n"
            "Train it with `make repro`; or name a remote that has it, `dvc remote add --default NAME URL`; or fetch "
            "it from another clone, `dvc artifacts get`, and name the file with --model"
        )
