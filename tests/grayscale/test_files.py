"""Output paths, originals that are never overwritten, and metadata that is kept."""

import os
import re
import struct
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


def test_a_folder_keeps_its_tree_and_only_originals_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "deep/er/b.PNG", "a.gray.png", "gray/a.gray.png", "gray/c.png", ".hidden.jpg", ".x/d.jpg"):
        save(Path("in", name))
    Path("in/notes.txt").write_text("no image")
    for place in ("in/gray", ".", "in", "in/.."):
        jobs = files.plan([Path("in")], Path(place))
        others = [] if place == "in/gray" else ["gray/c.gray.png"]
        names = [job.target.relative_to(place).as_posix() for job in jobs]
        assert names == ["a.gray.png", "deep/er/b.gray.png", *others]


def converted(folder: Path, photographs: str, output: Path | None) -> str:
    """Convert photographs as the command does; the names of their outputs without the ending, hashes as `~`."""
    inputs = [folder / name for name in photographs.split()]
    for path in inputs:
        if not path.exists():
            save(path)
    jobs = files.plan(inputs, output)
    for job in jobs:
        if not job.target.exists():
            files.write(job.target, np.zeros((3, 4), np.uint8), {}, job.source)
    return " ".join(re.sub("~[0-9a-f]{12}", "~", job.target.name).removesuffix(".gray.png") for job in jobs)


BESIDE = [
    ("a.jpg", "a"),
    ("a.jpg a.png a.jpg.png", "a a.png a.jpg"),
    ("a.png a.jpg.png a.webp", "a.png a.jpg a.webp"),  # a is that of a.jpg
    ("b.jpg c.jpg C.png d.jpg d.png d.jpg.png", "b c.jpg C.png d.jpg d.png d.jpg.png"),
    ("b.png b.png.png", "b.png b.png.png"),  # no hash: only the first name of b.png is taken
]
IN_ONE_FOLDER = [
    ("1/a.jpg 2/a.jpg", "a.jpg~ a.jpg~"),
    ("2/a.jpg", "a.jpg~"),
    ("1/b.jpg", "b"),
    ("2/b.jpg", "b.jpg"),
    ("3/b.jpg 2/b.jpg 1/b.jpg", "b.jpg~ b.jpg b"),
    ("1/c.jpg 2/../1/c.jpg", "c"),  # named twice
]


@pytest.mark.parametrize(("output", "steps"), [(None, BESIDE), ("out", IN_ONE_FOLDER)])
def test_every_photograph_gets_an_output_of_its_own_and_keeps_it(
    tmp_path: Path, output: str | None, steps: list[tuple[str, str]]
) -> None:
    here = tmp_path / "here"
    out = here / output if output else None
    for photographs, names in steps:
        assert converted(here, photographs, out) == names
    originals = {place for photographs, _ in steps for place in photographs.split() if ".." not in place}
    here.rename(tmp_path / "there")
    here.symlink_to("there")
    converted(here, " ".join(sorted(originals)), out)
    assert len(list(here.rglob("*.gray.png"))) == len(originals)


def test_outputs_among_the_inputs_are_left_out_unless_they_are_named_alone(tmp_path: Path) -> None:
    converted(tmp_path, "a.png b.png", None)
    assert [job.source.name for job in files.plan(sorted(tmp_path.glob("*.png")), None)] == ["a.png", "b.png"]
    output = tmp_path / "a.gray.png"
    assert files.plan([output], None) == [Job(output, tmp_path / "a.gray.gray.png")]


