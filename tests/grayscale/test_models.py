"""Trained models: the best one is chosen, the recorded one is found, a missing one is pulled by DVC."""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from grayscale import models
from grayscale.models import ModelError
from tests.conftest import REPOSITORY, Workspace

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


@pytest.fixture(scope="module")
def made(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A DVC repository whose model of `subpixel` lies in the workspace and in a remote; tests must not change it."""
    top = tmp_path_factory.mktemp("clone")
    for name in ("facts.json", "b.txt", "a-b.txt", "a/b.txt", "B", 'ä "ö".txt', "a/c/d"):  # to test DVC's sort order
        (top / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (top / "model" / name).write_text(name)
    shutil.copy2(model_file, top / "model/model.onnx")
    clone = Workspace(top / "clone")
    clone.folder.mkdir()
    shutil.copy2(REPOSITORY / "params.yaml", clone.folder)
    (clone.folder / "dvc.yaml").write_text(MAP)
    clone.run("git", "init", "--quiet")
    clone.run("dvc", "init", "--quiet")
    clone.run("dvc", "remote", "add", "--default", "store", str(top / "store"))
    clone.run("dvc", "repro", "--quiet", "train@subpixel")
    clone.run("dvc", "push", "--quiet")
    return clone


@pytest.fixture
def clone(made: Workspace, tmp_path: Path) -> Workspace:
    """A copy of `made` that a test may change."""
    return made.copy(tmp_path / "clone")


@pytest.mark.parametrize("facts", ["{ }", None], ids=["changed", "half"])
def test_a_model_is_found_if_its_folder_has_the_recorded_hash(clone: Workspace, facts: str | None) -> None:
    folder = clone.folder / "data/models/subpixel"
    assert models.find("subpixel", clone.folder) == folder / "model.onnx"
    (folder / "facts.json").unlink()
    if facts:
        (folder / "facts.json").write_text(facts)
    with pytest.raises(ModelError, match=r"not what dvc\.lock records"):
        models.find("subpixel", clone.folder)


def test_a_missing_model_is_pulled_or_the_message_says_how_to_get_it(clone: Workspace, model_file: Path) -> None:
    def without_model() -> Path:
        shutil.rmtree(clone.folder / "data")
        shutil.rmtree(clone.folder / ".dvc/cache")
        return clone.folder

    assert models.find("subpixel", without_model()).read_bytes() == model_file.read_bytes()
    clone.run("dvc", "remote", "remove", "store")
    with pytest.raises(ModelError, match=r"no default remote(.|\n)*make repro(.|\n)*dvc remote add"):
        models.find("subpixel", without_model())
    assert not (clone.folder / "data/models/subpixel").exists()


def test_an_unknown_variant_and_a_folder_that_is_no_clone_are_refused(made: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no variant 'other' has been trained; there are subpixel"):
        models.find("other", made.folder)
    with pytest.raises(ModelError, match="no clone"):
        models.find("subpixel", tmp_path, tmp_path)
    with pytest.raises(ModelError, match="no clone"):
        models.best(tmp_path, tmp_path)


def test_outside_a_clone_packed_models_are_found_if_they_have_the_listed_hash(tmp_path: Path, model_file: Path) -> None:
    packed = tmp_path / "trained"
    (packed / "subpixel").mkdir(parents=True)
    shutil.copy(model_file, packed / "subpixel")
    entry = {"folder": "0.dir", "psnr": 60.0, "sha256": models.sha256(model_file)}
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
