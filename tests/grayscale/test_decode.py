"""Image files are decoded to upright sRGB pixels, or refused with a short reason."""

import io
import struct
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms

from grayscale import decode
from grayscale.decode import DecodeError
from tests.fetch import files
from tests.fetch.files import MATTE, opened, pixels_of, refused

LOSSLESS = {"PNG": {}, "TIFF": {}, "BMP": {}, "WEBP": {"lossless": True}}
KINDS = [*LOSSLESS, "JPEG", "GIF", "AVIF"]


def over_matte(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return np.round(colour * share + np.array(MATTE) * (1 - share))


# === Kinds of file ===


@pytest.mark.parametrize("kind", KINDS)
def test_the_content_decides_the_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(decode, "BAND", 7 * 40)  # 7 rows at a time, of 30
    photo = files.photo((40, 30))
    path = tmp_path / "photo.txt"
    path.write_bytes(files.encoded(photo, kind, **LOSSLESS.get(kind, {})))
    found = decode.read(path, MATTE)
    assert (found.shape, found.dtype) == ((30, 40, 3), np.uint8)
    difference = np.abs(found.astype(int) - np.asarray(photo))
    assert difference.max() == 0 if kind in LOSSLESS else difference.mean() < 8


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_of_several_frames_is_read(kind: str) -> None:
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    content = files.encoded(first, kind, save_all=True, append_images=[second], **LOSSLESS.get(kind, {}))
    assert (pixels_of(content) == (255, 0, 0)).all()


def test_other_kinds_of_files_are_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    svg, heic = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    for content in (svg, heic, b"%!PS-Adobe-3.0 EPSF-3.0\n", b"%PDF-1.4\n", b"text", b"\0", b"P6 1 1 255 abc"):
        refused(content, r"^not an image of a kind that is read \(JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF\)$")
    refused(b"", "^empty file$")


# === Orientation ===

# EXIF orientation → how the upright array is stored, from the standard's "the 0th row is the visual …, the 0th column
# the visual …".
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright.swapaxes(0, 1)[::-1],  # right, top: row 0 is the right column
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],  # left, bottom
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("BMP", "GIF")])  # they have no EXIF
@pytest.mark.parametrize("orientation", STORED)
def test_every_exif_orientation_comes_out_upright(kind: str, orientation: int) -> None:
    upright = np.zeros((40, 24, 3), np.uint8)  # in TIFF, one strip of 24 rows
    upright[:8, :16], upright[8:, :8] = (250, 20, 20), (20, 20, 250)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    options = LOSSLESS.get(kind, {"quality": 100, "subsampling": 0 if kind == "JPEG" else "4:4:4"})
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = opened(files.encoded(stored, kind, exif=exif, icc_profile=srgb, **options))
    assert not image.info  # or saving it would turn it again
    found = np.asarray(image)
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() <= (0 if kind in LOSSLESS else 6)


def test_unreadable_exif_counts_as_upright() -> None:
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01", b"Exif\0\0MM\0*\xff\xff\xff\xff"):
        assert np.array_equal(pixels_of(files.encoded(files.photo(), "PNG", exif=exif)), np.asarray(files.photo()))


