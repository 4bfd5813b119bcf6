"""Every file below a folder is a photograph, a fault with a reason, or counted; whatever it holds, and in one order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grayscale import decode
from stages.common.artifacts import ArtifactError
from stages.fetch.files import plan_files
from stages.fetch.photograph import Photograph, Skipped
from stages.fetch.settings import Split
from stages.fetch.sources import folder
from tests.fetch import files

UNUSED = Path("unused")  # nothing is unpacked


def settings(inputs: Path, **changes: Any) -> folder.Settings:
    split = Split(by=changes.pop("by", "hash"), validation=0.2, test=0.2)
    return folder.Settings(
        source="folder",
        inputs=str(inputs),
        split=split,
        domain="everyday",
        matte=[255, 255, 255],
        strict=False,
        **changes,
    )


def write(path: Path, seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = files.photo(seed=seed)
    path.write_bytes(files.encoded(photo, "PNG"))
    return np.asarray(photo)


def read(path: Path, **changes: Any) -> tuple[dict[str, Photograph], dict[str, str], list[str]]:
    """Photographs and faults by name, and what is only counted."""
    given = list(files.given(folder.plan(settings(path, **changes), UNUSED)))
    photographs = {item.name: item for item in given if isinstance(item, Photograph)}
    faults = {item.name: item.reason for item in given if isinstance(item, Skipped) and item.fault}
    return photographs, faults, [item.name for item in given if isinstance(item, Skipped) and not item.fault]


def test_names_are_paths_below_the_folder_in_sorted_order(tmp_path: Path) -> None:
    names = ["b/2.png", "a.JPG", "b/10.png", "b.png", "Z/deep/er/x.tiff", "ä b,c'.png", "001.png", "NA.png"]
    pixels = {name: write(tmp_path / "photos" / name, seed) for seed, name in enumerate(names)}
    photographs, faults, ignored = read(tmp_path / "photos")
    assert list(photographs) == sorted(names)
    assert (faults, ignored) == ({}, [])
    for name, photograph in photographs.items():
        assert np.array_equal(photograph.pixels, pixels[name])
        assert (photograph.source, photograph.domain, photograph.split) == ("photos", "everyday", None)


def test_nothing_of_this_machine_is_in_what_it_gives(tmp_path: Path) -> None:
    write(tmp_path / "photos/a.png")
    (tmp_path / "photos/b.png").write_text("<html>")
    (tmp_path / "photos/c.png").symlink_to(tmp_path / "gone")
    (tmp_path / "linked").symlink_to("photos")
    for name in ("photos", "linked"):
        for item in files.given(folder.plan(settings(tmp_path / name), UNUSED)):
            told = item.reason if isinstance(item, Skipped) else item.source + item.licence
            assert "/" not in item.name + told
            assert isinstance(item, Skipped) or item.source == name  # each machine's link may lead elsewhere


def test_files_without_an_images_extension_are_counted_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    for name in ("notes.txt", "labels.csv", "Thumbs.db", "clip.mov", "drawing.svg", "README"):
        (tmp_path / name).write_text("text")
    write(tmp_path / ".hidden.png")
    write(tmp_path / ".git/objects/b.png")
    write(tmp_path / "__MACOSX/._a.png")
    (tmp_path / ".DS_Store").touch()
    photographs, faults, ignored = read(tmp_path)
    assert list(photographs) == ["a.png"]
    assert faults == {}
    assert ignored == sorted(("notes.txt", "labels.csv", "Thumbs.db", "clip.mov", "drawing.svg", "README"))


def test_a_file_with_an_images_extension_decodes_or_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path / "good.png")
    write(tmp_path / "png inside.jpg")
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "empty.gif").touch()
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "raw.NEF").write_bytes(files.encoded(files.photo(), "TIFF"))
    (tmp_path / "cut.webp").write_bytes(files.encoded(files.photo(), "WEBP")[:-40])
    os.mkfifo(tmp_path / "pipe.png")
    photographs, faults, _ = read(tmp_path)
    assert set(photographs) == {"good.png", "png inside.jpg"}
    assert set(faults) == {"page.jpg", "empty.gif", "phone.heic", "raw.NEF", "cut.webp", "pipe.png"}
    assert faults["empty.gif"] == "empty file"
    assert faults["pipe.png"] == "not a regular file"
    assert "raw" in faults["raw.NEF"]


def test_links_to_files_are_read_and_those_to_folders_not_followed(tmp_path: Path) -> None:
    inside = write(tmp_path / "photos/sub/a.png", seed=1)
    outside = write(tmp_path / "cache/b", seed=2)
    (tmp_path / "photos/inside.png").symlink_to("sub/a.png")
    (tmp_path / "photos/outside.png").symlink_to(tmp_path / "cache/b")  # as DVC's cache.type symlink does
    (tmp_path / "photos/elsewhere").symlink_to(tmp_path / "cache")
    (tmp_path / "photos/sub/up").symlink_to("..")
    (tmp_path / "photos/self.png").symlink_to("self.png")
    (tmp_path / "photos/nowhere.png").symlink_to("gone.png")
    photographs, faults, _ = read(tmp_path / "photos")
    assert set(photographs) == {"sub/a.png", "inside.png", "outside.png"}
    assert np.array_equal(photographs["inside.png"].pixels, inside)
    assert np.array_equal(photographs["outside.png"].pixels, outside)
    assert set(faults) == {"elsewhere", "sub/up", "self.png", "nowhere.png"}
    assert "link to a folder" in faults["elsewhere"]


def test_links_in_what_others_have_made_are_faults(tmp_path: Path) -> None:
    write(tmp_path / "fetched/a.png")
    write(tmp_path / "secret.png")
    (tmp_path / "fetched/inside.png").symlink_to("a.png")
    (tmp_path / "fetched/outside.png").symlink_to("../secret.png")
    (tmp_path / "fetched/notes.txt").symlink_to("a.png")
    (tmp_path / "fetched/up").symlink_to("..")
    plan = plan_files(tmp_path / "fetched", settings(tmp_path), source="others", licence="none")
    given = list(files.given(plan))
    assert [item.name for item in given if isinstance(item, Photograph)] == ["a.png"]
    faults = {item.name: item.reason for item in given if isinstance(item, Skipped) and item.fault}
    assert set(faults) == {"inside.png", "outside.png", "notes.txt", "up"}
    assert all("symbolic link" in reason for reason in faults.values())


def test_a_photograph_that_memory_is_too_small_for_stops_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine would have it: skipped, it would make two data sets of one params.yaml."""
    write(tmp_path / "a.png")

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(decode, "_decoded", exhausted)
    with pytest.raises(ArtifactError, match=r"a\.png: more memory needed than there is; free some"):
        list(files.given(folder.plan(settings(tmp_path), UNUSED)))


