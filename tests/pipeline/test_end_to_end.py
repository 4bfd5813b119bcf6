"""The whole pipeline, really run on a few real photographs, and the commands that people use on it."""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace, new_workspace

VARIANTS = [
    "simple",
    "simple_mae",
    "bottleneck",
    "vae",
    "naive",
    "subpixel",
    "subpixel_bottleneck",
    "subpixel_vae",
]


@pytest.fixture(scope="session")
def summary(rebuilt: Workspace) -> dict[str, Any]:
    return json.loads((rebuilt.folder / "metrics/summary.json").read_text())


def test_every_variant_and_baseline_has_plain_scores(summary: dict[str, Any]) -> None:
    assert list(summary["variants"]) == VARIANTS
    assert list(summary["baselines"]) == ["luma", "mean_rgb", "green", "conv1x1", "pca_32", "pca_155"]  # patches
    for row in [*summary["variants"].values(), *summary["baselines"].values()]:
        assert isinstance(row["psnr"], float)
        assert -1 <= row["ssim"] <= 1


def test_scores_are_told_per_domain_and_photograph(rebuilt: Workspace) -> None:
    for name in ["baselines", *VARIANTS]:
        evaluation = json.loads((rebuilt.folder / f"data/evaluations/{name}/summary.json").read_text())
        for score in evaluation["scores"].values():
            assert list(score["domains"]) == ["everyday", "histology"]
            assert list(score["photos"]) == ["coffee", "immunohistochemistry"]


def test_every_method_is_probed(rebuilt: Workspace) -> None:
    for name in ["baselines", *VARIANTS]:
        folder = rebuilt.folder / f"data/evaluations/{name}"
        found = json.loads((folder / "summary.json").read_text())["scores"]
        bands = pd.read_csv(folder / "bands.csv")
        assert list(bands["method"].unique()) == list(found)
        contrast = pd.read_csv(folder / "contrast.csv")
        assert list(contrast["photo"].unique()) == ["coffee", "immunohistochemistry"]
        assert list(contrast["method"].unique()) == [*(["target"] if name == "baselines" else []), *found]
        for score in found.values():
            assert score["interval"]["psnr"]["low"] <= score["psnr"] <= score["interval"]["psnr"]["high"]
            assert list(score["probes"]["noise"]) == ["5", "10", "25"]
            assert list(score["probes"]["chroma_r2_per_photo"]) == ["coffee", "immunohistochemistry"]


def test_the_formula_of_the_target_wins(summary: dict[str, Any]) -> None:
    baselines = summary["baselines"]
    assert baselines["luma"]["psnr"] > 55
    assert baselines["luma"]["ssim"] > 0.999
    assert baselines["conv1x1"]["psnr"] == pytest.approx(baselines["luma"]["psnr"], abs=0.5)
    assert baselines["mean_rgb"]["psnr"] < baselines["luma"]["psnr"]
    assert baselines["pca_32"]["psnr"] < baselines["pca_155"]["psnr"]


def test_the_naive_autoencoder_gives_colour(summary: dict[str, Any]) -> None:
    naive = summary["variants"]["naive"]
    assert naive["chroma_of_output"] > 1
    assert set(naive["read_outs"]) == {"luma", "latent_channel"}


def test_the_vae_reports_its_latent(summary: dict[str, Any]) -> None:
    vae = summary["variants"]["vae"]
    assert vae["kl_nats"] > 0
    assert 0 <= vae["active_units"] <= vae["latent"] == 32


def test_numbers_for_git_are_rounded_and_stay_finite(summary: dict[str, Any]) -> None:
    def leaves(value: Any) -> list[float]:
        return [leaf for part in value.values() for leaf in leaves(part)] if isinstance(value, dict) else [value]

    assert all(math.isfinite(leaf) and round(leaf, 5) == leaf for leaf in leaves(summary))
    assert len(leaves(summary)) < 150  # `dvc metrics diff` shows those that changed


def test_no_photograph_stands_on_two_sides(rebuilt: Workspace) -> None:
    photos = {
        split: set(pd.read_csv(rebuilt.folder / f"data/pairs/{split}/index.csv")["photo"])
        for split in ("train", "validation", "test")
    }
    assert photos == {"train": {"chelsea"}, "validation": {"rocket"}, "test": {"coffee", "immunohistochemistry"}}


def test_near_empty_patches_are_counted(rebuilt: Workspace) -> None:
    counts = pd.read_csv(rebuilt.folder / "data/pairs/counts.csv")
    assert (counts["kept"] <= counts["patches"]).all()
    assert counts["kept"].sum() < counts["patches"].sum()


