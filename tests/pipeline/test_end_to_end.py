"""The whole pipeline on a few small photographs, and the commands that people use on its results."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from grayscale.conversions import bt601
from stages.common.artifacts import write_text
from stages.formats.container import Container
from tests.conftest import VARIANTS, Workspace

BASELINES = ["luma", "mean_rgb", "green", "conv1x1"]


def scores(workspace: Workspace) -> dict[str, dict[str, float]]:
    """The scores in git by method."""
    return {path.stem: json.loads(path.read_text()) for path in (workspace.folder / "metrics/scores").glob("*.json")}


def shown(workspace: Workspace, *words: str) -> set[str]:
    """The methods in the output of a `dvc metrics` command."""
    lines = workspace.run("dvc", "metrics", *words).stdout.splitlines()
    return {Path(line.split()[0]).stem for line in lines if line.startswith("metrics/scores/")}


def test_every_variant_and_baseline_has_rounded_scores(first_rebuild: Workspace) -> None:
    found = scores(first_rebuild)
    assert set(found) == {*VARIANTS, *BASELINES}
    for name, score in found.items():
        assert set(score) == {"psnr", "ssim"} | ({"latent", "start_psnr"} if name in VARIANTS else set())
        assert all(math.isfinite(number) and round(number, 5) == number for number in score.values())
        assert -1 <= score["ssim"] <= 1


def test_a_fresh_clone_has_nothing_to_run(first_rebuild: Workspace, tmp_path: Path) -> None:
    """Even with git's settings for Windows: .gitattributes keeps the bytes that dvc.lock has hashes of."""
    first_rebuild.run("git", "clone", "--quiet", "--config", "core.autocrlf=true", ".", str(tmp_path / "clone"))
    output = Workspace(tmp_path / "clone").run("dvc", "repro", "--dry", "--allow-missing")
    assert "Running stage" not in output.stdout + output.stderr


def test_git_holds_the_metrics_dvc_the_data_and_nobody_unfinished_files(first_rebuild: Workspace) -> None:
    lock = YAML(typ="safe").load(first_rebuild.folder / "dvc.lock")
    tracked = set(first_rebuild.run("git", "ls-files").stdout.splitlines())
    outs = {out["path"] for stage in lock["stages"].values() for out in stage["outs"]}
    assert {out for out in outs if out in tracked} == {out for out in outs if out.startswith("metrics/")}
    assert [name for name in tracked if name.startswith("data/")] == []
    assert list((first_rebuild.folder / "data").rglob("*.partial*")) == []


def test_dvc_shows_metrics_in_100_columns_and_curves_of_every_variant(first_rebuild: Workspace, tmp_path: Path) -> None:
    assert shown(first_rebuild, "show") == {*VARIANTS, *BASELINES}
    assert max(map(len, first_rebuild.run("dvc", "metrics", "show").stdout.splitlines())) <= 100
    first_rebuild.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    assert all(f'"{name}"' in page for name in VARIANTS)


def test_changing_one_variant_moves_only_its_scores_and_reverting_restores_them(workspace: Workspace) -> None:
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


def test_removing_a_variant_runs_only_the_report(workspace: Workspace) -> None:
    workspace.keep_variants("subpixel")
    assert workspace.stages_run() == ["report"]
    assert "simple" not in shown(workspace, "show")
    assert "| `simple` |" not in (workspace.folder / "metrics/results.md").read_text()

    write_text(workspace.folder / "data/models/simple/model.onnx", "left by another branch")
    failed = workspace.run("dvc", "repro", ok=False)
    assert failed.returncode != 0
    assert "report: data/models/simple: of no variant or test set in params.yaml" in failed.stderr


def test_a_second_worker_changes_no_byte_and_leaves_nothing_behind(workspace: Workspace) -> None:
    stages = ("fetch", "targets", "baselines")
    assert workspace.stages_run("--force", "--single-item", *stages, WORKERS="2") == list(stages)
    assert workspace.run("git", "status", "--short").stdout == ""
    kept = workspace.folder / ".dvc/tmp/kept"
    assert not kept.exists() or list(kept.iterdir()) == []


def test_a_stage_without_its_cluster_fails_and_says_so(workspace: Workspace) -> None:
    command = ("dvc", "repro", "--force", "--single-item", "targets")
    failed = workspace.run(*command, ok=False, ENGINE="ray", RAY_ADDRESS="127.0.0.1:9", RAY_AUTH_MODE="token")
    assert failed.returncode != 0
    assert "targets: no Ray cluster at 127.0.0.1:9: " in failed.stderr


def test_the_command_converts_a_whole_photograph_by_the_best_variant(first_rebuild: Workspace, tmp_path: Path) -> None:
    photos = Container(first_rebuild.folder / "data/photos")
    photograph = photos.read(photos.manifest.query("split == 'test'").iloc[0]["name"])
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    found = scores(first_rebuild)
    other, best = sorted(VARIANTS, key=lambda name: found[name]["psnr"])
    grays = []
    for choice in ((), ("--variant", best), ("--variant", other)):
        first_rebuild.run("python", "-m", "grayscale", str(tmp_path / "photo.png"), "--force", *choice)
        grays.append(np.asarray(Image.open(tmp_path / "photo.gray.png"), float))
    errors = [np.square(gray - bt601(photograph)).mean() for gray in grays]
    assert np.array_equal(grays[0], grays[1])
    assert errors[1] < errors[2]
