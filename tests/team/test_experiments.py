"""Experiments, as docs/team.md shows them: queued, run beside the workspace, taken over, passed on, and reviewed.

Stand-ins write a few bytes instead of training.
"""

import json

import pytest

from tests.conftest import INSTALLED, Workspace
from tests.team.conftest import Team, stages_run, typed

SETTINGS = {"mae": ("loss", "mae"), "small-batch": ("batch", 8)}


@pytest.fixture(scope="module")
def people(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """Ada and Ben, who share a folder as remote, after both have typed what docs/team.md says on experiments."""
    folder = tmp_path_factory.mktemp("experiments")
    ada = first_stand_in_rebuild.copy(folder / "ada")
    (folder / "results").mkdir()
    typed(ada, "make remote URL=../results && git commit --quiet --all --message 'Share results'")
    members = Team(ada)
    for command, output in members.follow("Experiments"):
        if command.startswith("dvc exp run --run-all"):
            assert stages_run(output) == 2 * ["train@simple", "evaluate@simple", "report"]
            assert ada.run("git", "status", "--porcelain").stdout == ""
    return members.people


def test_an_experiment_can_become_the_workspace_or_a_branch(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    assert "    batch: 8\n" in (ada.folder / "params.yaml").read_text()
    assert ada.run("git", "status", "--porcelain").stdout == ""
    assert "    loss: mae\n" in ada.run("git", "show", "try-mae:params.yaml").stdout


def test_a_colleague_gets_an_experiment_with_its_results(people: dict[str, Workspace]) -> None:
    ada, ben = people["ada"], people["ben"]
    assert "    loss: mae\n" in (ben.folder / "params.yaml").read_text()
    ada_has = ada.run("git", "show", "try-mae:metrics/scores/simple.json").stdout
    assert (ben.folder / "metrics/scores/simple.json").read_text() == ada_has


def test_editors_read_experiments_metrics_params_and_models(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    table = json.loads(ada.run("dvc", "exp", "show", "--json", "--num", "2").stdout)
    (before,) = (row for row in table if row["experiments"])
    found = {run["name"]: run["revs"][0]["data"] for run in before["experiments"]}
    for name, (key, value) in SETTINGS.items():
        assert found[name]["params"]["params.yaml"]["data"]["variants"]["simple"][key] == value
        scores = [of["metrics"]["metrics/scores/simple.json"]["data"]["psnr"] for of in (before["data"], found[name])]
        assert scores[0] != scores[1]
        assert "data/models/simple" in found[name]["outs"]
    artifacts = ada.run("python", "-c", "from dvc.repo import Repo; print(*Repo().artifacts.read()['dvc.yaml'])").stdout
    assert "subpixel" in artifacts.split()


def test_a_review_refuses_metrics_that_are_not_those_of_the_code(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    summary = ada.folder / "metrics/scores/simple.json"
    summary.write_text(summary.read_text().replace('"psnr": ', '"psnr": 9'))
    ada.commit("Better scores")
    refused = ada.run("make", "review", "REV=HEAD~1", ok=False, MAKEFLAGS=INSTALLED)
    assert refused.returncode != 0
    assert " M metrics/scores/simple.json" in refused.stdout
    assert "make review: what is committed is not the result of this code" in refused.stderr
    assert (ada.folder / "comparison.md").exists()  # a pull request shows it all the same
