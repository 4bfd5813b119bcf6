"""Which changes invalidate which stages, as DVC plans them."""

import re
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from dvc.repo import Repo

from tests.conftest import Workspace

Change = Callable[[Workspace], None]

TRAIN = {"train@simple", "train@subpixel"}
EVALUATE = {"evaluate@simple", "evaluate@subpixel"}


def replace(name: str, old: str, new: str) -> Change:
    def change(workspace: Workspace) -> None:
        path = workspace.folder / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def comment(name: str) -> Change:
    """Append a comment to a file."""
    return lambda workspace: append(workspace.folder / name)


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write("# A comment.\n")


def params(**changes: object) -> Change:
    return lambda workspace: workspace.edit_params(**changes)


def without_a_test_photograph(workspace: Workspace) -> None:
    next((workspace.folder / "photographs/test").rglob("*.*")).unlink()


# The change, and the stages whose inputs it changes. Stages after these depend on what they write.
TABLE: dict[str, tuple[Change, set[str]]] = {
    "one photograph": (without_a_test_photograph, {"fetch"}),
    "the conversions": (comment("grayscale/conversions.py"), {"targets", "baselines", *EVALUATE}),
    "the patch size": (params(targets__patch=32, targets__stride=32), {"targets", "baselines", *EVALUATE}),
    "the seed": (params(train__recipe__seed=2), TRAIN),
    "a shared loss": (comment("stages/train/losses.py"), TRAIN),
    "TensorFlow's version": (replace("environment.yaml", "tensorflow: ", "tensorflow: 99.0.0 # "), {*TRAIN, *EVALUATE}),
    "one variant's params": (params(variants__subpixel__learning_rate=0.03), {"train@subpixel", "report"}),
    "one network's file": (comment("stages/networks/subpixel.py"), {"train@subpixel", "evaluate@subpixel"}),
    "a measure": (comment("stages/evaluate/measures.py"), {"baselines", *EVALUATE, "report"}),
    "the report template": (replace("stages/report/page.html", "<body", "<body "), {"report"}),
    "the README": (comment("README.md"), set()),
    "a test": (comment("tests/conftest.py"), set()),
    "pytest's version": (replace("requirements-dev.lock", "pytest==", "pytest==1"), set()),
    "where it computes": (replace("engine.yaml", "engine: local", "engine: ray"), set()),
}


def planned(workspace: Workspace) -> set[str]:
    """The stages of `dvc repro --dry`."""
    with chdir(workspace.folder), Repo() as repo:
        return {stage.addressing for stage in repo.reproduce(dry=True)}


def test_a_change_invalidates_exactly_the_stages_that_use_it(workspace: Workspace) -> None:
    touched = {}
    for name, (change, _) in TABLE.items():
        change(workspace)
        touched[name] = planned(workspace)
        workspace.run("git", "checkout", "--quiet", ".")
    assert touched == {name: stages for name, (_, stages) in TABLE.items()}


@pytest.mark.long
def test_a_changed_test_photograph_trains_nothing_and_equal_outputs_invalidate_nothing(workspace: Workspace) -> None:
    comment("stages/targets/__main__.py")(workspace)
    assert workspace.stages_run() == ["targets"]
    without_a_test_photograph(workspace)
    assert workspace.stages_run("targets") == ["fetch", "targets"]
    assert planned(workspace) == {"baselines", *EVALUATE, "report"}


def test_another_installed_version_than_the_locked_one_is_refused(workspace: Workspace) -> None:
    TABLE["TensorFlow's version"][0](workspace)
    result = workspace.run("dvc", "repro", ok=False)
    assert result.returncode != 0
    assert re.search(r"(train|evaluate)@(simple|subpixel): tensorflow is 2\..*99\.0\.0", result.stderr)
