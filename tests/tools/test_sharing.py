"""What is shared is current, what is missing is told in a sentence, and a pull ends only when all is current."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.conftest import Workspace
from tests.tools.conftest import tool


@pytest.fixture
def clone(tiny: Workspace) -> Workspace:
    """A new clone of the repository; all results are on a remote folder."""
    folder = tiny.folder.parent
    (folder / "remote").mkdir()
    tiny.run("dvc", "remote", "add", "--quiet", "--default", "team", str(folder / "remote"))
    tiny.run("dvc", "remote", "modify", "team", "verify", "true")
    tiny.commit("Remote")
    shared = tool(tiny, "tools.sharing", "share")
    assert shared.returncode == 0, shared.stderr
    tiny.run("git", "clone", "--quiet", ".", "../clone")
    return Workspace(folder / "clone")


def remote_object(workspace: Workspace, content: bytes) -> Path:
    """Where the remote has a file of this content."""
    md5 = hashlib.md5(content).hexdigest()
    return workspace.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]


def test_a_clone_takes_all_over_and_runs_nothing(clone: Workspace) -> None:
    pulled = tool(clone, "tools.sharing", "pull")
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.endswith("pull: all is current\n")
    assert "Running stage" not in pulled.stdout
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_results_that_are_not_current_are_not_shared(tiny: Workspace, clone: Workspace) -> None:
    (tiny.folder / "params.yaml").write_text("variants:\n  simple: 11\n  vae: 20\n")
    refused = tool(tiny, "tools.sharing", "share")
    assert refused.returncode == 1
    assert "results are not current, nothing was uploaded; run make repro, commit, and share again" in refused.stderr


@pytest.mark.parametrize("fault", ["missing", "corrupt"])
def test_one_fault_of_the_remote_is_told_and_all_else_arrives(clone: Workspace, fault: str) -> None:
    weights = "".join(f"{n}\n" for n in range(1, 21)).encode()
    path = remote_object(clone, weights)
    path.chmod(0o644)
    path.unlink() if fault == "missing" else path.write_bytes(b"?" + weights[1:])
    refused = tool(clone, "tools.sharing", "pull")
    assert refused.returncode == 1
    assert "pull: the remote lacks what is named above, or holds it corrupt; all else has arrived" in refused.stderr
    assert (clone.folder / "data/models/simple/weights").exists()
    assert not (clone.folder / "data/models/vae").exists()
    assert clone.stages_run() == ["train@vae"]
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_a_folder_that_is_not_mounted_is_not_taken_for_an_empty_remote(clone: Workspace) -> None:
    shutil.rmtree(clone.folder.parent / "remote")
    for verb in ("share", "pull"):
        refused = tool(clone, "tools.sharing", verb)
        assert refused.returncode == 1
        assert "remote is not there; mount it" in refused.stderr
    assert not (clone.folder.parent / "remote").exists()


def test_a_remote_that_does_not_answer_is_told_in_a_sentence(clone: Workspace) -> None:
    clone.run("dvc", "remote", "modify", "--local", "team", "url", "webdav://127.0.0.1:9/dvc")
    refused = tool(clone, "tools.sharing", "pull")
    assert refused.returncode == 1
    assert "pull: the remote did not answer, or did not let you in" in refused.stderr


def test_a_pull_that_leaves_a_stale_result_fails(clone: Workspace) -> None:
    """Here the last stage changes what another one made; a full disk does the like."""
    pipeline = clone.folder / "dvc.yaml"
    pipeline.write_text(
        pipeline.read_text().replace("mkdir -p metrics;", "mkdir -p metrics; echo 1 >> data/models/vae/name;")
    )
    refused = tool(clone, "tools.sharing", "pull")
    assert refused.returncode == 1
    assert "Running stage 'report'" in refused.stdout
    assert "pull: results are not current (dvc status dvc.yaml tells which)" in refused.stderr
