"""Where outputs go, what is never overwritten, and what is kept beside the pixels."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from grayscale import decode, files
from grayscale.files import FilesError, Job
from tests.grayscale.conftest import save

Tag, Ifd = ExifTags.Base, ExifTags.IFD


def planned(*inputs: Path, output: Path | None = None) -> dict[str, str]:
    return {job.source.name: job.target.name for job in files.plan(inputs, output)}


def test_a_photograph_goes_beside_itself_or_where_the_output_says(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.jpg")
    (tmp_path / "folder").mkdir()
    assert files.plan([photo], None) == [Job(photo, tmp_path / "photo.gray.png")]
    assert files.plan([photo], tmp_path / "x.tif") == [Job(photo, tmp_path / "x.tif")]
    assert files.plan([photo], tmp_path / "folder") == [Job(photo, tmp_path / "folder/photo.gray.png")]
    assert files.plan([photo], tmp_path / "new") == [Job(photo, tmp_path / "new/photo.gray.png")]


def test_a_folder_keeps_its_tree_and_passes_over_what_is_no_original(tmp_path: Path) -> None:
    for name in ("a.jpg", "deep/er/b.PNG", "a.gray.png", "gray/a.gray.png", "gray/c.png", ".hidden.jpg", ".x/d.jpg"):
        save(tmp_path / "in" / name)
    (tmp_path / "in/notes.txt").write_text("no image")
    jobs = files.plan([tmp_path / "in"], tmp_path / "in/gray")
    targets = [job.target.relative_to(tmp_path / "in/gray").as_posix() for job in jobs]
    assert targets == ["a.gray.png", "deep/er/b.gray.png"]


@pytest.mark.parametrize("place", [".", "in", "in/.."])
def test_the_output_may_be_the_folder_itself_or_one_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "in/a.jpg")
    assert files.plan([Path("in")], Path(place)) == [Job(Path("in/a.jpg"), Path(place) / "a.gray.png")]


def test_two_photographs_are_never_written_to_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = save(tmp_path / "1/a.jpg"), save(tmp_path / "2/a.jpg")
    for inputs, output in (([first, Path("1/a.jpg")], None), ([first, second], tmp_path / "out")):
        with pytest.raises(FilesError, match="two photographs"):
            files.plan(inputs, output)


def test_photographs_that_would_share_an_output_keep_their_extensions(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.png", "b.jpg"):
        save(tmp_path / name)
    assert planned(tmp_path) == {"A.png": "A.png.gray.png", "a.jpg": "a.jpg.gray.png", "b.jpg": "b.gray.png"}


@pytest.mark.parametrize("link", [None, os.symlink, os.link], ids=["itself", "symbolic link", "hard link"])
def test_an_original_is_never_the_output(tmp_path: Path, link: object) -> None:
    photo = save(tmp_path / "photo.png")
    output = photo
    if link is not None:
        output = tmp_path / "other.png"
        link(photo, output)  # type: ignore[operator]
    with pytest.raises(FilesError, match="is the original"):
        files.plan([photo], output)


def test_an_original_marked_as_gray_is_not_replaced_by_its_neighbour(tmp_path: Path) -> None:
    photo, other = save(tmp_path / "photo.png"), save(tmp_path / "photo.gray.png")
    with pytest.raises(FilesError, match="is the original"):
        files.plan([photo, other], None)


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["no.jpg"], None, "not found"),
        (["photo.png"], "x.webp", "written as .png"),
        (["photo.png", "second.png"], "second.png", "is a folder"),
    ],
)
def test_what_can_not_be_read_or_written_is_said_before_any_work(
    tmp_path: Path, inputs: list[str], output: str | None, message: str
) -> None:
    save(tmp_path / "photo.png")
    save(tmp_path / "second.png")
    with pytest.raises(FilesError, match=message):
        files.plan([tmp_path / name for name in inputs], tmp_path / output if output else None)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[Tag.Orientation], tags[Tag.Make], tags[Tag.DateTime] = orientation, "Maker", "2020:01:02 03:04:05"
    tags[Tag.PhotometricInterpretation] = 2
    tags.get_ifd(Ifd.Exif).update(
        {Tag.DateTimeOriginal: "2020:01:02 03:04:05", Tag.MakerNote: b"\0\1", Tag.ExifImageWidth: 31}
    )
    tags.get_ifd(Ifd.Exif)[Tag.ColorSpace] = 0xFFFF
    tags.get_ifd(Ifd.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return tags


@pytest.mark.parametrize(("source", "target"), [("jpg", "png"), ("png", "tif"), ("tif", "jpg"), ("webp", "png")])
def test_exif_is_kept_but_for_what_no_longer_holds(tmp_path: Path, source: str, target: str) -> None:
    photo = save(tmp_path / f"photo.{source}", height=20, width=31, exif=exif(orientation=6).tobytes())
    written = tmp_path / f"gray.{target}"
    files.write(written, np.zeros((31, 20), np.uint8), files.metadata(photo, (20, 31)))
    with Image.open(written) as image:
        tags = image.getexif()
        details = tags.get_ifd(Ifd.Exif)
        assert (tags[Tag.Orientation], tags[Tag.Make], tags[Tag.DateTime]) == (1, "Maker", "2020:01:02 03:04:05")
        assert details[Tag.DateTimeOriginal] == "2020:01:02 03:04:05"
        assert tags.get_ifd(Ifd.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert (details[Tag.ExifImageWidth], details[Tag.ColorSpace]) == (20, 1)
        assert Tag.MakerNote not in details
        assert tags.get(Tag.PhotometricInterpretation) in (None, 1)  # black is zero
        assert image.mode == "L"


def test_a_colour_thumbnail_goes(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.jpg", exif=exif(1))
    content, thumbnail = photo.read_bytes(), save(tmp_path / "t.jpg", 8, 8).read_bytes()
    with Image.open(photo) as image:
        tags = image.getexif()
    stored = with_thumbnail(tags.tobytes(), thumbnail)
    Image.open(photo).save(photo, exif=stored)
    assert thumbnail in photo.read_bytes() != content
    assert thumbnail not in files.metadata(photo, (4, 3)).exif


def with_thumbnail(stored: bytes, thumbnail: bytes) -> bytes:
    """Add a second directory with a JPEG thumbnail to EXIF bytes (TIFF 6.0: its offset follows the first directory)."""
    header, tiff = stored[:6], bytearray(stored[6:])
    order = "little" if tiff[:2] == b"II" else "big"
    first = int.from_bytes(tiff[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(tiff[first : first + 2], order)  # type: ignore[arg-type]
    link, second = first + 2 + 12 * count, len(tiff) + len(tiff) % 2
    tiff[link : link + 4] = second.to_bytes(4, order)  # type: ignore[arg-type]
    tiff += bytes(second - len(tiff))

    def entry(tag: int, value: int) -> bytes:
        return b"".join(number.to_bytes(size, order) for number, size in ((tag, 2), (4, 2), (1, 4), (value, 4)))  # type: ignore[arg-type]

    place = second + 2 + 2 * 12 + 4
    tiff += (2).to_bytes(2, order) + entry(0x0201, place) + entry(0x0202, len(thumbnail)) + bytes(4) + thumbnail  # type: ignore[arg-type]
    return header + bytes(tiff)


@pytest.mark.parametrize(("orientation", "expected"), [(1, (300, 150)), (3, (300, 150)), (6, (150, 300))])
def test_the_resolution_is_kept_and_turns_with_the_photograph(
    tmp_path: Path, orientation: int, expected: tuple[int, int]
) -> None:
    photo = save(tmp_path / "photo.jpg", dpi=(300, 150), exif=exif(orientation))
    files.write(tmp_path / "gray.png", np.zeros((3, 4), np.uint8), files.metadata(photo, (4, 3)))
    with Image.open(tmp_path / "gray.png") as image:
        np.testing.assert_allclose(image.info["dpi"], expected, rtol=1e-3)


@pytest.mark.parametrize("target", ["png", "jpg"])
def test_a_resolution_that_no_photograph_has_is_not_kept(tmp_path: Path, target: str) -> None:
    photo = save(tmp_path / "photo.tif", dpi=(1e6, 1e6))
    files.write(tmp_path / f"gray.{target}", np.zeros((3, 4), np.uint8), files.metadata(photo, (4, 3)))
    with Image.open(tmp_path / f"gray.{target}") as image:
        assert image.info.get("dpi", (0, 0))[0] < 1000


@pytest.mark.parametrize("stored", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_exif_counts_as_none(tmp_path: Path, stored: bytes) -> None:
    photo = save(tmp_path / "photo.jpg", exif=stored)
    files.write(tmp_path / "gray.png", np.zeros((3, 4), np.uint8), files.metadata(photo, (4, 3)))
    with Image.open(tmp_path / "gray.png") as image:
        assert not image.getexif()


def test_no_profile_is_left_and_png_says_that_gray_is_srgb_encoded(tmp_path: Path) -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = save(tmp_path / "photo.jpg", icc_profile=profile)
    files.write(tmp_path / "gray.png", np.zeros((3, 4), np.uint8), files.metadata(photo, (4, 3)))
    with Image.open(tmp_path / "gray.png") as image:
        assert "icc_profile" not in image.info
        assert image.info["srgb"] == 1


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_sixteen_bits_are_stored_as_they_are(tmp_path: Path, extension: str) -> None:
    gray = np.arange(0, 65536, 13, dtype=np.uint16)[:5000].reshape(50, 100)
    files.write(tmp_path / f"gray.{extension}", gray, files.Metadata(None, b""))
    with Image.open(tmp_path / f"gray.{extension}") as image:
        np.testing.assert_array_equal(np.asarray(image), gray)


def test_a_failed_write_leaves_the_old_output_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = save(tmp_path / "gray.png").read_bytes()

    def full(self: Image.Image, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "gray.png", np.zeros((3, 4), np.uint8), files.Metadata(None, b""))
    assert [path.name for path in tmp_path.iterdir()] == ["gray.png"]
    assert (tmp_path / "gray.png").read_bytes() == old


def test_what_fetch_takes_for_an_image_the_converter_does_too(tmp_path: Path) -> None:
    names = {f"photo{extension}" for extension in decode.IMAGES}
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    assert {job.source.name for job in files.plan([tmp_path], None)} == names
