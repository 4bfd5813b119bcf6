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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed repository with dvc.lock, scores, the manifest and some code."""
    workspace = new_repository(tmp_path / "workspace")
    monkeypatch.chdir(workspace.folder)
    for cached in (trace.commit_of, trace.recorded):
        cached.cache_clear()
    for name in ("dvc.lock", "stages/fetch/bundled.csv", "stages/networks/subpixel.py"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, name)
    shutil.copytree(REPOSITORY / "metrics/scores", "metrics/scores")
    workspace.commit("First")
    for key, value in {"coloring": "highlightRecent", "blankBoundary": "true"}.items():
        workspace.run("git", "config", f"blame.{key}", value)  # of some users
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


def test_what_is_not_committed_is_marked(here: Path) -> None:
    model = LOCK["train@subpixel"]["outs"][0]["md5"]
    lock = Path("dvc.lock")
    lock.write_text(lock.read_text().replace(model, "f" * 32))
    write_json(Path("metrics/scores/luma.json"), {"psnr": 62.0})
    assert f"  made    data/models/subpixel: md5 {'f' * 32}  not committed" in list(trace.trace("subpixel.psnr"))
    value, read, stage, *_ = trace.trace("luma.psnr")
    assert (value, stage) == ("luma.psnr = 62.0", "\nbaselines: python -m stages.evaluate baselines")
    assert read.endswith(", changed since")


def test_an_unknown_score_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for metric in ("subpixel.beauty", "pca_784.psnr"):
        with pytest.raises(ToolError, match=rf"no score '{metric}'.* methods are .*luma, .*subpixel"):
            next(trace.trace(metric))
    Path("dvc.lock").unlink()
    monkeypatch.setattr("sys.argv", ["trace", "subpixel.ssim"])
    with pytest.raises(SystemExit, match=r"^trace: dvc.lock is missing; run `make repro`$"):
        trace.main()
