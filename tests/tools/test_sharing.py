"""What is shared is current, what is missing is told in a sentence, and a pull ends only when all is current."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from stages.common.dvc import RefusedError, check_hash
from tests.conftest import REPOSITORY, Workspace
from tests.tools.conftest import done, refused, tool
from tools.sharing import REFUSED


@pytest.fixture(scope="module")
def shared(made: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, a remote folder beside it with all its results, and a new clone; nobody may touch them."""
    folder = tmp_path_factory.mktemp("shared")
    workspace = made.copy(folder / "workspace")
    (folder / "remote").mkdir()
    workspace.run("dvc", "remote", "add", "--quiet", "--default", "team", "../remote")
    workspace.run("dvc", "remote", "modify", "team", "verify", "true")
    workspace.commit("Remote")
    done(workspace, "tools.sharing", "share")
    workspace.run("git", "clone", "--quiet", ".", "../clone")
    return folder


@pytest.fixture
def clone(shared: Path, tmp_path: Path) -> Workspace:
    """A new clone; beside it the repository and the remote."""
    shutil.copytree(shared, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Workspace(tmp_path / "clone")


def remote_object(workspace: Workspace, content: bytes) -> Path:
    """Where the remote has a file of this content."""
    md5 = hashlib.md5(content).hexdigest()
    return workspace.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]


def test_a_clone_takes_all_over_and_runs_nothing(clone: Workspace) -> None:
    pulled = done(clone, "tools.sharing", "pull")
    assert pulled.endswith("pull: all is current\n")
    assert "Running stage" not in pulled
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_results_that_are_not_current_are_not_shared(clone: Workspace) -> None:
    tiny = Workspace(clone.folder.with_name("workspace"))
    (tiny.folder / "params.yaml").write_text("variants:\n  simple: 11\n  vae: 20\n")
    told = "results are not current, nothing was uploaded; run make repro, commit, and share again"
    assert told in refused(tiny, "tools.sharing", "share")


def test_what_the_remote_lacks_or_holds_corrupt_is_told_and_all_else_arrives(clone: Workspace) -> None:
    for variant, lines in {"simple": 10, "vae": 20}.items():
        weights = "".join(f"{n}\n" for n in range(1, lines + 1)).encode()
        path = remote_object(clone, weights)
        path.chmod(0o644)
        path.unlink() if variant == "simple" else path.write_bytes(b"?" + weights[1:])
    told = "pull: the remote lacks what is named above, or holds it corrupt; all else has arrived"
    assert told in refused(clone, "tools.sharing", "pull")
    assert (clone.folder / "data/page").exists()
    assert not list((clone.folder / "data/models").glob("*/weights"))
    assert sorted(clone.stages_run()) == ["train@simple", "train@vae"]
    assert clone.run("git", "status", "--porcelain").stdout == ""


def forged_list(clone: Workspace, name: str) -> str:
    """Put a file onto the remote, and a list of a folder that has it under `name`; give the hash of the list."""
    listed = json.dumps([{"md5": hashlib.md5(b"evil").hexdigest(), "relpath": name}]).encode()
    for content, suffix in ((b"evil", ""), (listed, ".dir")):
        path = remote_object(clone, content)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + suffix).write_bytes(content)
    return hashlib.md5(listed).hexdigest() + ".dir"


def test_a_list_whose_names_lead_out_of_its_folder_is_not_checked_out(clone: Workspace) -> None:
    top, lock = clone.folder.parent, clone.folder / "dvc.lock"
    before = lock.read_text()
    found = re.search(r"path: data/models/simple\n +hash: md5\n +md5: (\w+\.dir)", before)
    assert found
    for name in ("../../../tools_evil.py", f"{top}/evil", "sub//evil", "../../../../evil"):
        lock.write_text(before.replace(found[1], forged_list(clone, name)))
        pulled = tool(clone, "stages.common.dvc", "pull")
        assert pulled.returncode == REFUSED
        assert "which leads out of it; refused" in pulled.stderr
        assert list(top.rglob("*evil*")) == []
    told = "pull: what is named above would be written where nothing of the pipeline lies"
    assert told in refused(clone, "tools.sharing", "pull")
    assert list(top.rglob("*evil*")) == []


@pytest.mark.parametrize("fault", ["output", "list"])
def test_a_record_of_a_run_writes_nothing_that_the_pipeline_does_not_have(clone: Workspace, fault: str) -> None:
    clone.run("dvc", "fetch", "--run-cache")
    (clone.folder / "dvc.lock").unlink()
    for runs in (clone.folder / ".dvc/cache/runs", clone.folder.parent / "remote/runs"):
        for record in [path for path in runs.rglob("*") if path.is_file() and "data/models/" in path.read_text()]:
            text = record.read_text()
            if fault == "output":
                text = re.sub(r"path: data/models/\w+", "path: evil", text)
            else:
                text = re.sub(r"md5: \w+\.dir", f"md5: {forged_list(clone, '../../../evil')}", text)
            record.chmod(0o644)
            record.write_text(text)
    assert tool(clone, "stages.common.dvc", "repro", "--pull", "train").returncode == REFUSED
    assert list(clone.folder.parent.rglob("evil")) == []


@pytest.mark.parametrize("hash_", ["aa/../../../evil", "../evil", "", "aa/bb.dir"])
def test_a_hash_with_a_path_in_it_is_refused(hash_: str) -> None:
    check_hash(Mock(), "d41d8cd98f00b204e9800998ecf8427e.dir")
    with pytest.raises(RefusedError, match="is no hash"):
        check_hash(Mock(), hash_)


def test_pickles_are_where_nobody_else_can_write(tiny: Workspace) -> None:
    command = re.search(r"\t\$\(DVC\) (config .*site_cache_dir.*)", (REPOSITORY / "Makefile").read_text())
    assert command
    tiny.run("sh", "-c", f"python -m stages.common.dvc {command[1].replace('$(CURDIR)', str(tiny.folder))}")
    shown = tiny.run("dvc", "version").stdout
    assert f"site_cache_dir: {tiny.folder}/.dvc/tmp/site/repo/" in shown
    assert (tiny.folder / ".dvc/tmp/site").stat().st_mode & 0o077 == 0


def test_a_folder_that_is_not_mounted_is_not_taken_for_an_empty_remote(clone: Workspace) -> None:
    shutil.rmtree(clone.folder.parent / "remote")
    for verb in ("share", "pull"):
        assert "remote is not there; mount it" in refused(clone, "tools.sharing", verb)
    assert not (clone.folder.parent / "remote").exists()


def test_a_remote_that_does_not_answer_is_told_in_a_sentence(clone: Workspace) -> None:
    clone.run("dvc", "remote", "modify", "--local", "team", "url", "webdav://127.0.0.1:9/dvc")
    told = "pull: the remote did not answer, or did not let you in"
    assert told in refused(clone, "tools.sharing", "pull")


def test_a_pull_that_leaves_a_stale_result_fails(clone: Workspace) -> None:
    """Here the last stage changes what another one made; a full disk does the like."""
    pipeline = clone.folder / "dvc.yaml"
    pipeline.write_text(
        pipeline.read_text().replace("mkdir -p metrics;", "mkdir -p metrics; echo 1 >> data/models/vae/name;")
    )
    told = "pull: results are not current (dvc status dvc.yaml tells which)"
    assert told in refused(clone, "tools.sharing", "pull")
