"""The whole pipeline, really run on a few small photographs, and the commands that people use on it."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import REPOSITORY, VARIANTS, Workspace

BASELINES = ["luma", "mean_rgb", "green", "conv1x1"]
PHOTOS = {"train": 3, "validation": 1, "test": 2}


def scores(workspace: Workspace) -> dict[str, dict[str, float]]:
    """What git keeps of each method: psnr and ssim; of a variant latent and start_psnr, too."""
    return {path.stem: json.loads(path.read_text()) for path in (workspace.folder / "metrics/scores").glob("*.json")}


def shown(workspace: Workspace, *words: str) -> set[str]:
    """The methods whose scores a `dvc metrics` command shows."""
    lines = workspace.run("dvc", "metrics", *words).stdout.splitlines()
    return {Path(line.split()[0]).stem for line in lines if line.startswith("metrics/scores/")}


def test_every_variant_and_baseline_has_plain_rounded_scores(first_rebuild: Workspace) -> None:
    found = scores(first_rebuild)
    assert set(found) == {*VARIANTS, *BASELINES}
    for name, score in found.items():
        assert set(score) == {"psnr", "ssim"} | ({"latent", "start_psnr"} if name in VARIANTS else set())
        assert all(math.isfinite(number) and round(number, 5) == number for number in score.values())
        assert -1 <= score["ssim"] <= 1


def test_the_formula_of_the_target_wins(first_rebuild: Workspace) -> None:
    summary = first_rebuild.folder / "data/evaluations/baselines/summary.json"
    exact = {name: score["exact"] for name, score in json.loads(summary.read_text())["scores"].items()}
    assert exact["luma"] > 0.999
    assert exact["conv1x1"] > 0.98 > 0.5 > exact["mean_rgb"]


def test_every_method_is_scored_per_domain_with_an_interval_and_probed(first_rebuild: Workspace) -> None:
    for name in ["baselines", *VARIANTS]:
        folder = first_rebuild.folder / f"data/evaluations/{name}"
        found = json.loads((folder / "summary.json").read_text())["scores"]
        for score in found.values():
            assert list(score["domains"]) == ["leaves"]
            ends = score["interval"]["ssim"]
            assert ends["low"] <= ends["mean"] <= ends["high"]
            kinds = dict.fromkeys(condition.split("_")[0] for condition in score["probes"]["noise"])
            assert list(kinds) == ["gaussian", "correlated", "poisson", "jpeg"]
        assert list(pd.read_csv(folder / "bands.csv")["method"].unique()) == list(found)


def test_no_photograph_stands_on_two_sides(first_rebuild: Workspace) -> None:
    for split, count in PHOTOS.items():
        names = set(pd.read_csv(first_rebuild.folder / f"data/pairs/{split}/index.csv")["photo"])
        assert len(names) == count
        assert all(name.startswith(f"{split}/") for name in names)


def test_a_second_rebuild_runs_nothing_and_leaves_no_trace(rebuilt: Workspace) -> None:
    assert rebuilt.stages_run() == []
    rebuilt.run("dvc", "status", "--quiet", "dvc.yaml")
    assert rebuilt.run("git", "status", "--porcelain").stdout == ""
    assert [path for path in rebuilt.folder.rglob("*.partial*") if ".git" not in path.parts] == []


def test_a_fresh_clone_has_nothing_to_run(first_rebuild: Workspace, tmp_path: Path) -> None:
    """Even where git is set up as on Windows: .gitattributes keeps the bytes whose hashes dvc.lock holds."""
    first_rebuild.run("git", "clone", "--quiet", "--config", "core.autocrlf=true", ".", str(tmp_path / "clone"))
    output = Workspace(tmp_path / "clone").run("dvc", "repro", "--dry", "--allow-missing")
    assert "Running stage" not in output.stdout + output.stderr


def test_git_holds_the_metrics_and_dvc_the_data(first_rebuild: Workspace) -> None:
    lock = YAML(typ="safe").load(first_rebuild.folder / "dvc.lock")
    tracked = set(first_rebuild.run("git", "ls-files").stdout.splitlines())
    outs = {out["path"] for stage in lock["stages"].values() for out in stage["outs"]}
    assert {out for out in outs if out in tracked} == {out for out in outs if out.startswith("metrics/")}
    assert {name for name in tracked if name.startswith("data/")} == {"data/.gitignore"}


def test_metrics_show_has_a_row_per_method_and_fits_100_columns(first_rebuild: Workspace) -> None:
    assert shown(first_rebuild, "show") == {*VARIANTS, *BASELINES}
    assert max(map(len, first_rebuild.run("dvc", "metrics", "show").stdout.splitlines())) <= 100


def test_changing_one_variant_moves_only_its_rows_and_reverting_restores(workspace: Workspace) -> None:
    workspace.edit_params(variants__subpixel__learning_rate=0.005)
    assert workspace.stages_run("evaluate@subpixel") == ["train@subpixel", "evaluate@subpixel"]
    assert shown(workspace, "diff", "HEAD") == {"subpixel"}
    assert "variants.subpixel.learning_rate" in workspace.run("dvc", "params", "diff", "HEAD").stdout
    plots = json.loads(workspace.run("dvc", "plots", "diff", "--json", "--out", "../plots", "HEAD").stdout)
    assert {"training curves", "scores of test patches", "hue contrast", "metrics/result.png"} <= set(plots["data"])
    assert "errors" not in plots

    workspace.run("git", "checkout", "--", "params.yaml")
    assert workspace.stages_run() == []
    assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_removing_a_variant_needs_no_cleaning_up(workspace: Workspace) -> None:
    workspace.keep_variants("subpixel")
    assert workspace.stages_run() == ["report"]
    assert "simple" not in shown(workspace, "show")
    assert "| `simple` |" not in (workspace.folder / "metrics/results.md").read_text()


@pytest.mark.long
def test_a_diverging_training_is_told_and_writes_no_model(workspace: Workspace) -> None:
    losses = workspace.folder / "stages/train/losses.py"
    losses.write_text(losses.read_text().replace("ops.square(targets - outputs)", "ops.exp(9e9 * (1 + outputs))"))
    result = workspace.run("dvc", "repro", "train@subpixel", ok=False)
    assert result.returncode != 0
    assert "train@subpixel: loss became inf in epoch 1; no model was written. Lower learning_rate" in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in (workspace.folder / "data/models").iterdir()] == ["simple"]


def test_a_settings_fault_stops_before_any_work(workspace: Workspace) -> None:
    workspace.edit_params(variants__subpixel__budget=0, targets__stride=14)
    result = workspace.run("dvc", "repro", ok=False)
    assert result.returncode != 0
    assert "variants.subpixel.budget" in result.stderr
    assert "tensorflow" not in (result.stdout + result.stderr).lower()


def test_plots_show_a_curve_for_every_variant(first_rebuild: Workspace, tmp_path: Path) -> None:
    first_rebuild.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    assert all(f'"{name}"' in page for name in VARIANTS)


def test_artifacts_are_models_of_variants() -> None:
    variants = YAML(typ="safe").load(REPOSITORY / "params.yaml")["variants"]
    artifacts = YAML(typ="safe").load(REPOSITORY / "dvc.yaml")["artifacts"]
    for name, entry in artifacts.items():
        assert name in variants
        assert (entry["path"], entry["type"]) == (f"data/models/{name}/model.onnx", "model")
