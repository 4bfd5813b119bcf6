"""Corrupt bytes that DVC takes for good are found and repaired, wherever a sound copy is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace

STAGE, OUT = "fetch", "data/photos"  # the quickest stage with files in a folder
FILE = f"{OUT}/photographs-00000.zip"


@pytest.fixture
def workspace(first_small_rebuild: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return first_small_rebuild.copy(tmp_path_factory.mktemp("audit") / "workspace")


@pytest.fixture
def remote(workspace: Workspace) -> Path:
    """A remote folder that holds everything."""
    folder = workspace.folder.parent / "remote"
    workspace.run("dvc", "remote", "add", "--default", "--local", "team", str(folder))
    workspace.run("dvc", "push")
    return folder / "files/md5"


def cache(workspace: Workspace) -> Path:
    return workspace.folder / ".dvc/cache/files/md5"


def object_of(workspace: Workspace, path: str) -> str:
    """The id of the object that is an output, or a file in one, relative to a cache."""
    lock = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"]
    for entry in lock.values():
        for out in entry["outs"]:
            oid = out["md5"]
            if out["path"] == path:
                return f"{oid[:2]}/{oid[2:]}"
            if path.startswith(out["path"] + "/"):
                rows = json.loads((cache(workspace) / oid[:2] / oid[2:]).read_text())
                member = next(row["md5"] for row in rows if f"{out['path']}/{row['relpath']}" == path)
                return f"{member[:2]}/{member[2:]}"
    raise AssertionError(f"no output is {path}")


def corrupt(path: Path) -> bytes:
    """Change one byte, leave the size, and make the file read-only: DVC believes such a file."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    path.chmod(0o444)
    return content


