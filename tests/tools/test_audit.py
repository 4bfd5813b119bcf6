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


def test_unfinished_copies_and_edited_outputs_are_no_faults(tiny: Workspace) -> None:
    half = tiny.folder / CACHE / "00/.k9GZ3yNBM5XKsPqbF2pLdw.tmp"  # DVC's name for an unfinished copy
    half.parent.mkdir(exist_ok=True)
    half.write_text("half of an obj")
    (tiny.folder / "metrics/lines.csv").write_text("mine")
    tiny.run("dvc", "remote", "add", "--quiet", "--default", "team", "webdav://127.0.0.1:9/does-not-answer")
    assert "audit: no file is corrupt here, but the remote can't be read: " in refused(tiny, "tools.audit", "--repair")
    assert (tiny.folder / "metrics/lines.csv").read_text() == "mine"


def test_corrupt_objects_are_named_and_replaced_from_the_other_side(tiny: Workspace, remote: Path) -> None:
    """Files and lists of folders, in the cache and on the remote."""
    names = {FILE: tiny.folder / CACHE, "data/models/simple": tiny.folder / CACHE, OUT: remote}
    names["data/models/simple/weights"] = remote
    contents = {store / object_of(tiny, name): corrupt(store / object_of(tiny, name)) for name, store in names.items()}
    found = tool(tiny, "tools.audit")
    assert found.returncode == 1
    assert "corrupt files: 4; make audit REPAIR=1" in found.stderr
    for (name, store), path in zip(names.items(), contents, strict=True):
        assert f"{'remote' if store == remote else 'cache'}: {path}: corrupt; it is {name}\n" in found.stdout
    done(tiny, "tools.audit", "--repair")
    done(tiny, "tools.audit")
    assert {path: path.read_bytes() for path in contents} == contents
    assert {path.stat().st_mode & 0o777 for path in contents} == {0o444}


@pytest.mark.long
def test_an_output_that_was_checked_out_from_a_corrupt_object_is_named_and_restored(
    tiny: Workspace, remote: Path
) -> None:
    contents = {}
    for links, variant in {"copy": "vae", "symlink": "simple"}.items():
        file = tiny.folder / f"data/models/{variant}/weights"
        contents[file] = corrupt(tiny.folder / CACHE / object_of(tiny, f"data/models/{variant}/weights"))
        tiny.run("rm", "-r", f"data/models/{variant}")
        tiny.run("dvc", "config", "--local", "cache.type", links)
        tiny.run("dvc", "checkout", f"train@{variant}")  # gives the corrupt file
        assert file.is_symlink() == (links == "symlink")
    tiny.run("dvc", "status", "--quiet")
    advice = f"workspace: {FILE}: corrupt or edited; delete it, then `dvc checkout {OUT}` restores it\n"
    assert advice in tool(tiny, "tools.audit", "--repair").stdout
    (tiny.folder / FILE).unlink()
    tiny.run("dvc", "checkout", OUT)
    done(tiny, "tools.audit")
    assert {file: file.read_bytes() for file in contents} == contents


@pytest.mark.long
def test_an_object_without_a_sound_copy_is_kept_until_it_is_made_again(tiny: Workspace, remote: Path) -> None:
    objects = [store / object_of(tiny, FILE) for store in (tiny.folder / CACHE, remote)]
    content, _ = map(corrupt, objects)
    tiny.run("rm", "-r", OUT)
    assert "corrupt files: 2; delete objects that have no sound copy" in refused(tiny, "tools.audit", "--repair")
    for path in objects:
        path.unlink()
    assert tiny.stages_run() == ["train@vae"]
    assert tiny.run("git", "status", "--porcelain", "dvc.lock").stdout == ""
    tiny.run("dvc", "push", "--quiet")
    done(tiny, "tools.audit")
    assert objects[0].read_bytes() == (tiny.folder / FILE).read_bytes() == content
