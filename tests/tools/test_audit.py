"""Corrupt files that DVC does not notice are found, and repaired from any sound copy."""

import hashlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import Workspace
from tests.tools.conftest import done, refused, tool

OUT, FILE = "data/models/vae", "data/models/vae/weights"
CACHE = ".dvc/cache/files/md5"


@pytest.fixture
def remote(tiny: Workspace) -> Path:
    """A remote folder with all objects."""
    folder = tiny.folder.parent / "remote"
    tiny.run("dvc", "remote", "add", "--quiet", "--default", "team", str(folder))
    tiny.run("dvc", "push", "--quiet")
    return folder / "files/md5"


def object_of(workspace: Workspace, path: str) -> str:
    """The path in a cache of the object of a file or of a folder's list."""
    stages = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"].values()
    listed = [out["md5"] for stage in stages for out in stage["outs"] if out["path"] == path]
    md5 = listed[0] if listed else hashlib.md5((workspace.folder / path).read_bytes()).hexdigest()
    return f"{md5[:2]}/{md5[2:]}"


def corrupt(path: Path) -> bytes:
    """Change one byte of a read-only file, which DVC trusts; its content before."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    path.chmod(0o444)
    return content


def repaired(workspace: Workspace) -> str:
    """The output of a repair, after which no fault is left."""
    said = done(workspace, "tools.audit", "--repair")
    done(workspace, "tools.audit")
    workspace.run("dvc", "status", "--quiet")
    return said


def test_unfinished_copies_and_edited_outputs_are_no_faults(tiny: Workspace) -> None:
    half = tiny.folder / CACHE / "00/.k9GZ3yNBM5XKsPqbF2pLdw.tmp"  # DVC's name for an unfinished copy
    half.parent.mkdir(exist_ok=True)
    half.write_text("half of an obj")
    (tiny.folder / "metrics/lines.csv").write_text("mine")
    result = tool(tiny, "tools.audit", "--repair")
    assert result.returncode == 0, result.stderr
    assert "no remote is checked" in result.stderr
    assert (tiny.folder / "metrics/lines.csv").read_text() == "mine"


def test_corrupt_and_missing_objects_are_named_and_restored(tiny: Workspace, remote: Path) -> None:
    """Files and lists of folders, in the cache and in the remote."""
    cache, other = tiny.folder / CACHE, "data/models/simple"
    files = [cache / object_of(tiny, path) for path in (FILE, other)]
    files += [remote / object_of(tiny, path) for path in (OUT, f"{other}/weights")]
    damaged = {path: corrupt(path) for path in files}
    missing = remote / object_of(tiny, f"{other}/name")
    damaged[missing] = missing.read_bytes()
    missing.unlink()
    result = tool(tiny, "tools.audit")
    assert result.returncode == 1
    said = repaired(tiny)
    for path, content in damaged.items():
        assert f"{path}: {'missing' if path == missing else 'corrupt'}" in result.stdout
        assert f"{path}: restored from" in said or path == missing
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o444 or path == missing


@pytest.mark.long
def test_a_corrupt_output_is_restored_from_the_remote(tiny: Workspace, remote: Path) -> None:
    contents = {}
    for links, variant in {"copy": "vae", "symlink": "simple"}.items():
        file = tiny.folder / f"data/models/{variant}/weights"
        contents[file] = corrupt(tiny.folder / CACHE / object_of(tiny, f"data/models/{variant}/weights"))
        tiny.run("rm", "-r", f"data/models/{variant}")
        tiny.run("dvc", "config", "--local", "cache.type", links)
        tiny.run("dvc", "checkout", f"train@{variant}")  # gives the corrupt file
        assert file.is_symlink() == (links == "symlink")
    tiny.run("dvc", "status", "--quiet")
    repaired(tiny)
    assert {file: file.read_bytes() for file in contents} == contents


@pytest.mark.long
def test_a_file_without_a_sound_copy_is_deleted_and_made_again(tiny: Workspace, remote: Path) -> None:
    name = object_of(tiny, FILE)
    content = corrupt(remote / name)
    corrupt(tiny.folder / CACHE / name)
    tiny.run("rm", "-r", OUT)
    tiny.run("dvc", "checkout")
    assert "make repro makes them anew, then make share" in refused(tiny, "tools.audit", "--repair")
    assert tiny.stages_run() == ["train@vae"]
    assert tiny.run("git", "status", "--porcelain", "dvc.lock").stdout == ""
    repaired(tiny)
    assert (remote / name).read_bytes() == (tiny.folder / FILE).read_bytes() == content
