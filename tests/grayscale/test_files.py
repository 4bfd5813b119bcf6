"""Output paths, originals that are never overwritten, and metadata that is kept."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from grayscale import files
from grayscale.files import FilesError, Job
from tests.grayscale.conftest import save

Tag, Ifd = ExifTags.Base, ExifTags.IFD


def planned(folder: Path) -> dict[str, str]:
    return {job.source.name: job.target.name for job in files.plan([folder], None)}


def rewritten(photo: Path, target: str, height: int = 3, width: int = 4) -> Image.Image:
    """A black image with the metadata of `photo`, written and read again."""
    written = photo.with_name(f"gray.{target}")
    files.write(written, np.zeros((height, width), np.uint8), files.metadata(photo, (width, height)), photo)
    with Image.open(written) as image:
        image.load()
    return image


def test_a_photograph_goes_beside_itself_or_where_the_output_says(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.jpg")
    (tmp_path / "folder").mkdir()
    assert files.plan([photo], None) == [Job(photo, tmp_path / "photo.gray.png")]
    assert files.plan([photo], tmp_path / "x.tif") == [Job(photo, tmp_path / "x.tif")]
    assert files.plan([photo], tmp_path / "folder") == [Job(photo, tmp_path / "folder/photo.gray.png")]
    assert files.plan([photo], tmp_path / "new") == [Job(photo, tmp_path / "new/photo.gray.png")]
    assert files.plan([photo], tmp_path / "of.2024", folder=True) == [Job(photo, tmp_path / "of.2024/photo.gray.png")]


def test_a_folder_keeps_its_tree_and_only_originals_are_converted(tmp_path: Path) -> None:
    for name in ("a.jpg", "deep/er/b.PNG", "a.gray.png", "gray/a.gray.png", "gray/c.png", ".hidden.jpg", ".x/d.jpg"):
        save(tmp_path / "in" / name)
    (tmp_path / "in/notes.txt").write_text("no image")
    jobs = files.plan([tmp_path / "in"], tmp_path / "in/gray")
    targets = [job.target.relative_to(tmp_path / "in/gray").as_posix() for job in jobs]
    assert targets == ["a.gray.png", "deep/er/b.gray.png"]


@pytest.mark.parametrize("place", [".", "in", "in/.."])
def test_the_output_may_be_the_input_folder_or_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in/a.jpg")
    assert files.plan([Path("in")], Path(place)) == [Job(Path("in/a.jpg"), Path(place) / "a.gray.png")]


def test_photographs_of_one_name_get_outputs_of_their_own_and_keep_them(tmp_path: Path) -> None:
    def convert(*names: str) -> list[str]:
        jobs = files.plan([tmp_path / "here" / name for name in names], tmp_path / "here/out")
        for job in jobs:
            if not job.target.exists():
                files.write(job.target, np.zeros((3, 4), np.uint8), {}, job.source)
        return [job.target.name for job in jobs]

    for name in ("1/a.jpg", "2/a.jpg", "1/b.jpg", "2/b.jpg", "3/b.jpg", "4/DCIM/c.jpg", "5/DCIM/c.jpg"):
        save(tmp_path / "here" / name)
    first, second = convert("1/a.jpg", "2/a.jpg")
    assert first != second
    assert {name[:6] + name[18:] for name in (first, second)} == {"a.jpg~.gray.png"}
    assert (convert("2/a.jpg"), convert("1/a.jpg")) == ([second], [first])
    assert convert("1/b.jpg") == ["b.gray.png"]
    assert convert("2/b.jpg") == ["b.jpg.gray.png"]
    assert convert("3/b.jpg", "2/b.jpg", "1/b.jpg")[1:] == ["b.jpg.gray.png", "b.gray.png"]
    tree = convert("4", "5")
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "here").symlink_to("there")
    assert convert("5", "4") == tree[::-1]
    assert len(list((tmp_path / "here/out").rglob("*.png"))) == 7
    jobs = files.plan([tmp_path / "here/1/a.jpg"], None)
    assert jobs == files.plan([tmp_path / "here/1/a.jpg", tmp_path / "here/2/../1/a.jpg"], None)  # named twice


def test_photographs_that_would_share_an_output_keep_their_extensions(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.png", "b.jpg", "c.jpg", "c.png", "c.jpg.png"):
        save(tmp_path / name)
    long = {name: f"{name}.gray.png" for name in ("a.jpg", "A.png", "c.jpg", "c.png", "c.jpg.png")}
    assert planned(tmp_path) == {**long, "b.jpg": "b.gray.png"}


def test_every_photograph_keeps_its_output(tmp_path: Path) -> None:
    def convert() -> dict[str, str]:
        for job in files.plan([tmp_path], None):
            if not job.target.exists():
                files.write(job.target, np.zeros((3, 4), np.uint8), {}, job.source)
        return planned(tmp_path)

    save(tmp_path / "a.jpg")
    assert convert() == {"a.jpg": "a.gray.png"}
    for name in ("a.png", "a.jpg.png"):
        save(tmp_path / name)
    expected = {"a.jpg": "a.gray.png", "a.png": "a.png.gray.png", "a.jpg.png": "a.jpg.gray.png"}
    assert convert() == expected
    (tmp_path / "a.jpg").unlink()
    assert convert() == {"a.png": "a.png.gray.png", "a.jpg.png": "a.jpg.gray.png"}
    assert planned(save(tmp_path / "a.webp").parent)["a.webp"] == "a.webp.gray.png"  # a.gray.png is that of a.jpg
    assert {job.source.name for job in files.plan(sorted(tmp_path.glob("*.png")), None)} == {"a.png", "a.jpg.png"}
    alone = tmp_path / "a.gray.png"
    assert files.plan([alone], None) == [Job(alone, tmp_path / "a.gray.gray.png")]


@pytest.mark.parametrize("letter", ["x", "é", "東"])
def test_long_names_are_shortened_and_stay_unique(tmp_path: Path, letter: str) -> None:
    stem = letter * (250 // len(letter.encode()) - 2)
    for number in (1, 2):
        (tmp_path / f"{stem}{number}.jpg").touch()
    first, second = planned(tmp_path).values()
    assert first != second
    for name in (first, second):
        assert name.endswith(".gray.png")
        (tmp_path / name).touch()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_an_original_is_never_the_output(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    photo, other, marked = save(tmp_path / "photo.png"), tmp_path / "other.png", save(tmp_path / "photo.gray.png")
    link(photo, other)
    for inputs, output in (([photo], photo), ([photo], other), ([photo, marked], None)):
        with pytest.raises(FilesError, match="is the original"):
            files.plan(inputs, output)


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["no.jpg"], "new", "not found"),
        (["photo.png"], "x.webp", "written as .png"),
        (["photo.png", "second.png"], "second.png", "is a folder"),
    ],
)
def test_missing_inputs_and_wrong_outputs_are_refused(
    tmp_path: Path, inputs: list[str], output: str, message: str
) -> None:
    save(tmp_path / "photo.png")
    save(tmp_path / "second.png")
    with pytest.raises(FilesError, match=message):
        files.plan([tmp_path / name for name in inputs], tmp_path / output)


def exif(orientation: int) -> Image.Exif:
    tags, taken = Image.Exif(), "2020:01:02 03:04:05"
    tags[Tag.Orientation], tags[Tag.Make], tags[Tag.DateTime] = orientation, "Maker", taken
    tags[Tag.PhotometricInterpretation] = 2
    details = tags.get_ifd(Ifd.Exif)
    details.update({Tag.DateTimeOriginal: taken, Tag.MakerNote: b"\0\1"})
    details.update({Tag.ExifImageWidth: 31, Tag.ColorSpace: 0xFFFF})
    tags.get_ifd(Ifd.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return tags


@pytest.mark.parametrize(("source", "target"), [("jpg", "png"), ("png", "tif"), ("tif", "jpg"), ("webp", "png")])
def test_exif_is_kept_without_outdated_values(tmp_path: Path, source: str, target: str) -> None:
    photo = save(tmp_path / f"photo.{source}", height=20, width=31, exif=exif(orientation=6).tobytes())
    image = rewritten(photo, target, height=31, width=20)
    tags = image.getexif()
    details = tags.get_ifd(Ifd.Exif)
    assert (tags[Tag.Orientation], tags[Tag.Make], tags[Tag.DateTime]) == (1, "Maker", "2020:01:02 03:04:05")
    assert details[Tag.DateTimeOriginal] == "2020:01:02 03:04:05"
    assert tags.get_ifd(Ifd.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert (details[Tag.ExifImageWidth], details[Tag.ColorSpace]) == (20, 1)
    assert Tag.MakerNote not in details
    assert tags.get(Tag.PhotometricInterpretation) in (None, 1)  # black is zero


@pytest.mark.parametrize(("orientation", "expected"), [(1, (300, 150)), (3, (300, 150)), (6, (150, 300))])
def test_the_resolution_is_kept_and_turns_with_the_photograph(
    tmp_path: Path, orientation: int, expected: tuple[int, int]
) -> None:
    photo = save(tmp_path / "photo.jpg", dpi=(300, 150), exif=exif(orientation))
    np.testing.assert_allclose(rewritten(photo, "png").info["dpi"], expected, rtol=1e-3)


@pytest.mark.parametrize("target", ["png", "jpg"])
def test_an_impossible_resolution_is_not_kept(tmp_path: Path, target: str) -> None:
    photo = save(tmp_path / "photo.tif", dpi=(1e6, 1e6))
    assert rewritten(photo, target).info.get("dpi", (0, 0))[0] < 1000


@pytest.mark.parametrize("stored", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_exif_is_ignored(tmp_path: Path, stored: bytes) -> None:
    assert not rewritten(save(tmp_path / "photo.jpg", exif=stored), "png").getexif()


LETTERS = "José 東京".encode()


@pytest.mark.parametrize("target", ["png", "tif", "jpg"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_values_are_copied_byte_for_byte(tmp_path: Path, target: str, order: str) -> None:
    given, comment = Image.Exif(), b"UNICODE\0" + bytes(range(200))
    given.endian = order
    given[Tag.Artist], given[Tag.Make] = LETTERS, "José".encode("latin-1")
    time = IFDRational(1, 1000)  # wrong in the other byte order
    given.get_ifd(Ifd.Exif).update({Tag.LensModel: LETTERS, Tag.UserComment: comment, Tag.ExposureTime: time})
    image = rewritten(save(tmp_path / "photo.jpg", exif=given.tobytes()), target)
    stored = (tmp_path / f"gray.{target}").read_bytes()
    assert LETTERS + b"\0" in stored
    assert "José\0".encode("latin-1") in stored
    tags = image.getexif()
    assert tags[Tag.Artist].encode("latin-1") == LETTERS
    found = tags.get_ifd(Ifd.Exif)
    assert (found[Tag.LensModel], found[Tag.ExposureTime], found[Tag.UserComment]) == (LETTERS, time, comment)


@pytest.mark.parametrize("where", ["behind", "tEXt", "zTXt"])
def test_exif_is_found_wherever_a_png_keeps_it(tmp_path: Path, where: str) -> None:
    block = exif(orientation=1).tobytes()
    chunks = PngInfo()
    if where != "behind":
        digits = "\n".join(block.hex()[place : place + 72] for place in range(0, 2 * len(block), 72))
        chunks.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{digits}\n", zip=where == "zTXt")
    photo = save(tmp_path / "photo.png", pnginfo=chunks)
    if where == "behind":
        content, chunk = photo.read_bytes(), b"eXIf" + block[6:]
        behind = struct.pack(">I", len(block) - 6) + chunk + struct.pack(">I", zlib.crc32(chunk))
        photo.write_bytes(content[:-12] + behind + content[-12:])
    tags = rewritten(photo, "jpg").getexif()
    assert tags[Tag.Make] == "Maker"
    assert tags.get_ifd(Ifd.Exif)[Tag.DateTimeOriginal] == "2020:01:02 03:04:05"


def test_what_does_not_fit_into_jpeg_is_reported(tmp_path: Path) -> None:
    tags = exif(orientation=1)
    tags.get_ifd(Ifd.Exif)[Tag.UserComment] = bytes(70_000)
    photo = save(tmp_path / "photo.png", exif=tags.tobytes())
    kept, gray = files.metadata(photo, (4, 3)), np.zeros((3, 4), np.uint8)
    assert files.write(tmp_path / "gray.png", gray, kept, photo) is None
    note = files.write(tmp_path / "gray.jpg", gray, kept, photo)
    assert note
    assert note.endswith("does not fit into JPEG; left out: UserComment")
    with Image.open(tmp_path / "gray.jpg") as image:
        assert image.getexif()[Tag.Make] == "Maker"
    files.refuse_size(tmp_path / "gray.png", (100_000, 50))
    with pytest.raises(FilesError, match=r"JPEG holds at most 65,500 pixels a side; write \.png or \.tif"):
        files.refuse_size(tmp_path / "gray.jpg", (100_000, 50))


def test_profiles_are_dropped_and_png_states_srgb(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    info = rewritten(save(tmp_path / "photo.jpg", icc_profile=profile), "png").info
    assert "icc_profile" not in info
    assert info["srgb"] == 1


def test_a_failed_write_leaves_the_old_output_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Image.Image, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    old = save(tmp_path / "gray.png").read_bytes()
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "gray.png", np.zeros((3, 4), np.uint8), {}, tmp_path / "photo.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"gray.png": old}
