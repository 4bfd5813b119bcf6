"""Only current results are shared, faults of a remote are explained, and a pull ends with current results."""

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
    """The repository, a remote folder with all its results, and a new clone; read-only."""
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
    """A new clone, beside a repository and its remote."""
    shutil.copytree(shared, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Workspace(tmp_path / "clone")


def remote_object(workspace: Workspace, content: bytes) -> Path:
    """The path in the remote of an object with this content."""
    md5 = hashlib.md5(content).hexdigest()
    return workspace.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]


def test_a_clone_pulls_everything_and_runs_nothing(clone: Workspace) -> None:
    pulled = done(clone, "tools.sharing", "pull")
    assert pulled.endswith("pull: all is current\n")
    assert "Running stage" not in pulled
    assert clone.run("git", "status", "--porcelain").stdout == ""


def test_results_that_are_not_current_are_not_shared(clone: Workspace) -> None:
    tiny = Workspace(clone.folder.with_name("workspace"))
    (tiny.folder / "params.yaml").write_text("variants:\n  simple: 11\n  vae: 20\n")
    message = "results are not current, nothing was uploaded; run make repro, commit, and share again"
    assert message in refused(tiny, "tools.sharing", "share")


def test_missing_and_corrupt_objects_are_reported_and_all_others_arrive(clone: Workspace) -> None:
    for variant, lines in {"simple": 10, "vae": 20}.items():
        weights = "".join(f"{n}\n" for n in range(1, lines + 1)).encode()
        path = remote_object(clone, weights)
        path.chmod(0o644)
        path.unlink() if variant == "simple" else path.write_bytes(b"?" + weights[1:])
    message = "pull: the objects named above are missing or corrupt on the remote; all others have arrived"
    assert message in refused(clone, "tools.sharing", "pull")
    assert (clone.folder / "data/page").exists()
    assert not list((clone.folder / "data/models").glob("*/weights"))
    assert sorted(clone.stages_run()) == ["train@simple", "train@vae"]
    assert clone.run("git", "status", "--porcelain").stdout == ""


def forged_list(clone: Workspace, name: str) -> str:
    """Put a file on the remote, and a folder's list that names it `name`; the hash of the list."""
    listed = json.dumps([{"md5": hashlib.md5(b"evil").hexdigest(), "relpath": name}]).encode()
    for content, suffix in ((b"evil", ""), (listed, ".dir")):
        path = remote_object(clone, content)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(path.name + suffix).write_bytes(content)
    return hashlib.md5(listed).hexdigest() + ".dir"


def test_a_list_with_paths_out_of_its_folder_is_not_checked_out(clone: Workspace) -> None:
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
    message = "pull: the path named above is outside the pipeline's outputs"
    assert message in refused(clone, "tools.sharing", "pull")
    assert list(top.rglob("*evil*")) == []


@pytest.mark.parametrize("fault", ["output", "list"])
def test_a_forged_record_of_a_run_writes_nothing(clone: Workspace, fault: str) -> None:
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


def test_the_site_cache_with_its_pickles_is_private(tiny: Workspace) -> None:
    command = re.search(r"\t\$\(DVC\) (config .*site_cache_dir.*)", (REPOSITORY / "Makefile").read_text())
    assert command
    tiny.run("sh", "-c", f"python -m stages.common.dvc {command[1].replace('$(CURDIR)', str(tiny.folder))}")
    shown = tiny.run("dvc", "version").stdout
    assert f"site_cache_dir: {tiny.folder}/.dvc/tmp/site/repo/" in shown
    assert (tiny.folder / ".dvc/tmp/site").stat().st_mode & 0o077 == 0


def test_a_missing_folder_is_not_an_empty_remote(clone: Workspace) -> None:
    shutil.rmtree(clone.folder.parent / "remote")
    for verb in ("share", "pull"):
        assert "remote is not there; mount it" in refused(clone, "tools.sharing", verb)
    assert not (clone.folder.parent / "remote").exists()


def test_an_unreachable_remote_is_explained(clone: Workspace) -> None:
    clone.run("dvc", "remote", "modify", "--local", "team", "url", "webdav://127.0.0.1:9/dvc")
    assert "pull: the remote did not answer, or did not let you in" in refused(clone, "tools.sharing", "pull")


def test_a_killed_dvc_is_an_error_that_names_the_signal(clone: Workspace) -> None:
    pipeline = clone.folder / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("cmd: cat", "cmd: kill -9 $PPID; cat"))
    assert "pull: signal 9 ended dvc repro; free memory" in refused(clone, "tools.sharing", "pull")


def test_a_pull_that_leaves_a_stale_result_fails(clone: Workspace) -> None:
    """The last stage changes the output of another; a full disk has the same effect."""
    pipeline = clone.folder / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("> data/page;", "> data/page; echo 1 >> data/models/vae/name;"))
    message = "pull: results are not current (see dvc status dvc.yaml);"
    assert message in refused(clone, "tools.sharing", "pull")
