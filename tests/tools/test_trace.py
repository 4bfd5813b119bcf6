"""Every number leads back to the photographs."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Workspace


def trace(workspace: Workspace, metric: str) -> str:
    return workspace.run("python", "-m", "tools.trace", metric).stdout


def test_a_variants_score_leads_back_to_its_model_patches_and_photographs(rebuilt: Workspace) -> None:
    text = trace(rebuilt, "subpixel.ssim")
    summary = json.loads((rebuilt.folder / "metrics/summary.json").read_text())
    assert text.startswith(f"variants.subpixel.ssim = {summary['variants']['subpixel']['ssim']}\n")
    steps = [line.split(":")[0] for line in text.splitlines() if ": python -m " in line]
    assert steps == ["report", "evaluate@subpixel", "train@subpixel", "targets", "fetch"]
    head = rebuilt.run("git", "log", "-1", "--format=%h").stdout.strip()
    assert f"commit {head}" in text
    assert "package tensorflow: 2." in text


@pytest.mark.parametrize(("metric", "stage"), [("luma.psnr", "baselines"), ("pca_261.psnr", "evaluate@bottleneck")])
def test_a_baselines_score_leads_to_the_stage_that_measured_it(rebuilt: Workspace, metric: str, stage: str) -> None:
    text = trace(rebuilt, metric)
    assert f"\n{stage}: python -m stages.evaluate" in text
    assert "\nfetch: python" in text


def test_uncommitted_code_is_told(workspace: Workspace) -> None:
    network = workspace.folder / "stages/train/networks/subpixel.py"
    network.write_text(network.read_text() + "\n")
    assert [line for line in trace(workspace, "subpixel.psnr").splitlines() if "changed since" in line] != []


def test_an_unknown_number_is_refused_with_the_known_ones(rebuilt: Workspace) -> None:
    result = rebuilt.run("python", "-m", "tools.trace", "subpixel.beauty", ok=False)
    assert result.returncode == 1
    assert "has no number 'subpixel.beauty'" in result.stderr
    assert "simple_mae" in result.stderr
