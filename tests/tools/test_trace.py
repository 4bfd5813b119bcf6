"""Every number leads back to the photographs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace, repository_copy


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
    lock = YAML(typ="safe").load(rebuilt.folder / "dvc.lock")["stages"]
    assert f"data/models/subpixel: md5 {lock['train@subpixel']['outs'][0]['md5']}  commit {head}" in text
    photo = pd.read_csv(rebuilt.folder / "data/photos/manifest.csv").query("split == 'train'").iloc[0]
    assert f"photo   {photo['name']} (train): sha256 {photo['sha256']}" in text


@pytest.mark.parametrize(("metric", "stage"), [("luma.psnr", "baselines"), ("pca_36.psnr", "evaluate@simple")])
def test_a_baselines_score_leads_to_the_stage_that_measured_it(rebuilt: Workspace, metric: str, stage: str) -> None:
    text = trace(rebuilt, metric)
    assert f"\n{stage}: python -m stages.evaluate" in text
    assert "\nfetch: python" in text


def test_uncommitted_code_is_told(workspace: Workspace) -> None:
    network = workspace.folder / "stages/networks/subpixel.py"
    network.write_text(network.read_text() + "\n")
    assert [line for line in trace(workspace, "subpixel.psnr").splitlines() if "changed since" in line] != []


def test_an_unknown_number_is_refused_with_the_known_ones(rebuilt: Workspace) -> None:
    result = rebuilt.run("python", "-m", "tools.trace", "subpixel.beauty", ok=False)
    assert result.returncode == 1
    assert "has no number 'subpixel.beauty'" in result.stderr
    assert "subpixel" in result.stderr


def test_the_page_holds_the_chain_of_every_row_of_the_report(rebuilt: Workspace, tmp_path: Path) -> None:
    rebuilt.run("python", "-m", "tools.trace", "--page", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    anchors = set(re.findall(r'id="([^"]+)"', page))
    report = (rebuilt.folder / "data/report/index.html").read_text()
    wanted = re.findall(r'href="../provenance.html#([^"]+)"', report)
    assert len(wanted) == 2 + 4 + 1  # variants, baselines and PCA
    assert set(wanted) <= anchors
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    lock = YAML(typ="safe").load(rebuilt.folder / "dvc.lock")["stages"]
    assert all(out["md5"] in page for entry in lock.values() for out in entry["outs"])
    assert rebuilt.run("git", "log", "-1", "--format=commit %h").stdout.strip() in page


def test_a_clone_without_results_is_told_what_to_do(tmp_path: Path) -> None:
    workspace = repository_copy(tmp_path)
    (tmp_path / "dvc.lock").unlink()
    result = workspace.run("python", "-m", "tools.trace", "subpixel.ssim", ok=False)
    assert result.stderr == "trace: dvc.lock is missing; run `make repro`\n"
