"""Every file below a folder is a photograph, a fault with a reason, or counted, however damaged it is.

`python -m tests.fetch.test_folder FOLDER` writes damaged images, reads them, and prints how many there were, how many
were read, and the peak memory in MB.
"""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import ExifTags, Image

from grayscale import batch, decode
from grayscale.files import Job
from stages.common.artifacts import ArtifactError
from stages.fetch.source import Photograph, Plan, Skipped, Split
from stages.fetch.sources import folder
from tests.conftest import REPOSITORY, close_folder
from tests.fetch import files


def settings(inputs: Path, by: Any = "hash") -> folder.Settings:
    return folder.Settings(source="folder", inputs=str(inputs), split=Split(by=by))


def plan(path: Path, by: str = "hash") -> Plan:
    return folder.plan(settings(path, by), Path("unused"))  # nothing is unpacked


def write(path: Path, seed: int = 0) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = files.photo(seed=seed)
    path.write_bytes(files.encoded(photo, "PNG"))
    return np.asarray(photo)


def read(plan: Plan) -> tuple[dict[str, Photograph], dict[str, str], list[str]]:
    given = list(files.given(plan))
    photographs = {item.name: item for item in given if isinstance(item, Photograph)}
    faults = {item.name: item.reason for item in given if isinstance(item, Skipped) and item.fault}
    return photographs, faults, [item.name for item in given if isinstance(item, Skipped) and not item.fault]


@pytest.mark.parametrize("top", ["photos", "linked"])
def test_names_are_paths_below_the_folder_in_sorted_order(tmp_path: Path, top: str) -> None:
    names = ["b/2.png", "a.JPG", "b/10.png", "b.png", "Z/deep/er/x.tiff", "ä b,c'.png", "001.png", "NA.png"]
    pixels = {name: write(tmp_path / "photos" / name, seed) for seed, name in enumerate(names)}
    (tmp_path / "linked").symlink_to("photos")  # it may lead elsewhere on another machine
    photographs, faults, ignored = read(plan(tmp_path / top))
    assert list(photographs) == sorted(names)
    assert (faults, ignored) == ({}, [])
    for name, photograph in photographs.items():
        assert np.array_equal(photograph.pixels, pixels[name])
        assert (photograph.source, photograph.licence) == (top, "not stated")
        assert (photograph.domain, photograph.split) == ("everyday", None)


def test_every_file_is_a_photograph_a_fault_or_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "photos"
    inside, outside = write(top / "sub/a.png", seed=1), write(tmp_path / "cache/b", seed=2)
    hidden = [".hidden.png", ".git/objects/b.png", "__MACOSX/._a.png"]
    for name in (*hidden, "png inside.jpg", "closed/b.png", "a\nb.png", "c\x9bd.png", "e\u202ef.png"):
        write(top / name)
    for name in ("notes.txt", "Thumbs.db", "clip.mov", "drawing.svg", "README", ".DS_Store", "page.jpg", "phone.heic"):
        (top / name).write_text("<html>")
    (top / "empty.gif").touch()
    (top / "raw.NEF").write_bytes(files.encoded(files.photo(), "TIFF"))
    (top / "cut.webp").write_bytes(files.encoded(files.photo(), "WEBP")[:-40])
    (top / os.fsdecode(b"latin-\xe9.png")).touch()
    os.mkfifo(top / "pipe.png")
    links: dict[str, Any] = {
        "inside.png": "sub/a.png", "outside.png": tmp_path / "cache/b",  # as DVC's cache.type symlink does
        "elsewhere": tmp_path / "cache", "sub/up": "..", "self.png": "self.png", "nowhere.png": "gone.png",
    }  # fmt: skip
    for name, leads_to in links.items():
        (top / name).symlink_to(leads_to)
    close_folder(monkeypatch, "closed")
    photographs, faults, ignored = read(plan(top))
    assert set(photographs) == {"sub/a.png", "png inside.jpg", "inside.png", "outside.png"}
    assert np.array_equal(photographs["inside.png"].pixels, inside)
    assert np.array_equal(photographs["outside.png"].pixels, outside)
    assert ignored == sorted(("notes.txt", "Thumbs.db", "clip.mov", "drawing.svg", "README"))
    no_image = "not an image of a kind that is read (JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF)"
    not_followed = "a symbolic link to a folder is not followed, as DVC does not; put the files here"
    no_table = "its name holds control characters or bytes that are not UTF-8"
    assert faults == {
        "page.jpg": no_image, "phone.heic": no_image, "empty.gif": "empty file", "pipe.png": "not a regular file",
        "raw.NEF": "camera raw: develop it into an image first", "cut.webp": "damaged",
        "elsewhere": not_followed, "sub/up": not_followed, "closed": "no permission to list this folder",
        "self.png": "a symbolic link to nowhere", "nowhere.png": "a symbolic link to nowhere",
        "a\\x0ab.png": no_table, "latin-\\xe9.png": no_table, "c\\x9bd.png": no_table, "e\\u202ef.png": no_table,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (MemoryError(), r"a\.png: more memory needed than there is; free some"),
        (OSError(errno.EIO, "Input/output error"), r"a\.png can't be read on .*: Input/output error"),
    ],
)
def test_an_error_of_the_machine_stops_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    """Skipping the file would make the data set depend on the machine."""
    write(tmp_path / "a.png")
    monkeypatch.setattr(decode, "_decoded", Mock(side_effect=fault))
    with pytest.raises(ArtifactError, match=words):
        read(plan(tmp_path))


