"""What a run does: which patches it reads; and `make study` on the rebuilt pipeline, apart from `dvc repro`."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from stages.common.settings import SettingsError, Variant, load
from stages.formats.patches import PatchSet
from stages.study.inputs import SPLITS
from stages.study.work import Task, choose, first, measured
from tests import samples
from tests.conftest import REPOSITORY, Workspace

ORDER = ("zebra", "apple", "mango", "kiwi")


def patches(folder: Path, photos: list[str], shards: list[int], start: int = 0) -> PatchSet:
    """Flat patches, each of the level of its number."""
    numbers = np.arange(start, start + len(photos), dtype=np.uint8)
    levels = np.tile(numbers[:, None, None, None], (1, 12, 12, 1))
    index = pd.DataFrame({"photo": photos, "domain": "everyday", "row": 0, "column": np.arange(len(photos))})
    return samples.write_patches(folder, index, levels.repeat(3, axis=3), levels, shards=shards)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[PatchSet]:
    """9 patches of the photographs zebra, apple and mango, in this order, in shards of 6 and 3; 2 of kiwi."""
    photos = ["zebra"] * 2 + ["apple"] * 4 + ["mango"] * 3
    one = patches(tmp_path_factory.mktemp("patches"), photos, [6, 3])
    return [one, patches(tmp_path_factory.mktemp("other"), ["kiwi"] * 2, [2], start=9)]


@pytest.mark.parametrize(
    ("photographs", "numbers", "shards"),
    [
        (["zebra"], [0, 1], [(0, 2)]),
        (["zebra", "apple"], [0, 1, 2, 3, 4, 5], [(0, 6)]),
        (["mango", "zebra"], [0, 1, 6, 7, 8], [(0, 2), (2, 5)]),
        (["zebra", "apple", "mango"], list(range(9)), [(0, 6), (6, 9)]),
        (["mango", "kiwi"], [6, 7, 8, 9, 10], [(0, 3), (3, 5)]),  # of two sets
    ],
)
def test_chosen_photographs_are_a_patch_set(
    sets: list[PatchSet], tmp_path: Path, photographs: list[str], numbers: list[int], shards: list[tuple[int, int]]
) -> None:
    chosen = PatchSet(choose(sets, photographs, tmp_path / "chosen"))
    assert (len(chosen), chosen.shards, chosen.patch) == (len(numbers), shards, 12)
    assert chosen.read("gray")[:, 0, 0, 0].tolist() == numbers
    assert chosen.read("colour")[:, 0, 0, 2].tolist() == numbers
    assert chosen.index["photo"].unique().tolist() == [name for name in ORDER if name in photographs]


def test_photographs_that_are_not_there_are_refused(sets: list[PatchSet], tmp_path: Path) -> None:
    assert first(sets[0], 2) == ["zebra", "apple"]
    with pytest.raises(SettingsError, match=r"photographs is 4; .* has 3$"):
        first(sets[0], 4)
    with pytest.raises(SettingsError, match="no patches of kiwi"):
        choose(sets[:1], ["kiwi"], tmp_path / "chosen")


def test_yardsticks_are_formulae_and_codes_of_as_many_numbers(tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (20, 12, 12, 3), np.uint8)
    gray = np.rint(colour @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
    index = pd.DataFrame({"photo": "a", "domain": "everyday", "row": 0, "column": range(20)})
    patches = samples.write_patches(tmp_path, index, colour, gray, shards=[20]).folder
    settings = load(REPOSITORY / "params.yaml").train
    variant = Variant(**{**settings.recipe.model_dump(), "network": "vae", "latent": 100, "sigma": 0.1})
    samples.write_network(tmp_path / "model", variant, {})
    task = Task(variant, settings, tmp_path / "checkpoint", model=tmp_path / "model")
    found = measured(task, dict.fromkeys(SPLITS, patches), tmp_path)
    yardsticks = found["yardsticks"]
    assert list(yardsticks) == ["luma", "mean_rgb", "conv1x1", "pca", "dct", "dct_radial"]
    assert yardsticks["luma"]["exact"] == 1
    assert yardsticks["luma"]["noise_psnr"] < 30
    assert yardsticks["pca"]["mse"] < min(yardsticks[code]["mse"] for code in ("dct", "dct_radial"))  # fitted to these
    assert (found["latent"], found["domain"]) == (100, "everyday")
    assert found["scores"]["train"] == found["scores"]["test"]
    assert found["probes"]["kl_nats"] > 0


# === make study ===

RUNS: dict[str, dict[str, Any]] = {
    "seeds_subpixel_1": {"study": "seeds", "variant": "subpixel", "seed": 1},  # as it is in params.yaml
    "control_subpixel": {"study": "control", "variant": "subpixel", "input": "gray", "photographs": 1},
}
TABLE = "metrics/studies.csv"


def write_runs(workspace: Workspace, runs: dict[str, dict[str, Any]]) -> None:
    YAML().dump({"runs": runs}, workspace.folder / "studies.yaml")


def trained(workspace: Workspace, *command: str) -> list[str]:
    """The runs that a command trains."""
    return sorted(re.findall(r"^run@(\w+): test PSNR", workspace.run(*command).stdout, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def studied(first_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A committed workspace after `make study` of two runs, side by side; read-only."""
    workspace = first_rebuild.copy(tmp_path_factory.mktemp("studied") / "workspace")
    assert "seeds_simple_1" not in (workspace.folder / "data/report/index.html").read_text(), "of other photographs"
    write_runs(workspace, RUNS)
    assert trained(workspace, "make", "study", "RUNTIME=", "JOBS=2") == sorted(RUNS)
    workspace.commit("Two runs")
    return workspace


