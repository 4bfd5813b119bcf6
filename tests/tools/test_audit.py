"""Corrupt bytes that DVC takes for good are found and repaired, wherever a sound copy is."""

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
    """A remote folder that holds everything."""
    folder = tiny.folder.parent / "remote"
    tiny.run("dvc", "remote", "add", "--quiet", "--default", "team", str(folder))
    tiny.run("dvc", "push", "--quiet")
    return folder / "files/md5"


def object_of(workspace: Workspace, path: str) -> str:
    """Where the object of a file, or of the list of a folder, lies in a cache."""
    stages = YAML(typ="safe").load(workspace.folder / "dvc.lock")["stages"].values()
    listed = [out["md5"] for stage in stages for out in stage["outs"] if out["path"] == path]
    md5 = listed[0] if listed else hashlib.md5((workspace.folder / path).read_bytes()).hexdigest()
    return f"{md5[:2]}/{md5[2:]}"


def corrupt(path: Path) -> bytes:
    """Change one byte, leave the size, and make the file read-only: DVC believes such a file."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    path.chmod(0o444)
    return content


def repaired(workspace: Workspace) -> str:
    """What the repair says, after which nothing is wrong."""
    said = done(workspace, "tools.audit", "--repair")
    done(workspace, "tools.audit")
    workspace.run("dvc", "status", "--quiet")
    return said


def test_neither_half_a_copy_nor_what_a_user_changed_is_a_fault(tiny: Workspace) -> None:
    """Here without a remote; `repaired` has one."""
    half = tiny.folder / CACHE / "00/.k9GZ3yNBM5XKsPqbF2pLdw.tmp"  # as DVC names what it is copying
    half.parent.mkdir(exist_ok=True)
    half.write_text("half of an obj")
    (tiny.folder / "metrics/lines.csv").write_text("mine")
    result = tool(tiny, "tools.audit", "--repair")
    assert result.returncode == 0, result.stderr
    assert "no remote is looked at" in result.stderr
    assert (tiny.folder / "metrics/lines.csv").read_text() == "mine"


def test_corrupt_and_missing_objects_are_named_and_restored_from_the_other_side(tiny: Workspace, remote: Path) -> None:
    """Of files, and of the lists of folders."""
    cache, other = tiny.folder / CACHE, "data/models/simple"
    files = [cache / object_of(tiny, path) for path in (FILE, other)]
    files += [remote / object_of(tiny, path) for path in (OUT, f"{other}/weights")]
    damaged = {path: corrupt(path) for path in files}
    missing = remote / object_of(tiny, f"{other}/name")
    damaged[missing] = missing.read_bytes()
    missing.unlink()
    told = tool(tiny, "tools.audit")
    assert told.returncode == 1
    said = repaired(tiny)
    for path, content in damaged.items():
        assert f"{path}: {'missing' if path == missing else 'corrupt'}" in told.stdout
        assert f"{path}: restored from" in said or path == missing
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o444 or path == missing


@pytest.mark.long
def test_a_corrupt_output_that_dvc_overlooks_is_restored(tiny: Workspace, remote: Path) -> None:
    contents = {}
    for links, variant in {"copy": "vae", "symlink": "simple"}.items():
        file = tiny.folder / f"data/models/{variant}/weights"
        contents[file] = corrupt(tiny.folder / CACHE / object_of(tiny, f"data/models/{variant}/weights"))
        tiny.run("rm", "-r", f"data/models/{variant}")
        tiny.run("dvc", "config", "--local", "cache.type", links)
        tiny.run("dvc", "checkout", f"train@{variant}")  # hands the corrupt file out
        assert file.is_symlink() == (links == "symlink")
    tiny.run("dvc", "status", "--quiet")
    repaired(tiny)
    assert {file: file.read_bytes() for file in contents} == contents


@pytest.mark.long
def test_what_has_no_sound_copy_is_deleted_and_made_again(tiny: Workspace, remote: Path) -> None:
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
