"""Trained models: the best one is chosen, the recorded one is found."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grayscale import models
from grayscale.core import hashes
from grayscale.models import ModelError
from tests.conftest import REPOSITORY
from tests.tools.conftest import new_repository

MAP = """
stages:
  train:
    foreach: ${variants}
    do:
      cmd: mkdir -p data/models && cp -r ../model data/models/${key}
      params: [train, 'variants.${key}']
      outs:
        - data/models/${key}
"""


def test_a_model_is_found_if_its_folder_has_the_hash_in_dvc_lock(model_file: Path, tmp_path: Path) -> None:
    for name in ("facts.json", "b.txt", "a-b.txt", "a/b.txt", "B", 'ä "ö".txt', "a/c/d"):  # to test DVC's sort order
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(name)
    shutil.copy2(model_file, tmp_path / "model/model.onnx")
    clone = new_repository(tmp_path / "clone")
    shutil.copy2(REPOSITORY / "params.yaml", clone.folder)
    (clone.folder / "dvc.yaml").write_text(MAP)
    clone.run("dvc", "repro", "--quiet", "train@subpixel")

    folder = clone.folder / "data/models/subpixel"
    assert models.find("subpixel", clone.folder) == folder / "model.onnx"
    for damage in (lambda: (folder / "facts.json").write_text("{ }"), (folder / "facts.json").unlink):
        damage()
        with pytest.raises(ModelError, match=r"not what dvc\.lock records"):
            models.find("subpixel", clone.folder)
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match=r"subpixel is missing; run `make pull` .* `make repro`"):
        models.find("subpixel", clone.folder)
    with pytest.raises(ModelError, match=r"no variant 'other' has been trained; there are subpixel"):
        models.find("other", clone.folder)


def test_a_folder_without_models_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    for use in (models.best, partial(models.find, "subpixel")):
        with pytest.raises(ModelError, match="no clone"):
            use(tmp_path, tmp_path)


def test_outside_a_clone_packed_models_are_found_if_they_have_the_listed_hash(tmp_path: Path, model_file: Path) -> None:
    packed = tmp_path / "trained"
    (packed / "subpixel").mkdir(parents=True)
    shutil.copy(model_file, packed / "subpixel")
    entry = {"folder": "0.dir", "psnr": 60.0, "sha256": hashes.sha256(model_file)}
    (packed / models.LIST).write_text(json.dumps({"subpixel": entry, "naive": {**entry, "psnr": None}}))
    assert models.best(tmp_path, packed) == ("subpixel", None)
    assert models.find("subpixel", tmp_path, packed) == packed / "subpixel/model.onnx"
    (packed / "subpixel/model.onnx").write_bytes(b"other")
    for name in ("subpixel", "naive"):  # another file, and none
        with pytest.raises(ModelError, match="damaged"):
            models.find(name, tmp_path, packed)


def test_the_best_is_the_highest_psnr_from_colour_to_gray(tmp_path: Path) -> None:
    params: dict[str, dict[str, str]] = {
        "simple": {}, "bottleneck": {}, "naive": {"target": "colour"}, "control": {"input": "gray"}, "denoise": {},
    }  # fmt: skip
    recipe = {"train": {"recipe": {"input": "colour", "target": "gray"}}}
    stages = {
        f"train@{name}": {"params": {"params.yaml": {**recipe, f"variants.{name}": own}}, "outs": [{"md5": "0.dir"}]}
        for name, own in params.items()
    }
    YAML(typ="safe").dump({"stages": stages}, tmp_path / "dvc.lock")
    with pytest.raises(ModelError, match="no variant from colour to gray"):
        models.best(tmp_path)
    (tmp_path / "metrics/scores").mkdir(parents=True)
    for name, psnr in zip((*params, "of_another_commit"), (20.0, 25.0, 90.0, 95.0, 97.0, 99.0), strict=True):
        (tmp_path / f"metrics/scores/{name}.json").write_text(json.dumps({"psnr": psnr}))
    assert models.best(tmp_path) == ("bottleneck", "denoise")