@pytest.mark.long
def test_runs_write_a_table_with_scores_as_of_the_pipeline_and_none_of_its_outputs(studied: Workspace) -> None:
    table = pd.read_csv(studied.folder / TABLE)
    assert table["run"].tolist() == list(RUNS)
    assert table["input"].tolist() == ["colour", "gray"]
    assert table["photographs"].tolist() == [3, 1]
    assert table.notna().all()[["latent", "psnr", "ssim", "train_psnr", "val_psnr", "mean_rgb_psnr"]].all()
    assert studied.run("git", "diff", "--name-only", "HEAD~1").stdout.split() == [TABLE, "studies.yaml"]
    run = table.set_index("run").loc["seeds_subpixel_1"]  # changes nothing, so it scores as the pipeline does
    for prefix, method in (("", "subpixel"), ("mean_rgb_", "mean_rgb")):
        score = json.loads((studied.folder / f"metrics/scores/{method}.json").read_text())
        assert run[f"{prefix}psnr"] == round(score["psnr"], 3)
        assert run[f"{prefix}ssim"] == score["ssim"]
    curve = pd.read_csv(studied.folder / "data/models/subpixel/curve.csv")
    assert run["end_val_psnr"] == round(curve["val_psnr"].iloc[-1], 3)


@pytest.mark.long
def test_only_a_changed_run_is_trained_again_and_the_report_follows(studied: Workspace, tmp_path: Path) -> None:
    command = ("python", "-m", "stages.study")
    assert trained(studied, *command) == []
    assert studied.run("git", "status", "--porcelain").stdout == ""
    workspace = studied.copy(tmp_path / "workspace")
    seeds = {"study": "seeds", "variant": "simple", "seed": 1}
    write_runs(workspace, {"seeds_subpixel_1": seeds, "control_subpixel": RUNS["control_subpixel"]})
    assert workspace.stages_run() == ["report"]  # with both runs
    assert "seeds_subpixel_1" in (workspace.folder / "data/report/index.html").read_text()
    workspace.run("dvc", "status", "--quiet")
    assert trained(workspace, *command) == ["seeds_subpixel_1"]
    assert pd.read_csv(workspace.folder / TABLE)["variant"].tolist() == ["simple", "subpixel"]