def audit(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    return workspace.run("python", "-m", "tools.audit", *arguments, ok=False)


def test_a_sound_workspace_passes(workspace: Workspace, remote: Path) -> None:
    half = cache(workspace) / "00/.k9GZ3yNBM5XKsPqbF2pLdw.tmp"  # as DVC names what it is copying, or was when it died
    half.parent.mkdir(exist_ok=True)
    half.write_text("half of an obj")
    result = audit(workspace)
    assert result.returncode == 0, result.stderr
    assert "cache: " in result.stdout
    assert "remote: " in result.stdout
    assert " 0 corrupt" in result.stdout


def test_make_audit_names_and_repairs(workspace: Workspace) -> None:
    path = cache(workspace) / object_of(workspace, FILE)
    content = corrupt(path)
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")  # sees nothing
    told = workspace.run("make", "audit", "RUNTIME=", ok=False)
    assert told.returncode != 0
    assert f"cache: {path.parent.name}{path.name} ({FILE}): corrupt" in told.stdout
    workspace.run("make", "audit", "REPAIR=1", "RUNTIME=")
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", [FILE, OUT], ids=["a file", "the list of a folder"])
def test_a_corrupt_cache_is_restored_from_the_workspace(workspace: Workspace, name: str) -> None:
    path = cache(workspace) / object_of(workspace, name)
    content = corrupt(path)
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"cache: {OUT}: complete with what the workspace has" in result.stdout
    assert path.read_bytes() == content
    assert workspace.run("git", "status", "--porcelain").stdout == ""


def test_a_corrupt_object_behind_a_link_is_made_again(workspace: Workspace) -> None:
    workspace.run("dvc", "config", "--local", "cache.type", "symlink")
    workspace.run("dvc", "checkout", "--relink", STAGE)
    assert (workspace.folder / FILE).is_symlink()
    path = cache(workspace) / object_of(workspace, FILE)
    content = corrupt(path)
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (workspace.folder / FILE).readlink() == path
    assert path.read_bytes() == content


def test_a_corrupt_cache_is_restored_from_the_remote(workspace: Workspace, remote: Path) -> None:
    name = object_of(workspace, FILE)
    content = corrupt(cache(workspace) / name)
    workspace.run("rm", "-r", OUT)
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "restored from the remote" in result.stdout
    assert (cache(workspace) / name).read_bytes() == content


def test_a_corrupt_output_that_dvc_overlooks_is_restored(workspace: Workspace, remote: Path) -> None:
    corrupt(cache(workspace) / object_of(workspace, FILE))
    workspace.run("rm", "-r", OUT)
    workspace.run("dvc", "checkout")  # hands the corrupt file out
    workspace.run("dvc", "status", "--quiet", "dvc.yaml")
    told = audit(workspace)
    assert f"workspace: {OUT}: not what dvc.lock says" in told.stdout
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"workspace: {OUT}: restored from the cache" in result.stdout
    assert (workspace.folder / FILE).read_bytes() == (cache(workspace) / object_of(workspace, FILE)).read_bytes()


def test_what_has_no_sound_copy_is_made_again_by_its_stage(workspace: Workspace) -> None:
    path = cache(workspace) / object_of(workspace, FILE)
    content = corrupt(path)
    workspace.run("rm", "-r", OUT)
    workspace.run("dvc", "checkout")
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"running {STAGE} again" in result.stdout
    assert f"Running stage '{STAGE}'" in result.stdout
    assert path.read_bytes() == content
    assert workspace.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("name", [FILE, OUT], ids=["a file", "the list of a folder"])
def test_a_corrupt_object_of_the_remote_is_uploaded_again(workspace: Workspace, remote: Path, name: str) -> None:
    path = remote / object_of(workspace, name)
    content = corrupt(path)
    workspace.run("dvc", "push", ok=False)  # believes that the file is there, gives up on the folder
    assert path.read_bytes() != content
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert path.read_bytes() == content


def test_a_file_missing_from_a_folder_of_the_remote_is_uploaded(workspace: Workspace, remote: Path) -> None:
    path = remote / object_of(workspace, FILE)
    content = path.read_bytes()
    path.unlink()
    workspace.run("dvc", "push")  # looks for the folder alone
    assert not path.exists()
    assert "missing, its folder is there" in audit(workspace).stdout
    assert audit(workspace, "--repair").returncode == 0
    assert path.read_bytes() == content


def test_both_sides_corrupt_are_both_repaired_by_the_stage(workspace: Workspace, remote: Path) -> None:
    name = object_of(workspace, FILE)
    content = corrupt(remote / name)
    corrupt(cache(workspace) / name)
    workspace.run("rm", "-r", OUT)
    result = audit(workspace, "--repair")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (remote / name).read_bytes() == (cache(workspace) / name).read_bytes() == content


def test_an_object_of_the_past_that_nobody_has_is_deleted_and_told(workspace: Workspace, remote: Path) -> None:
    path = remote / "00" / ("0" * 30)
    path.parent.mkdir(exist_ok=True)
    path.write_text("not what its name says")
    assert f"remote: {'0' * 32}: corrupt" in audit(workspace).stdout
    result = audit(workspace, "--repair")
    assert result.returncode == 0
    assert f"remote: {'0' * 32}: deleted" in result.stdout
    assert not path.exists()


def test_a_corrupt_record_of_a_run_is_found_and_deleted(workspace: Workspace) -> None:
    record = next(path for path in (workspace.folder / ".dvc/cache/runs").rglob("*") if path.is_file())
    record.write_text(record.read_text().replace("md5: ", "md5: 0", 1))
    assert f"run cache: {record.name}: corrupt" in audit(workspace).stdout
    assert audit(workspace, "--repair").returncode == 0
    assert not record.parent.exists()  # DVC fails where it is empty


def test_a_clone_without_data_has_no_fault(workspace: Workspace, tmp_path: Path) -> None:
    workspace.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    result = audit(Workspace(tmp_path / "clone"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_unknown_remote_is_named(workspace: Workspace) -> None:
    result = audit(workspace, "--remote", "elsewhere")
    assert result.returncode == 1
    assert "remote 'elsewhere' doesn't exist" in result.stderr
    assert result.stdout == ""
