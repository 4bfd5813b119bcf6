"""Scores are traced back to photographs, in a repository with a dvc.lock and results written by hand."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.common.artifacts import write_json
from tools import ToolError, trace

CODE = {"path": "stages/train", "md5": "code"}
METHODS = (
    "method,stage,psnr,ssim,mse\nsubpixel,evaluate@subpixel,60,0.9,1e-6\n"
    "luma,baselines,61,0.9,1e-6\npca_784,evaluate@simple,100,1,0\n"
)


def lock() -> dict[str, Any]:
    """dvc.lock of two variants, with words for hashes."""

    def stage(cmd: str, deps: dict[str, str], *outs: str, **params: object) -> dict[str, Any]:
        return {
            "cmd": f"python -m stages.{cmd}",
            "deps": [CODE, *({"path": path, "md5": md5} for path, md5 in deps.items())],
            "params": {"params.yaml": params, "environment.yaml": {"numpy": "2.4.6"}},
            "outs": [{"path": path, "md5": path.replace("data/models/", "model-")} for path in outs],
        }

    fetch = {"source": "folder", "inputs": "photographs"}
    stages = {
        "fetch": stage("fetch", {"photographs": "p"}, "data/photos", fetch=fetch),
        "targets": stage("targets", {"data/photos": "p"}, "data/pairs/train", "data/pairs/test"),
        "baselines": stage("evaluate baselines", {"data/pairs/test": "t"}, "metrics/scores/luma.json"),
        "report": stage("report", {"data/evaluations": "e"}, "data/report"),
    }
    for name in ("simple", "subpixel"):
        deps = {f"data/models/{name}": "m", "data/pairs/test": "t"}
        stages[f"train@{name}"] = stage(f"train {name}", {"data/pairs/train": "t"}, f"data/models/{name}")
        stages[f"evaluate@{name}"] = stage(f"evaluate {name}", deps, f"metrics/scores/{name}.json")
    return {"stages": stages}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed repository with scores of `subpixel` and the baselines, and a report."""
    monkeypatch.chdir(tmp_path)
    for cached in (trace.commit_of, trace.recorded, trace.committed_lock):
        cached.cache_clear()
    YAML().dump(lock(), tmp_path / "dvc.lock")
    for method, psnr in {"subpixel": 60.0, "luma": 61.0}.items():
        write_json(tmp_path / f"metrics/scores/{method}.json", {"psnr": psnr, "ssim": 0.9})
    (tmp_path / "data/photos").mkdir(parents=True)
    (tmp_path / "data/photos/manifest.csv").write_text("name,split,sha256\nchelsea,train,416b72\n")
    (tmp_path / "data/report").mkdir()
    (tmp_path / "data/report/methods.csv").write_text(METHODS)
    for command in ("init -q", "add -A", "-c user.name=T -c user.email=t@example.org commit -qm First"):
        subprocess.run(["git", *command.split()], check=True)
    return tmp_path


def test_a_score_leads_back_to_its_model_patches_and_photographs(here: Path) -> None:
    show = ["git", "log", "-1", "--format=%h"]
    head = subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
    text = "\n".join(trace.trace("subpixel.ssim"))
    assert text.startswith("subpixel.ssim = 0.9\nread from metrics/scores/subpixel.json, which is commit ")
    steps = re.findall(r"^([\w@]+): python -m ", text, flags=re.MULTILINE)
    assert steps == ["evaluate@subpixel", "train@subpixel", "targets", "fetch"]
    assert f"made    data/models/subpixel: md5 model-subpixel  commit {head}" in text
    assert "code    stages/train: md5 code" in text
    assert "package numpy: 2.4.6" in text
    assert "photo   chelsea (train): sha256 416b72" in text


@pytest.mark.parametrize(
    ("metric", "stage"), [("luma.psnr", "baselines"), ("pca_784.psnr", "evaluate@simple"), ("subpixel.mse", None)]
)
def test_scores_of_the_report_are_traced(here: Path, metric: str, stage: str | None) -> None:
    assert f"\n{stage or 'evaluate@subpixel'}: python -m stages.evaluate" in "\n".join(trace.trace(metric))


def test_a_clone_without_data_traces_the_scores_in_git_and_marks_changed_ones(here: Path) -> None:
    (here / "data/report/methods.csv").unlink()
    write_json(here / "metrics/scores/subpixel.json", {"psnr": 62.0})
    assert "changed since" in list(trace.trace("subpixel.psnr"))[1]
    assert next(trace.trace("subpixel.psnr")) == "subpixel.psnr = 62.0"
    with pytest.raises(ToolError, match="methods are luma, subpixel"):
        next(trace.trace("pca_784.psnr"))


def test_an_unknown_score_or_test_set_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToolError, match=r"no score 'subpixel.beauty'.* methods are .*subpixel"):
        next(trace.trace("subpixel.beauty"))
    with pytest.raises(ToolError, match=r"test_set_garden.csv is missing"):
        next(trace.trace("garden.subpixel.psnr"))
    (here / "dvc.lock").unlink()
    monkeypatch.setattr("sys.argv", ["trace", "subpixel.ssim"])
    with pytest.raises(SystemExit, match=r"^trace: dvc.lock is missing; run `make repro`$"):
        trace.main()


def test_the_page_holds_the_chain_of_every_method(here: Path) -> None:
    page = trace.page()
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert {"subpixel", "luma", "pca_784", "fetch", "report"} <= anchors
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