def test_a_second_rebuild_runs_nothing_and_the_tree_is_clean(rebuilt: Workspace) -> None:
    assert rebuilt.stages_run() == []
    rebuilt.run("dvc", "status", "--quiet", "dvc.yaml")
    assert rebuilt.run("git", "status", "--porcelain").stdout == ""


def test_a_fresh_clone_has_nothing_to_run(rebuilt: Workspace, tmp_path: Path) -> None:
    rebuilt.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    output = Workspace(tmp_path / "clone").run("dvc", "repro", "--dry", "--allow-missing")
    assert "Running stage" not in output.stdout + output.stderr


def test_no_half_built_output_is_left(rebuilt: Workspace) -> None:
    assert [path for path in rebuilt.folder.rglob("*.partial*") if ".git" not in path.parts] == []


def test_a_cache_holds_everything_but_the_metrics(rebuilt: Workspace) -> None:
    lock = YAML(typ="safe").load(rebuilt.folder / "dvc.lock")
    tracked = set(rebuilt.run("git", "ls-files").stdout.splitlines())
    outs = {out["path"] for stage in lock["stages"].values() for out in stage["outs"]}
    assert {out for out in outs if out in tracked} == {
        "metrics/summary.json",
        "metrics/probes.csv",
        "metrics/result.png",
    }
    assert not any(name.startswith("data/") and name != "data/.gitignore" for name in tracked)


@pytest.mark.verify  # tests/team/test_team.py shows it through a remote
def test_changing_one_variant_reruns_only_that_variant_and_reverting_restores(
    first_small_rebuild: Workspace, tmp_path: Path
) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    workspace.edit_params(variants__subpixel__learning_rate=0.005)
    assert workspace.stages_run() == ["train@subpixel", "evaluate@subpixel", "report"]
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    difference = workspace.run("dvc", "metrics", "diff", "HEAD").stdout
    assert "variants.subpixel.psnr" in difference
    assert "variants.simple." not in difference
    assert "variants.subpixel.learning_rate" in workspace.run("dvc", "params", "diff", "HEAD").stdout

    workspace.run("git", "checkout", "--", "params.yaml")
    assert workspace.stages_run() == []
    assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_a_variant_is_one_file_one_registry_line_and_one_entry(first_small_rebuild: Workspace, tmp_path: Path) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    network = workspace.folder / "stages/networks/pixelwise.py"
    network.write_text(
        "import keras\n\n\n"
        "def build(*, patch: int, inputs: int, outputs: int, depth: int) -> keras.Model:\n"
        "    image = x = keras.Input((patch, patch, inputs), name='image')\n"
        "    for number in range(depth):\n"
        "        x = keras.layers.Conv2D(4, 1, name=f'hidden_{number}')(x)\n"
        "    x = keras.layers.Conv2D(4, 1, name='latent')(x)\n"
        "    return keras.Model(image, keras.layers.Conv2D(outputs, 1, name='output')(x), name='pixelwise')\n"
    )
    registry = workspace.folder / "stages/networks/registry.py"
    text = registry.read_text()
    registry.write_text(
        text.replace('    "subpixel": {},\n', '    "subpixel": {},\n    "pixelwise": {"depth": [0, 3]},\n')
    )
    workspace.edit_params(variants__pixelwise={"network": "pixelwise", "depth": 1})

    assert workspace.stages_run() == ["train@pixelwise", "evaluate@pixelwise", "report"]
    summary = json.loads((workspace.folder / "metrics/summary.json").read_text())
    assert summary["variants"]["pixelwise"]["latent"] == 28 * 28 * 4
    assert list(summary["variants"]) == ["simple", "subpixel", "pixelwise"]


def test_a_diverging_training_is_told_and_writes_no_model(first_small_rebuild: Workspace, tmp_path: Path) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    losses = workspace.folder / "stages/train/losses.py"
    losses.write_text(losses.read_text().replace("ops.square(targets - outputs)", "ops.exp(9e9 * (1 + outputs))"))
    result = workspace.run("dvc", "repro", "train@subpixel", ok=False)
    assert result.returncode != 0
    assert "train@subpixel: loss became inf in epoch 1; no model was written. Lower learning_rate" in result.stderr
    assert "Traceback" not in result.stderr
    left = {path.name for path in (workspace.folder / "data/models").iterdir()}
    assert left == {"simple"}


