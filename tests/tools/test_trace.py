"""The committed scores are traced back to photographs, in a repository that holds little else."""

import json
import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.common.artifacts import write_json
from tests.conftest import REPOSITORY
from tests.tools.conftest import new_repository
from tools import ToolError, trace

LOCK = YAML(typ="safe").load(REPOSITORY / "dvc.lock")["stages"]
METHODS = (
    "method,stage,psnr,ssim,mse\nsubpixel,evaluate@subpixel,60,0.9,1e-6\n"
    "luma,baselines,61,0.9,1e-6\npca_784,evaluate@simple,100,1,0\n"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed repository with dvc.lock, scores, the manifest, some code, and the table of the report."""
    workspace = new_repository(tmp_path / "workspace")
    monkeypatch.chdir(workspace.folder)
    for cached in (trace.commit_of, trace.recorded, trace.committed_lock):
        cached.cache_clear()
    for name in ("dvc.lock", "stages/fetch/bundled.csv", "stages/networks/subpixel.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, name)
    shutil.copytree(REPOSITORY / "metrics/scores", "metrics/scores")
    Path("data/report").mkdir(parents=True)
    Path("data/report/methods.csv").write_text(METHODS)
    workspace.commit("First")
    return workspace.folder


def test_a_score_is_traced_to_its_model_code_params_packages_and_photographs(here: Path) -> None:
    text = "\n".join(trace.trace("subpixel.ssim"))
    score = json.loads(Path("metrics/scores/subpixel.json").read_text())["ssim"]
    assert text.startswith(f"subpixel.ssim = {score}\nread from metrics/scores/subpixel.json, which is commit ")
    steps = re.findall(r"^(\S+): python -m ", text, flags=re.MULTILINE)
    assert steps == ["evaluate@subpixel", "train@subpixel", "targets", "fetch"]
    model = LOCK["train@subpixel"]["outs"][0]["md5"]
    assert re.search(rf"^  made    data/models/subpixel: md5 {model}  commit \w+ of ", text, flags=re.MULTILINE)
    assert re.search(r"^  code    stages/networks/subpixel.py: md5 \w+  commit \w+ of ", text, flags=re.MULTILINE)
    assert "  param   variants.subpixel: {" in text
    assert f"  package numpy: {LOCK['fetch']['params']['environment.yaml']['numpy']}\n" in text
    assert re.search(r"^  photo   astronaut \(train\): sha256 \w{64}  commit ", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("metric", "stage"),
    [("luma.psnr", "baselines"), ("pca_784.psnr", "evaluate@simple"), ("subpixel.mse", "evaluate@subpixel")],
)
def test_scores_of_the_report_are_traced(here: Path, metric: str, stage: str) -> None:
    assert f"\n{stage}: python -m stages.evaluate" in "\n".join(trace.trace(metric))


def test_a_clone_without_data_traces_the_scores_in_git_and_marks_changed_ones(here: Path) -> None:
    Path("data/report/methods.csv").unlink()
    write_json(Path("metrics/scores/subpixel.json"), {"psnr": 62.0})
    assert "changed since" in list(trace.trace("subpixel.psnr"))[1]
    assert next(trace.trace("subpixel.psnr")) == "subpixel.psnr = 62.0"
    with pytest.raises(ToolError, match=r"methods are .*luma, .*subpixel"):
        next(trace.trace("pca_784.psnr"))


def test_an_unknown_score_or_test_set_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match=r"no score 'subpixel.beauty'.* methods are .*subpixel"):
        next(trace.trace("subpixel.beauty"))
    with pytest.raises(ToolError, match=r"test_set_garden.csv is missing"):
        next(trace.trace("garden.subpixel.psnr"))
    Path("dvc.lock").unlink()
    monkeypatch.setattr("sys.argv", ["trace", "subpixel.ssim"])
    with pytest.raises(SystemExit, match=r"^trace: dvc.lock is missing; run `make repro`$"):
        trace.main()