# === Colour ===


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_a_cmyk_profile_is_converted_from_white_to_black(kind: str) -> None:
    inks = np.array([[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
    image = Image.fromarray(inks.repeat(16, axis=0).reshape(1, -1, 4).repeat(16, axis=0), "CMYK")
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    found = pixels_of(files.encoded(image, kind, icc_profile=files.cmyk_profile(), **options))[8, 8::16]

    # The press prints L* 100, 80, 70, 50 and 10; black point compensation maps the luminance of L* 10 to 0.
    luminance = ((np.array([100, 80, 70, 50]) + 16) / 116) ** 3
    black = ((10 + 16) / 116) ** 3
    expected = files.to_srgb((np.append(luminance, black) - black) / (1 - black))
    assert np.abs(found - expected[:, None]).max() <= 3
    assert found[4].max() <= 2  # black is black, where relative colorimetric alone would leave it gray


@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_without_a_profile_is_subtracted_from_white(bits: int) -> None:
    inks = np.random.default_rng(5).integers(0, 2**bits, (16, 16, 4)).astype(f"u{bits // 8}")
    shares = inks / (2**bits - 1)
    expected = 255 * (1 - shares[..., :3]) * (1 - shares[..., 3:])
    for profile in (None, files.rgb_profile()):  # which does not fit
        found = pixels_of(files.tiff((inks, {"photometric": "separated", "iccprofile": profile})))
        assert np.abs(found - expected).max() <= 1
    planes: dict[str, Any] = {"photometric": "separated", "planarconfig": "separate"}
    assert np.abs(pixels_of(files.tiff((np.moveaxis(inks, -1, 0), planes))) - expected).max() <= 2


def test_an_rgb_profile_is_converted_to_srgb_in_palettes_and_below_transparency() -> None:
    profile, alpha = files.rgb_profile(), np.arange(256, dtype=np.uint8)[None]
    colours = np.random.default_rng(3).integers(0, 256, (1, 256, 3)).astype(np.uint8)
    plain = pixels_of(files.encoded(Image.fromarray(colours), "PNG", icc_profile=profile))
    expected = files.in_srgb(colours / 255, files.ADOBE_RGB, lambda encoded: encoded**files.ADOBE_GAMMA)
    assert np.abs(plain - expected).max() < 1.5
    assert np.abs(plain - colours).max() > 20  # it mattered
    palette = Image.fromarray(alpha)
    palette.putpalette(colours.tobytes())
    assert np.array_equal(pixels_of(files.encoded(palette, "PNG", icc_profile=profile)), plain)
    found = pixels_of(files.encoded(Image.fromarray(np.dstack([colours, alpha])), "PNG", icc_profile=profile))
    assert np.abs(found - over_matte(plain.astype(float), alpha)).max() <= 1
    assert np.array_equal(found[0, 0], MATTE)  # the matte is sRGB already


# === Depth ===


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    for widened in (levels * 257, levels << 8):  # both ways of widening 8 bits are undone
        assert np.array_equal(pixels_of(files.png_of(widened, 16))[..., 0], levels)
    samples = np.array([[0, 255, 256, 257, 0x7FFF, 0x8000, 0xFEFF, 0xFFFF]], np.uint16)
    for content in (
        files.png_of(samples, 16),
        files.tiff((samples, {})),
        files.tiff((samples, {}), byteorder=">"),
        files.tiff((0xFFFF - samples, {"photometric": "miniswhite"})),
        files.png_of(samples[..., None].repeat(3, axis=-1), 16),
        files.png_of(np.stack([samples, np.full_like(samples, 0xFFFF)], axis=-1), 16),
        files.encoded(Image.fromarray(samples), "TIFF", compression="tiff_adobe_deflate"),
    ):
        assert np.array_equal(pixels_of(content), (samples // 256)[..., None].repeat(3, axis=-1))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_gray_of_any_depth_covers_black_to_white(depth: int) -> None:
    samples = np.arange(min(2**depth, 16)).reshape(2, -1)
    expected = np.round(samples * 255 / (2**depth - 1))[..., None].repeat(3, axis=-1)
    assert np.array_equal(pixels_of(files.png_of(samples, depth)), expected)


def test_bilevel_and_twelve_bit_tiff_cover_black_to_white() -> None:
    for compression in ("raw", "group4"):
        content = files.encoded(Image.fromarray(np.eye(8, dtype=bool)), "TIFF", compression=compression)
        assert np.array_equal(pixels_of(content)[..., 0], np.eye(8) * 255)
    white_is_zero = files.tiff((np.eye(1, 8, dtype=bool), {"photometric": "miniswhite"}))
    assert pixels_of(white_is_zero)[0, :, 0].tolist() == [0, *[255] * 7]
    bytes_of_it = np.array([[0xFF, 0xF8, 0x00, 0x00, 0x01, 0x23]], np.uint8)  # 4095, 2048, 0, 0x123
    twelve = io.BytesIO(files.tiff((bytes_of_it, {"photometric": "minisblack"})))
    with tifffile.TiffFile(twelve, mode="r+") as file:
        file.pages.first.tags["ImageWidth"].overwrite(4)
        file.pages.first.tags["BitsPerSample"].overwrite(12)
    assert pixels_of(twelve.getvalue())[0, :, 0].tolist() == [255, 128, 0, 0x12]


# === Transparency ===


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "LA"), ("PNG", "RGBA"), ("TIFF", "RGBA"), ("WEBP", "RGBA")])
def test_alpha_is_composited_over_the_matte(kind: str, mode: str) -> None:
    samples = np.random.default_rng(1).integers(0, 256, (16, 16, len(mode))).astype(np.uint8)
    samples[0, :4, -1] = [0, 255, 1, 254]
    options = {**LOSSLESS[kind], **({"exact": True} if kind == "WEBP" else {})}
    found = pixels_of(files.encoded(Image.fromarray(samples, mode), kind, **options))
    colour = samples[..., :-1].astype(float) * np.ones(3)
    assert np.array_equal(found, over_matte(colour, samples[..., -1]))
    assert np.array_equal(found[0, 0], MATTE)


@pytest.mark.parametrize(("depth", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
def test_the_colour_key_of_a_png_shows_the_matte(depth: int, channels: int) -> None:
    key = 2**depth - 1
    samples = np.array([[key, 0]])
    samples = samples if channels == 1 else samples[..., None].repeat(3, axis=-1)
    found = pixels_of(files.png_of(samples, depth, (b"tRNS", key.to_bytes(2, "big") * channels)))
    assert found[0].tolist() == [list(MATTE), [0, 0, 0]]


@pytest.mark.parametrize(("kind", "alpha"), [("GIF", 1), ("PNG", 1), ("PNG", bytes([255, 128, 0]))])
def test_palette_entries_may_be_transparent(kind: str, alpha: int | bytes) -> None:
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    found = pixels_of(files.encoded(palette, kind, transparency=alpha))
    opacity = np.array([[255, 0, 255] if alpha == 1 else list(bytes(alpha))])
    assert np.array_equal(found, over_matte(255.0 * np.eye(3)[None], opacity))


def test_a_16_bit_colour_key_is_compared_in_full() -> None:
    key, gray = (40000).to_bytes(2, "big"), np.array([[40000, 40001, 65535]])
    linear = (b"gAMA", struct.pack(">I", 100_000))
    for samples in (gray, gray[..., None].repeat(3, axis=-1)):
        found = pixels_of(files.png_of(samples, 16, (b"tRNS", key * (samples.ndim * 2 - 3))))
        assert found[0].tolist() == [[*MATTE], [156] * 3, [255] * 3]
        found = pixels_of(files.png_of(samples, 16, linear, (b"tRNS", key * (samples.ndim * 2 - 3))))
        assert found[0].tolist() == [[*MATTE], [round(float(files.to_srgb(np.array(40001 / 65535))))] * 3, [255] * 3]


def test_what_the_first_frame_of_a_gif_leaves_uncovered_is_transparent() -> None:
    content = files.encoded(Image.new("RGB", (8, 8), (255, 0, 0)), "GIF")
    found = pixels_of(content[:6] + struct.pack("<HH", 10, 9) + content[10:])  # the size of the canvas
    expected = np.full((9, 10, 3), MATTE)
    expected[:8, :8] = (255, 0, 0)
    assert np.array_equal(found, expected)


def test_a_gray_frame_of_a_coloured_gif_is_gray() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    content = files.encoded(Image.fromarray(levels), "GIF")
    palette, frame, flags = content[13:781], content[781:790], bytes([content[790] | 0x87])  # a palette of its own
    found = pixels_of(content[:13] + bytes(768) + frame + flags + palette + content[791:])
    assert np.array_equal(found, levels[..., None].repeat(3, axis=-1))


# === Refused files ===


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_gives_a_reason(kind: str) -> None:
    content = files.encoded(files.photo((64, 64)), kind)
    for share in (0.3, 0.6, 0.9):
        refused(content[: int(len(content) * share)], "^(truncated$|damaged)")


def bitmap(width: int, height: int) -> bytes:
    return b"BM" + bytes(8) + struct.pack("<IIIIHH", 54, 40, width, height, 1, 24) + bytes(24)


def test_too_many_pixels_and_none_are_refused_by_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("its pixels were decoded"))
    with warnings.catch_warnings(action="error"):
        for width, height in ((20_000, 10_001), (60_000, 60_000)):
            refused(bitmap(width, height), f"^too large: {width} × {height} pixels, the limit is 200 megapixels$")
        for width, height in ((199_999_999, 1), (1, 199_999_999)):
            words = f"^too large: {width} × {height} pixels, the limit of a side is 200,000$"
            refused(bitmap(width, height), words)
        for content in (bitmap(0, 5), files.png_of(np.zeros((1, 1)), 8).replace(bytes([0, 0, 0, 1]), bytes(4))):
            refused(content, ".")


def test_a_file_that_would_be_read_whole_has_a_limit_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(files.encoded(files.photo(), "JPEG"))
    with path.open("r+b") as file:
        file.truncate(decode.MAX_BYTES + 1)  # with a hole: it takes no space
    with pytest.raises(DecodeError, match=r"^too large: more than 1 GiB$"):
        decode.read(path, MATTE)


def test_a_whole_file_of_a_rare_kind_is_not_called_damaged() -> None:
    rare = bytearray(bitmap(4, 4))
    rare[28] = 2  # bits per pixel
    refused(bytes(rare), "^of a kind that is not read: save it in another way$")


def test_a_reason_has_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DecodeError, match=r"^[^/]{,80}$"):
        decode.read(tmp_path / "loop", MATTE)
    monkeypatch.setattr(Path, "stat", Mock(side_effect=PermissionError(13, "denied")))  # tests may run as root
    with pytest.raises(DecodeError, match=r"^no permission to read it$"):
        decode.read(tmp_path / "secret.png", MATTE)
