"""Photographs of another DVC repository, a real one with a remote and two commits."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.common.artifacts import ArtifactError
from stages.fetch.download import file_name, shown, without_secrets
from stages.fetch.source import Photograph, Skipped
from stages.fetch.sources import archive, bundled, keras
from stages.fetch.sources import dvc as repository
from tests.conftest import Workspace
from tests.fetch import files
from tests.fetch.files import pixels, png, zipped

NO_COMMIT = "0123456789012345678901234567890123456789"


@dataclass
class Registry:
    folder: Path
    old: str  # commit: photographs/1.png, 2.png and 3.png
    new: str  # photographs/2.png and 4.png; in git: set.zip, linked/5.png beside links out, and an import


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    top = tmp_path_factory.mktemp("dvc")
    workspace = Workspace(top / "registry")
    photographs, linked = workspace.folder / "photographs", workspace.folder / "linked"
    photographs.mkdir(parents=True)
    linked.mkdir()
    for command in ("init --quiet", "config user.name Test", "config user.email test@example.org"):
        workspace.run("git", *command.split())
    workspace.run("dvc", "init", "--quiet")
    workspace.run("dvc", "remote", "add", "--quiet", "--default", "storage", "../storage")
    (linked / "5.png").write_bytes(png(5))
    (top / "secret.png").write_bytes(png(7))
    (linked / "link.png").symlink_to(top / "secret.png")
    (linked / "folder").symlink_to(top)
    (workspace.folder / "set.zip").write_bytes(zipped(("6.png", png(6))))
    (workspace.folder / "never pushed").write_bytes(png(8))
    imported = f"frozen: true\ndeps: [{{path: {top}/secret.png}}]\nouts: [{{path: import.png}}]\n"
    (workspace.folder / "import.png.dvc").write_text(imported)
    commits = []
    for numbers in ([1, 2, 3], [2, 4]):
        for file in photographs.iterdir():
            file.unlink()
        for number in numbers:
            (photographs / f"{number}.png").write_bytes(png(number))
        workspace.run("dvc", "add", "--quiet", "photographs", "never pushed")
        workspace.run("dvc", "push", "--quiet", "photographs")
        workspace.commit("Photographs")
        commits.append(workspace.run("git", "rev-parse", "HEAD").stdout.strip())
    shutil.rmtree(workspace.folder / ".dvc" / "cache")  # only the remote has the data, as for everybody else
    return Registry(workspace.folder, *commits)


def read(url: object, rev: str, path: str = "photographs") -> list[Any]:
    settings = repository.Settings(source="dvc", inputs="unused", url=str(url), path=path, rev=rev)
    with tempfile.TemporaryDirectory() as keep:
        return list(files.given(repository.plan(settings, Path(keep))))


@pytest.mark.long
def test_photographs_are_those_of_the_commit_and_no_link_leads_out(registry: Registry) -> None:
    old, new = read(registry.folder, registry.old), read(registry.folder, registry.new)
    assert [found.name for found in old] == ["1.png", "2.png", "3.png"]
    assert [found.name for found in new] == ["2.png", "4.png"]
    assert np.array_equal(old[2].pixels, pixels(3))
    (single,) = read(registry.folder, registry.new, "photographs/4.png")
    assert (single.name, single.pixels.tolist()) == ("4.png", pixels(4).tolist())
    assert {found.source for found in old} == {"registry: photographs"}  # no path of this machine
    linked = read(registry.folder, registry.new, "linked")  # git gives the path of `secret.png` as the file's content
    assert [item.name for item in linked if isinstance(item, Photograph)] == ["5.png"]
    assert [item.name for item in linked if isinstance(item, Skipped)] == ["folder", "link.png"]


EVIL = """\
[core]
    remote = storage
    site_cache_dir = /evil
['remote "storage"']
    url = ../../storage
      profile = evil
    configpath = ../aws
    credential_process = touch run
[cache]
    dir = /evil
"""


def test_only_the_urls_of_its_remotes_are_kept_and_imports_are_deleted(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    for folder in (clone / ".dvc", clone / "sub/.dvc"):
        folder.mkdir(parents=True)
        (folder / "config").write_text(EVIL)
        (folder / "config.local").write_text(EVIL)
    (clone / "plain.dvc").write_text("outs: [{md5: 0, path: plain}]")
    (clone / "sub/import.dvc").write_text("frozen: true\ndeps: [{path: /elsewhere/secret}]\nouts: [{path: import}]")
    (clone / "broken.dvc").write_text("[")
    (clone / "dvc.yaml").write_text("stages: {}")
    (clone / "sub/dvc.yaml").write_text("vars: &a [*a]")  # DVC would expand it for ever
    repository._remove_configuration(clone, "/registry")
    left = sorted(path.relative_to(clone).as_posix() for path in clone.rglob("*") if path.is_file())
    assert left == [".dvc/config", "dvc.yaml", "plain.dvc", "sub/.dvc/config"]
    words = (clone / "sub/.dvc/config").read_text().split()
    assert words == ["[core]", "remote", "=", "storage", "['remote", '"storage"\']', "url", "=", "/registry/storage"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("rev", "path", "words"),
    [
        (NO_COMMIT, "photographs", NO_COMMIT),
        (None, "--help", "`dvc get` of '--help' at"),  # not an option
        (None, "never pushed", "No storage files available: 'never pushed'"),
        (None, "import.png", "`dvc get` of 'import.png' at"),  # it would be a local file
    ],
)
def test_a_missing_commit_or_path_is_named(registry: Registry, rev: str | None, path: str, words: str) -> None:
    with pytest.raises(ArtifactError, match="check `url`, `path` and `rev`") as caught:
        read(registry.folder, rev or registry.new, path)
    assert str(caught.value).startswith("registry: ")
    assert words in str(caught.value)


def test_an_unreachable_repository_is_named_without_its_password() -> None:
    with pytest.raises(ArtifactError, match=r"http://127\.0\.0\.1:1/x\.git: `dvc get` of") as caught:
        read("http://me:secret@127.0.0.1:1/x.git", NO_COMMIT)  # port 1 refuses
    assert "connect" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://me:secret@example.org/team/photos.git?token=secret#x", "https://example.org/team/photos.git"),
        ("https://example.org/@team/photos", "https://example.org/@team/photos"),
        ("ssh://git@example.org:22/photos.git", "ssh://example.org:22/photos.git"),
        ("git@example.org:team/photos.git", "example.org:team/photos.git"),
        ("/data/photos/", "photos"),
        ("../photos", "photos"),
        ("file:///data/photos", "photos"),
    ],
)
def test_an_address_is_shown_without_secrets_and_local_paths(address: str, words: str) -> None:
    assert shown(address) == words
    assert without_secrets(f"at {address}: no", address) == f"at {words}: no"


def test_messages_name_what_a_source_reads() -> None:
    given: dict[str, Any] = {"source": "any", "inputs": "x.py"}
    secret, file = "https://me:secret@example.org/r", {**given, "sha256": "0" * 64}
    assert archive.Settings(**file).origin == bundled.Settings(**given).origin == "x.py"
    assert archive.Settings(**file, urls=[secret, "https://x/"]).origin == "https://example.org/r"
    assert repository.Settings(**given, url=secret, path="a/b", rev=NO_COMMIT).origin == "https://example.org/r: a/b"
    assert keras.Settings(**given, dataset="cifar100", images=1).origin == "cifar100"
    assert file_name("https://example.org/sets/my%20photos.zip?download=1") == "my photos.zip"
    assert file_name("https://me:secret@example.org/") == "example.org"