@pytest.mark.parametrize("letter", ["x", "é", "東"])
def test_long_names_are_shortened_and_stay_unique(tmp_path: Path, letter: str) -> None:
    stem = letter * (250 // len(letter.encode()) - 2)
    for number in (1, 2):
        (tmp_path / f"{stem}{number}.jpg").touch()
    first, second = (job.target.name for job in files.plan([tmp_path], None))
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


LETTERS, LATIN, COMMENT = "José 東京".encode(), "José".encode("latin-1"), b"UNICODE\0" + bytes(range(200))


def exif(orientation: int, order: str = "<", comment: bytes = COMMENT) -> bytes:
    tags = Image.Exif()
    tags.endian = order
    tags.update({Tag.Orientation: orientation, Tag.Artist: LETTERS, Tag.Make: LATIN, Tag.Model: "Maker"})
    tags[Tag.PhotometricInterpretation] = 2
    details = tags.get_ifd(Ifd.Exif)
    details.update({Tag.DateTimeOriginal: "2020:01:02 03:04:05", Tag.LensModel: LETTERS, Tag.UserComment: comment})
    details[Tag.ExposureTime] = IFDRational(1, 1000)
    details.update({Tag.MakerNote: b"\0\1", Tag.ExifImageWidth: 31, Tag.ColorSpace: 0xFFFF})
    tags.get_ifd(Ifd.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return tags.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("targets", [["png"], ["jpg"], ["tif"], ["tif", "jpg"], ["png", "tif"]])
@pytest.mark.parametrize("source", ["jpg", "png", "webp"])
def test_exif_is_kept_without_outdated_values(tmp_path: Path, source: str, targets: list[str], order: str) -> None:
    photo = save(tmp_path / f"photo.{source}", exif=exif(6, order))
    for number, target in enumerate(targets):
        image = rewritten(photo, target, height=31 + number, width=20)
        photo = (tmp_path / f"gray.{target}").rename(tmp_path / f"{number}.{target}")
    tags = image.getexif()
    details = tags.get_ifd(Ifd.Exif)
    for text in (LETTERS, LATIN):  # as Pillow would not write it
        assert text + b"\0" in photo.read_bytes()
    assert (tags[Tag.Orientation], tags[Tag.Model], tags[Tag.Artist].encode("latin-1")) == (1, "Maker", LETTERS)
    assert (details[Tag.DateTimeOriginal], details[Tag.LensModel]) == ("2020:01:02 03:04:05", LETTERS)
    assert (details[Tag.ExposureTime], details[Tag.UserComment]) == (IFDRational(1, 1000), COMMENT)
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


OVERLAPPING = struct.pack("<2sHIHHHIIIH", b"II", 42, 8, 1, Ifd.Exif, 4, 1, 26, 0, 200) + b"".join(
    struct.pack("<HHII", 40_000 + number, 7, 1000, 0) for number in range(200)
)


@pytest.mark.parametrize("stored", [b"garbage", b"II*\0\xff\xff\xff\xff", b"", OVERLAPPING])
def test_damaged_exif_is_ignored(tmp_path: Path, stored: bytes) -> None:
    assert not rewritten(save(tmp_path / "photo.jpg", exif=b"Exif\0\0" + stored), "png").getexif()


@pytest.mark.parametrize("where", ["behind", "tEXt", "zTXt"])
def test_exif_is_found_wherever_a_png_keeps_it(tmp_path: Path, where: str) -> None:
    block, chunks = exif(1), PngInfo()
    digits = "\n".join(block.hex()[place : place + 72] for place in range(0, 2 * len(block), 72))
    chunks.add_text("Raw profile type exif", f"\nexif\n{len(block):8}\n{digits}\n", zip=where == "zTXt")
    photo = tmp_path / "photo.png"
    if where == "behind":
        content = save(photo, exif=block).read_bytes()
        start = content.index(b"eXIf") - 4
        end = start + len(block) - len(b"Exif\0\0") + 12
        photo.write_bytes(content[:start] + content[end:-12] + content[start:end] + content[-12:])
    else:
        save(photo, pnginfo=chunks)
    tags = rewritten(photo, "jpg").getexif()
    assert tags[Tag.Model] == "Maker"
    assert tags.get_ifd(Ifd.Exif)[Tag.LensModel] == LETTERS


def test_what_does_not_fit_into_jpeg_is_reported(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", exif=exif(1, comment=bytes(70_000)))
    kept, gray = files.metadata(photo, (4, 3)), np.zeros((3, 4), np.uint8)
    assert files.write(tmp_path / "gray.png", gray, kept, photo) is None
    note = files.write(tmp_path / "gray.jpg", gray, kept, photo)
    assert note
    assert note.endswith("does not fit into JPEG; left out: UserComment")
    with Image.open(tmp_path / "gray.jpg") as image:
        assert image.getexif()[Tag.Model] == "Maker"
    files.refuse(tmp_path / "gray.png", (100_000, 50))
    with pytest.raises(FilesError, match=r"JPEG holds at most 65,500 pixels a side; write \.png or \.tif"):
        files.refuse(tmp_path / "gray.jpg", (100_000, 50))


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
    with pytest.raises(FilesError, match=r"gray.png can't be written: No space"):
        files.write(tmp_path / "gray.png", np.zeros((3, 4), np.uint8), {}, tmp_path / "photo.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"gray.png": old}
