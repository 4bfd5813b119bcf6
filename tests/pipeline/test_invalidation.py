"""Which change runs which stages: a truth table, and its revert, which runs none.

Every row is planned by DVC in `make test`, and really rebuilt in `make verify`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from dvc.repo import Repo

from tests.conftest import Workspace

TRAIN = {"train@simple", "train@subpixel"}
EVALUATE = {"evaluate@simple", "evaluate@subpixel"}
EVERY_SCORE = {"baselines", *EVALUATE, "report"}
NEXT_TENSORFLOW = "99.0.0"


def replace(name: str, old: str, new: str) -> Callable[[Workspace], None]:
    def change(workspace: Workspace) -> None:
        path = workspace.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def params(**changes: object) -> Callable[[Workspace], None]:
    return lambda workspace: workspace.edit_params(**changes)


def without_a_test_photograph(workspace: Workspace) -> None:
    next((workspace.folder / "photographs/test").rglob("*.*")).unlink()


@dataclass(frozen=True)
class Row:
    """A change, the stages whose own inputs it touches, and all that a rebuild then runs.

    They differ both ways: what a stage writes anew touches the next one, but not if it comes out with the same bytes.
    """

    change: Callable[[Workspace], None]
    touches: set[str]
    runs: set[str]


# A test photograph trains nothing; a comment in a network's file changes no score.
TABLE = {
    "one photograph": Row(without_a_test_photograph, {"fetch"}, {"fetch", "targets", *EVERY_SCORE}),
    "the conversion": Row(
        replace("grayscale/conversions.py", "587 * green", "586 * green"),
        {"targets", "baselines", *EVALUATE},
        {"targets", *TRAIN, *EVERY_SCORE},
    ),
    "the patch size": Row(
        params(targets__patch=32, targets__stride=32),
        {"targets", "baselines", *EVALUATE},
        {"targets", *TRAIN, *EVERY_SCORE},
    ),
    "the seed": Row(params(train__recipe__seed=2), TRAIN, {*TRAIN, *EVALUATE, "report"}),
    "a shared loss": Row(
        replace("stages/train/losses.py", "ops.square(targets - outputs)", "1.5 * ops.square(targets - outputs)"),
        TRAIN,
        {*TRAIN, *EVALUATE, "report"},
    ),
    "TensorFlow's version": Row(
        replace("environment.yaml", "tensorflow: ", f"tensorflow: {NEXT_TENSORFLOW} # "),
        {*TRAIN, *EVALUATE},
        {*TRAIN, *EVALUATE, "report"},
    ),
    "one variant's params": Row(
        params(variants__subpixel__learning_rate=0.02),
        {"train@subpixel", "report"},
        {"train@subpixel", "evaluate@subpixel", "report"},
    ),
    "a comment in its network file": Row(
        replace("stages/networks/subpixel.py", "import keras\n", "import keras  # ours\n"),
        {"train@subpixel"},
        {"train@subpixel"},
    ),
    "the table of the studies": Row(
        replace("metrics/studies.csv", "seeds,seeds_vae_1", "seeds,seeds_vae_0"),
        {"report"},
        {"report"},
    ),
    "the report template": Row(
        replace("stages/report/page.html", "<h2>Curves", "<h2>The curves"), {"report"}, {"report"}
    ),
    "the README": Row(replace("README.md", "# Can", "# How well can"), set(), set()),
    "a test": Row(replace("tests/test_stage.py", "import time\n", "import time  # of day\n"), set(), set()),
    "pytest's version": Row(replace("requirements-dev.lock", "pytest==", "pytest==1"), set(), set()),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which another TensorFlow seems to be installed."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / f"tensorflow-{NEXT_TENSORFLOW}.dist-info").mkdir()
    metadata = f"Name: tensorflow\nVersion: {NEXT_TENSORFLOW}\n"
    (folder / f"tensorflow-{NEXT_TENSORFLOW}.dist-info/METADATA").write_text(metadata)
    return {"PYTHONPATH": str(folder)}


def test_a_change_touches_exactly_the_stages_that_use_it(
    first_small_rebuild: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    monkeypatch.chdir(workspace.folder)
    touched = {}
    for name, row in TABLE.items():
        row.change(workspace)
        with Repo() as repo:  # `dvc repro --dry` without a new process for each row
            touched[name] = {stage.addressing for stage in repo.reproduce(dry=True)}
        workspace.run("git", "checkout", "--quiet", ".")
    assert touched == {name: row.touches for name, row in TABLE.items()}


@pytest.mark.verify
@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.touches])
def test_a_change_runs_exactly_what_it_reaches_and_taking_it_back_nothing(
    first_small_rebuild: Workspace, tmp_path: Path, installed: dict[str, str], name: str
) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    TABLE[name].change(workspace)
    environment = installed if name == "TensorFlow's version" else {}
    assert set(workspace.stages_run(**environment)) == TABLE[name].runs
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    workspace.run("git", "checkout", "--quiet", "--", "photographs", "stages", "metrics/studies.csv", "*.yaml")
    assert workspace.stages_run() == []
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_an_installed_version_that_is_not_the_locked_one_is_refused(
    first_small_rebuild: Workspace, tmp_path: Path
) -> None:
    workspace = first_small_rebuild.copy(tmp_path / "workspace")
    TABLE["TensorFlow's version"].change(workspace)
    result = workspace.run("dvc", "repro", ok=False)
    assert result.returncode != 0
    assert f"environment.yaml says {NEXT_TENSORFLOW}" in result.stderr
    assert re.search(r"(train|evaluate)@(simple|subpixel): tensorflow is 2\.", result.stderr)
