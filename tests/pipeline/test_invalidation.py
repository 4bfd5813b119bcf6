"""Which change runs which stages: a truth table, each row a real rebuild, its revert restored without running."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

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
    manifest = workspace.folder / "stages/fetch/bundled.csv"
    pd.read_csv(manifest).query("name != 'immunohistochemistry'").to_csv(manifest, index=False)


# What changes, how, and the stages that run. A stage whose inputs come out with the same bytes does not run: a test
# photograph trains nothing, a comment in a network's file changes no score.
TABLE: dict[str, tuple[Callable[[Workspace], None], set[str]]] = {
    "one photograph in the manifest": (without_a_test_photograph, {"fetch", "targets", *EVERY_SCORE}),
    "the conversion": (
        replace("stages/targets/conversions.py", "587 * green", "586 * green"),
        {"targets", *TRAIN, *EVERY_SCORE},
    ),
    "the patch size": (params(targets__patch=32, targets__stride=32), {"targets", *TRAIN, *EVERY_SCORE}),
    "the seed": (params(train__recipe__seed=2), {*TRAIN, *EVALUATE, "report"}),
    "a shared loss": (
        replace("stages/train/losses.py", "ops.square(targets - outputs)", "1.5 * ops.square(targets - outputs)"),
        {*TRAIN, *EVALUATE, "report"},
    ),
    "TensorFlow's version": (
        replace("environment.yaml", "tensorflow: ", f"tensorflow: {NEXT_TENSORFLOW} # "),
        {*TRAIN, *EVALUATE, "report"},
    ),
    "one variant's params": (
        params(variants__subpixel__learning_rate=0.02),
        {"train@subpixel", "evaluate@subpixel", "report"},
    ),
    "a comment in its network file": (
        replace("stages/train/networks/subpixel.py", "import keras\n", "import keras  # ours\n"),
        {"train@subpixel"},
    ),
    "the table of the studies": (replace("metrics/studies.csv", "seeds,seeds_vae_1", "seeds,seeds_vae_0"), {"report"}),
    "the report template": (replace("stages/report/page.html", "<h2>Curves", "<h2>The curves"), {"report"}),
    "the README": (replace("README.md", "# Can", "# How well can"), set()),
    "a test": (replace("tests/test_stage.py", "import time\n", "import time  # of day\n"), set()),
    "pytest's version": (replace("requirements-dev.lock", "pytest==", "pytest==1"), set()),
}


@dataclass(frozen=True)
class Outcome:
    """What `dvc repro` did after a change, and after it was taken back."""

    ran: set[str]
    ran_after_revert: set[str]
    left: str  # what git sees after that


@pytest.fixture(scope="module")
def outcomes(two_variants: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Outcome]]:
    """All rows of the table, two at a time: most of it is the start of TensorFlow, on one core."""
    folder = tmp_path_factory.mktemp("changes")
    installed = folder / "installed" / f"tensorflow-{NEXT_TENSORFLOW}.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text(f"Name: tensorflow\nVersion: {NEXT_TENSORFLOW}\n")

    def outcome(change: str) -> Outcome:
        workspace = two_variants.copy(folder / change.replace(" ", "_"))
        TABLE[change][0](workspace)
        path = {"PYTHONPATH": str(installed.parent)} if change == "TensorFlow's version" else {}
        ran = set(workspace.stages_run(**path))
        workspace.run("dvc", "status", "--quiet", "dvc.yaml")
        workspace.run("git", "checkout", "--quiet", "--", "stages", "tests", "*.*")
        again = set(workspace.stages_run())
        workspace.run("dvc", "status", "--quiet", "dvc.yaml")
        return Outcome(ran, again, workspace.run("git", "status", "--porcelain").stdout)

    with ThreadPoolExecutor(2) as pool:
        return {change: pool.submit(outcome, change) for change in TABLE}


@pytest.mark.parametrize("change", TABLE)
def test_a_change_runs_exactly_what_it_touches(outcomes: dict[str, Future[Outcome]], change: str) -> None:
    assert outcomes[change].result().ran == TABLE[change][1]


@pytest.mark.parametrize("change", TABLE)
def test_taking_a_change_back_restores_everything_without_running(
    outcomes: dict[str, Future[Outcome]], change: str
) -> None:
    assert outcomes[change].result().ran_after_revert == set()
    assert outcomes[change].result().left == ""


def test_an_installed_version_that_is_not_the_locked_one_is_refused(two_variants: Workspace, tmp_path: Path) -> None:
    workspace = two_variants.copy(tmp_path / "workspace")
    TABLE["TensorFlow's version"][0](workspace)
    result = workspace.run("dvc", "repro", ok=False)
    assert result.returncode != 0
    assert f"environment.yaml says {NEXT_TENSORFLOW}" in result.stderr
    assert "train@simple: tensorflow is 2." in result.stderr