def test_the_top_folders_can_decide_the_split(tmp_path: Path) -> None:
    names = ["train/a.png", "validation/x/b.png", "test/c.png", "d.png", "other/test/e.png", "train.png"]
    for seed, name in enumerate(names):
        write(tmp_path / name, seed)
    photographs, faults, _ = read(plan(tmp_path, by="subfolder"))
    found = {name: photograph.split for name, photograph in photographs.items()}
    assert found == {"train/a.png": "train", "validation/x/b.png": "validation", "test/c.png": "test"}
    assert faults == dict.fromkeys(names[3:], "not in one of the folders train, validation, test")


def test_a_missing_folder_is_named_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"file: no such folder; `fetch.inputs`"):
        plan(tmp_path / "file")


def test_transparent_pixels_become_the_matte(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2)).save(tmp_path / "clear.png")
    wanted = settings(tmp_path).model_copy(update={"matte": [1, 2, 3]})
    photographs, _, _ = read(folder.plan(wanted, Path("unused")))
    assert (photographs["clear.png"].pixels == [1, 2, 3]).all()


# === Damaged images ===

EACH = 60  # damaged copies


def test_damaged_images_by_the_hundred_are_read_or_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fetch.test_folder", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    count, read, megabytes = map(int, ended.stdout.split())
    assert count >= 600
    assert 0 < read < count
    assert megabytes < 1500


def images() -> dict[str, bytes]:
    """A small photograph in several formats, by extension."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    extras = {"icc_profile": files.rgb_profile(), "exif": exif}
    photo = files.photo((40, 30))
    kinds = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "avif": "AVIF"}
    deep = Image.fromarray(np.asarray(photo)[..., 0].astype(np.uint16) * 257)
    return {
        **{name: files.encoded(photo, kind, **extras) for name, kind in kinds.items()},
        "bmp": files.encoded(photo, "BMP"),
        "gif": files.encoded(photo, "GIF"),
        "16.png": files.encoded(deep, "PNG"),
        "progressive.jpg": files.encoded(photo, "JPEG", progressive=True, **extras),
        "jpeg.tif": files.encoded(photo, "TIFF", compression="jpeg", **extras),
    }


def count_read(damaged: list[Path], top: Path) -> int:
    """The number of files that `fetch` reads; it and the library must name each of the others."""
    found = list(files.given(plan(top)))
    assert len(found) == len(damaged)
    reasons = [item.reason for item in found if isinstance(item, Skipped)]
    assert all(reasons)
    assert not any(word in reason for reason in reasons for word in ("/", "0x", "object at"))
    out = top.with_name("gray")
    results = batch.run([Job(file, out / f"{file.name}.png") for file in damaged], batch.Choice("bt601", None, 8), 1)
    failed = [result for result in results.values() if isinstance(result, str)]
    assert len(list(out.iterdir())) + len(failed) == len(damaged)
    assert all(failed)
    return sum(isinstance(item, Photograph) for item in found)


def main() -> None:
    top = Path(sys.argv[1]) / "in"
    top.mkdir()
    rng = np.random.default_rng(17)
    for name, content in images().items():
        for number, damaged in enumerate(files.mutations(content, EACH, rng)):
            sums = name.endswith("png") and number % 2  # readers ignore chunks with wrong checksums
            (top / f"{number:03}.{name}").write_bytes(files.with_checksums(damaged) if sums else damaged)
    written = sorted(top.iterdir())
    count = count_read(written, top)
    most = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())  # ru_maxrss counts the parent, too
    print(len(written), count, int(most[1]) >> 10 if most else 0)


if __name__ == "__main__":
    main()