@pytest.mark.skipif(os.name != "posix", reason="such names are Linux's")
def test_a_name_that_no_table_can_hold_is_a_fault(tmp_path: Path) -> None:
    write(tmp_path / "line\nbreak.png")
    try:
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/latin-\xe9.png")))
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    photographs, faults, _ = read(tmp_path)
    assert photographs == {}
    assert set(faults) == {"line\\x0abreak.png", "latin-\\xe9.png"}


def test_the_folders_at_the_top_may_give_the_split(tmp_path: Path) -> None:
    for seed, name in enumerate(
        ["train/a.png", "validation/x/b.png", "test/c.png", "d.png", "other/test/e.png", "train"]
    ):
        write(tmp_path / (name if name != "train" else "train.png"), seed)
    photographs, faults, _ = read(tmp_path, by="subfolder")
    found = {name: photograph.split for name, photograph in photographs.items()}
    assert found == {"train/a.png": "train", "validation/x/b.png": "validation", "test/c.png": "test"}
    assert set(faults) == {"d.png", "other/test/e.png", "train.png"}
    assert set(faults.values()) == {"not in one of the folders train, validation, test"}


def test_a_missing_folder_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("gone", "file"):
        with pytest.raises(ArtifactError, match=rf"{name}: no such folder; `fetch.inputs`"):
            folder.plan(settings(tmp_path / name), UNUSED)


def test_a_folder_that_can_not_be_listed_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.png")
    write(tmp_path / "secret/b.png")
    true_scan = os.scandir

    def scan(path: str) -> Any:  # root, as which tests may run, can list every folder
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", path)
        return true_scan(path)

    monkeypatch.setattr(os, "scandir", scan)
    photographs, faults, _ = read(tmp_path)
    assert list(photographs) == ["a.png"]
    assert faults == {"secret": "no permission to list this folder"}