def test_a_settings_fault_stops_before_any_work(workspace: Workspace) -> None:
    workspace.edit_params(variants__subpixel__epochs=0, targets__stride=14)
    result = workspace.run("dvc", "repro", ok=False)
    assert result.returncode != 0
    assert "variants.subpixel.epochs" in result.stderr
    assert "tensorflow" not in (result.stdout + result.stderr).lower()


def test_training_again_gives_the_same_bytes_and_output_for_people(workspace: Workspace) -> None:
    again = ("dvc", "repro", "--force", "--single-item", "train@vae")
    result = workspace.run(*again, PYTHONHASHSEED="5", TZ="Asia/Tokyo")
    assert workspace.run("git", "status", "--porcelain").stdout == ""
    noise = ("cuda", "absl", "oneDNN", "NodeDef", "WARNING", "Traceback")
    assert [word for word in noise if word in result.stdout + result.stderr] == []
    assert "train@vae: 86,561 parameters, validation PSNR" in result.stdout


def test_scores_do_not_depend_on_the_number_of_cores(workspace: Workspace) -> None:
    others = "1" if os.cpu_count() != 1 else "2"  # the rebuild used all
    workspace.run("dvc", "repro", "--force", "--single-item", "baselines", OPENBLAS_NUM_THREADS=others)
    assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_the_whole_of_params_is_checked_by_one_command(workspace: Workspace) -> None:
    workspace.edit_params(seed=3)
    result = workspace.run("python", "-m", "stages.common.settings", ok=False)
    assert result.returncode == 1
    assert result.stderr.startswith("params.yaml: seed: unknown key; allowed are fetch, test_sets, targets")


def test_a_split_without_patches_is_named(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path)
    workspace.edit_params(targets__min_contrast=120)
    result = workspace.run("dvc", "repro", "targets", ok=False)
    assert (
        "no patch is left in split train, validation, test; lower targets.min_contrast or targets.patch"
        in result.stderr
    )


def test_a_photograph_smaller_than_a_patch_is_left_out_and_named(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path)
    workspace.edit_params(targets__patch=308, targets__stride=308)
    result = workspace.run("dvc", "repro", "targets", ok=False)
    assert "no patch is left in split train; lower targets.min_contrast or targets.patch" in result.stderr

    manifest = tmp_path / "stages/fetch/bundled.csv"  # now the one that trains is large enough
    manifest.write_text(
        manifest.read_text().replace("rocket,validation", "rocket,train").replace("coffee,test", "coffee,validation")
    )
    told = workspace.run("dvc", "repro", "targets").stdout
    assert "targets: left out as smaller than a patch: chelsea\n" in told
    counts = pd.read_csv(tmp_path / "data/pairs/counts.csv").set_index("photo")
    assert counts.loc["chelsea", ["split", "patches", "kept"]].tolist() == ["train", 0, 0]
    assert counts.loc["rocket", "patches"] == 2


def test_the_commands_of_dvc_read_well(rebuilt: Workspace) -> None:
    shown = rebuilt.run("dvc", "metrics", "show", "--json").stdout
    assert json.loads(shown)[""]["data"]["metrics/summary.json"]["data"]["variants"]["simple"]["psnr"] > 0
    graph = rebuilt.run("dvc", "dag").stdout
    assert all(f"train@{name}" in graph for name in VARIANTS)


def test_plots_show_curves_of_all_variants_and_score_distributions(rebuilt: Workspace, tmp_path: Path) -> None:
    rebuilt.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    assert '"val_psnr"' in page
    assert '"boxplot"' in page
    assert all(f'"variant": "{name}"' in page for name in VARIANTS)


@pytest.mark.verify  # test_readme.py runs one
def test_an_experiment_changes_a_param_from_the_command_line(first_small_rebuild: Workspace, tmp_path: Path) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    setting = "train.recipe.seed=2"
    workspace.run("dvc", "exp", "run", "--name", "another", "--set-param", setting, "train@subpixel")
    table = pd.read_csv(io.StringIO(workspace.run("dvc", "exp", "show", "--csv").stdout))
    assert table.set_index("Experiment")["train.recipe.seed"]["another"] == 2


def test_artifacts_name_models_that_exist(rebuilt: Workspace) -> None:
    artifacts = YAML(typ="safe").load(rebuilt.folder / "dvc.yaml")["artifacts"]
    assert set(artifacts) == {name.replace("_", "-") for name in VARIANTS}
    for entry in artifacts.values():
        assert (rebuilt.folder / entry["path"]).is_file()
        assert entry["type"] == "model"
        assert entry["desc"]
        assert entry["labels"]
