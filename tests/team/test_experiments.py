"""Experiments as in docs/team.md: queued, run, applied, shared and reviewed. Stand-ins replace the stages."""

from pathlib import Path

import pytest

from tests.conftest import INSTALLED, Workspace
from tests.team.conftest import Team, stages_run, typed


@pytest.fixture(scope="module")
def people(first_stand_in_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """Ada and Ben, with a folder as remote, after the commands of docs/team.md on experiments."""
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


def test_an_experiment_becomes_the_workspace_a_branch_or_a_colleagues_workspace(people: dict[str, Workspace]) -> None:
    ada, ben = people["ada"], people["ben"]
    assert "    batch: 8\n" in (ada.folder / "params.yaml").read_text()
    assert ada.run("git", "status", "--porcelain").stdout == ""
    for file in ("params.yaml", "metrics/scores/simple.json"):
        assert (ben.folder / file).read_text() == ada.run("git", "show", f"try-mae:{file}").stdout
    assert "    loss: mae\n" in (ben.folder / "params.yaml").read_text()


def test_a_review_refuses_metrics_that_the_code_does_not_give(people: dict[str, Workspace]) -> None:
    ada = people["ada"]
    summary = ada.folder / "metrics/scores/simple.json"
    summary.write_text(summary.read_text().replace('"psnr": ', '"psnr": 9'))
    ada.commit("Better scores")
    refused = ada.run("make", "review", "REV=HEAD~1", ok=False, MAKEFLAGS=INSTALLED)
    assert refused.returncode != 0
    assert " M metrics/scores/simple.json" in refused.stdout
    assert "make review: what is committed is not the result of this code" in refused.stderr
    assert Path(ada.folder, "comparison.md").exists()
