"""What Pillow does not read or misreads. The truth is colour mathematics, or tifffile."""

import io
import struct
import tracemalloc
import zlib
from functools import partial
from typing import Any

import colour
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from grayscale.reading import jpeg, png
from tests.fetch import files
from tests.fetch.files import ADOBE_RGB, in_srgb, pixels_of, refused, tiff

RAMP = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
RAMPS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1)


def near(found: np.ndarray, expected: np.ndarray, most: float = 1) -> None:
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=0, atol=most)


# === TIFF ===


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("bands", [3, 4])
def test_planes_are_read_as_interleaved_pixels_are(
    compression: str | None, byteorder: Any, tile: tuple[int, int] | None, dtype: str, bands: int
) -> None:
    pixels = np.concatenate([RAMPS, np.full((48, 64, bands - 3), 65535, np.uint16)], axis=-1)
    pixels = pixels if dtype == "u2" else (pixels >> 8).astype(np.uint8)
    options: dict[str, Any] = {"photometric": "rgb", "planarconfig": "separate", "tile": tile}
    options |= {"compression": compression, "extrasamples": ["unassalpha"] * (bands - 3)}
    content = tiff((np.moveaxis(pixels, -1, 0), options), byteorder=byteorder)
    near(pixels_of(content), RAMPS >> 8, 0)


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("scale", [1, 257])
def test_a_colour_map_may_hold_8_or_16_bits(bits: int, scale: int) -> None:
    colours = np.zeros((3, 256), np.uint16)
    colours[:, : 2**bits] = np.random.default_rng(bits).integers(0, 256, (3, 2**bits))
    indices = (np.arange(256).reshape(16, 16) % 2**bits).astype(np.uint8)
    content = tiff((indices, {"photometric": "palette", "colormap": colours * scale}))
    near(pixels_of(content), np.moveaxis(colours[:, indices], 0, -1), 0)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4", "f4"])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_samples_without_a_known_range_are_refused(dtype: str, bands: int, compression: str | None) -> None:
    pixels = np.zeros((8, 8, bands), dtype).squeeze()
    options = {"photometric": "rgb" if bands == 3 else "minisblack", "compression": compression}
    words = "^32-bit or signed samples: black and white are not told$" if bands == 1 else "signed|that is not read"
    refused(tiff((pixels, options)), words)


FULL = np.moveaxis(np.mgrid[:48, :64, :1], 0, -1)[..., 0, :].repeat(2, axis=-1)[..., :3].astype(np.uint8)
THUMBNAIL = np.full((12, 16, 3), 200, np.uint8)
RGB: dict[str, Any] = {"photometric": "rgb"}
MARKED: dict[str, Any] = {**RGB, "subfiletype": 1}


SENSOR: dict[str, Any] = {"photometric": 32803, "subfiletype": 0}
DNG = [(50706, 1, 4, bytes([1, 4, 0, 0]), True)]


@pytest.mark.parametrize(
    ("expected", "pages"),
    [
        (FULL, [(THUMBNAIL, RGB), (FULL, RGB)]),
        (FULL, [(THUMBNAIL, MARKED), (THUMBNAIL, RGB), (FULL, RGB)]),
        (FULL, [(THUMBNAIL, MARKED), (FULL, RGB)]),
        (FULL[:, :50], [(THUMBNAIL, RGB), (FULL[:, :50], RGB)]),  # of other proportions
        (THUMBNAIL, [(THUMBNAIL, RGB), (FULL[:, :20], RGB)]),  # hardly wider
        (THUMBNAIL, [(THUMBNAIL, RGB), (THUMBNAIL * 0, RGB)]),  # of the same size
        (FULL, [(FULL, {**RGB, "subifds": 1}), (FULL[::2, ::2], MARKED)]),  # a smaller copy below a page
        (None, [(THUMBNAIL, {**RGB, "extratags": DNG})]),
        (None, [(THUMBNAIL, {**MARKED, "subifds": 1}), (FULL[..., 0], SENSOR)]),
        (None, [(THUMBNAIL, {**RGB, "subifds": 1}), (FULL[..., 0], SENSOR)]),
        (None, [(THUMBNAIL, {**RGB, "subifds": 1}), (FULL.repeat(2, 0).repeat(2, 1), RGB)]),
        (None, [(THUMBNAIL, RGB), (FULL[..., 0], SENSOR)]),
        (None, [(THUMBNAIL, MARKED)]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_the_first_page_that_is_no_thumbnail_is_read_and_camera_raw_is_refused(
    expected: np.ndarray | None, pages: list[Any], options: dict[str, Any]
) -> None:
    content = tiff(*pages, **options)
    refused(content, "camera raw", "photo.dng")
    if expected is None:
        refused(content, "camera raw|thumbnail")
    else:
        near(pixels_of(content), expected, 0)


def test_a_tiff_that_lists_a_directory_again_and_again_is_refused() -> None:
    def listing(place: int) -> bytes:
        below = {**RGB, "extratags": [(65000, 4, 64, [place] * 64, True)]}
        return tiff((THUMBNAIL, below), (THUMBNAIL, RGB)).replace(struct.pack("<H", 65000), struct.pack("<H", 330))

    with tifffile.TiffFile(io.BytesIO(listing(0))) as file:
        place = file.pages[1].offset
    refused(listing(place), "^damaged$")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("photometric", ["minisblack", "cielab"])
def test_planes_that_pillow_misreads_are_refused(compression: str | None, photometric: Any) -> None:
    options = {"photometric": photometric, "planarconfig": "separate", "compression": compression}
    bands = 3 if photometric == "cielab" else 2
    options |= {"extrasamples": ["unassalpha"] * (2 - bands % 2 - 1)}
    refused(tiff((np.moveaxis(FULL, -1, 0)[:bands], options)), "in planes: save it with interleaved samples")


@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_tiff_without_some_of_its_pixels_is_refused(tile: tuple[int, int] | None) -> None:
    content = io.BytesIO(tiff((FULL, {**RGB, "rowsperstrip": 16, "tile": tile})))
    for last in (slice(-1), slice(None)):  # it is missing, or at 0
        with tifffile.TiffFile(io.BytesIO(content.getvalue()), mode="r+") as file:
            page = file.pages.first
            offsets = [*page.dataoffsets[:-1], 0]
            page.tags["TileOffsets" if tile else "StripOffsets"].overwrite(offsets[last])
            handle = file.filehandle
            handle.seek(0)
            refused(handle.read(), "parts of its pixels are missing")


def test_lab_is_converted_to_srgb() -> None:
    lab = np.random.default_rng(4).uniform([20, -25, -25], [90, 25, 25], (64, 64, 3))
    samples = np.round(lab * [2.55, 1, 1]).astype(int).astype(np.uint8)
    white = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D50"]
    shown = np.dstack([samples[..., 0] / 2.55, samples[..., 1:].view(np.int8)])
    xyz = colour.Lab_to_XYZ(shown, white)
    expected = colour.XYZ_to_RGB(xyz, "sRGB", white, chromatic_adaptation_transform="Bradford")
    for profile in (None, LINEAR):  # which does not fit
        options = {"photometric": "cielab", "iccprofile": profile}
        near(pixels_of(tiff((samples, options))), files.to_srgb(expected))


def test_subsampled_colour_in_tiff_is_read() -> None:
    image = files.photo((32, 32))
    content = files.encoded(image, "TIFF", compression="jpeg", quality=95)
    near(pixels_of(content), np.asarray(image), 60)


# === PNG: large texts, colour in numbers ===


@pytest.mark.parametrize("kind", ["icc_profile", "zTXt", "iTXt", "tEXt"])
def test_a_png_may_hold_megabytes_of_text_or_profile(kind: str) -> None:
    texts, options = PngImagePlugin.PngInfo(), {}
    if kind == "icc_profile":
        options = {"icc_profile": bytes(3_000_000)}
    elif kind == "iTXt":
        texts.add_itxt("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    else:
        texts.add_text("Comment", "x" * 3_000_000, zip=kind == "zTXt")
    image = files.photo()
    near(pixels_of(files.encoded(image, "PNG", pnginfo=texts, **options)), np.asarray(image), 0)


@pytest.mark.parametrize("depth", [1, 8, 16])
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_whose_stream_ends_too_early_is_refused(depth: int, interlaced: bool) -> None:
    samples = np.zeros((47, 61), np.uint8)
    parts = [samples[y::down, x::across] for x, y, across, down in png.ADAM7] if interlaced else [samples]
    white = b"".join((b"\0" + b"\xff" * -(-part.shape[1] * depth // 8)) * len(part) for part in parts)  # no filter
    start = files.png_of(samples, depth)[:28] + bytes([interlaced]) + bytes(4)
    for missing in (0, 1, 1 + -(-parts[-1].shape[1] * depth // 8)):
        image = zlib.compress(white[: len(white) - missing])
        chunks = struct.pack(">I", len(image)) + b"IDAT" + image + bytes(8) + b"IEND" + bytes(4)
        content = files.with_checksums(start + chunks)
        if missing:
            refused(content, "^truncated$")
        else:
            near(pixels_of(content), np.full(3, 255), 0)


SPACES = {1: "ITU-R BT.709", 9: "ITU-R BT.2020", 11: "DCI-P3", 12: "Display P3", 5: "ITU-R BT.470 - 625", 6: "SMPTE C"}
CURVES: dict[int, Any] = {  # from samples to light
    1: colour.models.oetf_inverse_BT709, 4: lambda x: x**2.2, 8: lambda x: x, 13: colour.models.eotf_sRGB,
    14: partial(colour.models.oetf_inverse_BT2020, is_12_bits_system=False),
}  # fmt: skip


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("primaries", "transfer"), [(9, 1), (9, 14), (12, 13), (11, 4), (5, 13), (6, 6), (1, 8), (1, 1)]
)
def test_png_code_points_are_honoured(depth: int, primaries: int, transfer: int) -> None:
    samples = RAMPS >> (16 - depth)
    srgb, gamma = (b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))
    for others in ([], [srgb, gamma]):
        content = files.png_of(samples, depth, *others, (b"cICP", bytes([primaries, transfer, 0, 1])))
        curve = CURVES[1 if transfer == 6 else transfer]
        near(pixels_of(content), in_srgb(samples / (2**depth - 1), SPACES[primaries], curve))


@pytest.mark.parametrize(
    ("points", "words"),
    [([9, 16, 0, 1], "PQ"), ([9, 18, 0, 1], "HLG"), ([1, 9, 0, 1], "transfer 9"), ([77, 13, 0, 1], "77")],
)
def test_unsupported_code_points_are_named(points: list[int], words: str) -> None:
    refused(files.png_of(RAMPS >> 8, 8, (b"cICP", bytes(points))), f"{words}.* not supported")
    refused(files.png_of(RAMPS >> 8, 8, (b"cICP", bytes([1, 13, 0, 0]))), "full range, which is not supported")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_avif_code_points_are_honoured_or_named(mode: str) -> None:
    image = Image.fromarray((RAMPS >> 8).astype(np.uint8)).convert(mode)
    content = files.encoded(image, "AVIF", quality=100, subsampling="4:4:4")
    place = content.index(b"colrnclx") + 8
    plain = pixels_of(content)
    for primaries, transfer in ((12, 13), (9, 1), (1, 8)):
        told = content[:place] + struct.pack(">HH", primaries, transfer) + content[place + 4 :]
        told += struct.pack(">I4s", 8, b"meta")  # of two such boxes, readers take the first
        near(pixels_of(told), in_srgb(plain / 255, SPACES[primaries], CURVES[transfer]))
    refused(content[:place] + struct.pack(">HH", 9, 16) + content[place + 4 :], "PQ")
    near(pixels_of(content[:place] + struct.pack(">HH", 2, 2) + content[place + 4 :]), plain, 0)


ADOBE = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def chromaticities(values: tuple[float, ...]) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.45455])
@pytest.mark.parametrize("primaries", [None, ADOBE])
def test_gamma_and_primaries_are_honoured(depth: int, gamma: float, primaries: tuple[float, ...] | None) -> None:
    samples = RAMPS >> (16 - depth)
    chunks = [(b"gAMA", struct.pack(">I", round(gamma * 100_000)))]
    chunks += [chromaticities(primaries)] if primaries else []
    curve: Any = colour.models.eotf_sRGB if gamma == 0.45455 and not primaries else lambda x: x ** (1 / gamma)
    expected = in_srgb(samples / (2**depth - 1), ADOBE_RGB if primaries else "sRGB", curve)
    near(pixels_of(files.png_of(samples, depth, *chunks)), expected)
    if not primaries:
        gray = files.png_of(samples[..., 0], depth, *chunks)
        near(pixels_of(gray), expected[..., :1])


def test_a_profile_or_srgb_takes_precedence_over_gamma() -> None:
    gamma, image = (b"gAMA", struct.pack(">I", 100_000)), (RAMPS >> 8).astype(np.uint8)
    near(pixels_of(files.png_of(image, 8, (b"sRGB", b"\0"), gamma)), image, 0)
    with_profile = files.encoded(Image.fromarray(image), "PNG", icc_profile=files.rgb_profile())
    place = with_profile.index(b"iCCP") - 4
    chunk = files.png_of(image, 8, gamma)[33 : 33 + 16]
    near(pixels_of(with_profile[:place] + chunk + with_profile[place:]), pixels_of(with_profile), 0)


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", bytes(4))],
        [chromaticities((0,) * 8)],
        [chromaticities((0.3, 0.3) * 4)],
        *([(b"cICP", bytes([*points, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))] for points in ([1, 13], [2, 2])),
    ],
)
def test_impossible_values_and_srgb_change_nothing(chunks: list[tuple[bytes, bytes]]) -> None:
    near(pixels_of(files.png_of(RAMPS >> 8, 8, *chunks)), RAMPS >> 8, 0)


# === Profiles ===

LINEAR = files.matrix_profile(1.0)


def with_profile(container: str, samples: np.ndarray, profile: bytes) -> bytes:
    if container == "PNG":
        return files.png_of(samples, 8 * samples.itemsize, (b"iCCP", b"x\0\0" + zlib.compress(profile)))
    options: dict[str, Any] = {"photometric": "minisblack" if samples.ndim == 2 else "rgb", "iccprofile": profile}
    if container == "TIFF planes":
        samples, options["planarconfig"] = np.moveaxis(samples, -1, 0), "separate"
    if samples.shape[-1] == 4 or samples.shape[0] == 4:
        options["extrasamples"] = ["unassalpha"]
    if container == "TIFF packed":
        options["compression"] = "zlib"
    return tiff((samples, options), byteorder=">" if container == "TIFF >" else "<")


@pytest.mark.parametrize("container", ["PNG", "TIFF", "TIFF >", "TIFF packed", "TIFF planes"])
@pytest.mark.parametrize("bands", [3, 4])
def test_16_bit_colour_is_rounded_after_the_profile(container: str, bands: int) -> None:
    samples = np.concatenate([RAMPS // 8, np.full((48, 64, 1), 65535, np.uint16)], axis=-1)[..., :bands]
    expected = in_srgb(samples[..., :3] / 65535, ADOBE_RGB, lambda linear: linear)
    near(pixels_of(with_profile(container, samples, LINEAR)), expected)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.4])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK"])
def test_a_profile_of_tables_is_exact(gamma: float, bits: int, mode: str) -> None:
    full = 2**bits - 1
    samples = np.random.default_rng(5).integers(full // 10, full, (48, 64, len(mode))).astype(f"u{bits // 8}")
    if mode == "RGBA":
        samples[..., 3] = full
    options: dict[str, Any] = {"photometric": "separated" if mode == "CMYK" else "rgb"}
    options |= {
        "extrasamples": ["unassalpha"] * (mode == "RGBA"),
        "iccprofile": files.table_profile(mode.removesuffix("A"), gamma),
    }
    light = (samples / full) ** gamma
    if mode == "CMYK":
        expected = files.to_srgb(colour.colorimetry.luminance_CIE1976(files.lightness(light)) / 100)[..., None]
    else:
        expected = in_srgb(light[..., :3], ADOBE_RGB, lambda linear: linear)
    difference = (pixels_of(tiff((samples, options))) - expected) @ [0.299, 0.587, 0.114]
    near(difference, np.zeros(1), 1.5)  # one level, and the rounding of the result


def test_a_profile_in_a_bmp_is_applied() -> None:
    samples, profile = (RAMPS >> 8).astype(np.uint8), files.rgb_profile()
    plain = files.encoded(Image.fromarray(samples), "BMP")
    header = struct.pack("<I", 124) + plain[18:54] + bytes(16) + b"DEBM" + bytes(48)
    header += struct.pack("<IIII", 4, 124 + len(plain) - 54, len(profile), 0)
    content = plain[:10] + struct.pack("<I", 14 + 124) + header + plain[54:] + profile
    near(pixels_of(content), in_srgb(samples / 255, ADOBE_RGB, lambda x: x**files.ADOBE_GAMMA))


@pytest.mark.parametrize("container", ["PNG", "TIFF", "TIFF >"])
@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_16_bit_gray_is_rounded_after_the_profile(container: str, gamma: float) -> None:
    expected = files.to_srgb((RAMP / 65535) ** gamma)[..., None]
    near(pixels_of(with_profile(container, RAMP, files.gray_profile(gamma))), expected)
    if container == "PNG":
        alpha = np.stack([RAMP, np.full_like(RAMP, 65535)], axis=-1)
        near(pixels_of(with_profile(container, alpha, files.gray_profile(gamma))), expected)


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "L"), ("PNG", "LA"), ("PNG", "RGBA"), ("AVIF", "RGBA"), ("WEBP", "RGBA")]
)
def test_a_gray_profile_is_applied_to_gray_however_it_is_stored(kind: str, mode: str) -> None:
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:0:0"}}
    gray = Image.fromarray((RAMP >> 8).astype(np.uint8)).convert("LA").convert(mode)
    plain, found = (
        pixels_of(files.encoded(gray, kind, icc_profile=profile, **options.get(kind, {})))
        for profile in (None, files.gray_profile(1.5))
    )
    near(found, files.to_srgb((plain / 255) ** 1.5))
    assert (np.ptp(found, axis=-1) == 0).all()


CURVE_TAGS = [
    (b"curv" + bytes(4) + struct.pack(">I", 0), lambda x: x),
    (
        b"curv" + bytes(4) + struct.pack(">I3H", 3, 0, 16384, 65535),
        lambda x: np.interp(x, [0, 0.5, 1], [0, 16384 / 65535, 1]),
    ),
    *(
        (b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", form, 0, *(round(n * 65536) for n in numbers)), curve)
        for form, numbers, curve in (
            (0, (1.8,), lambda x: x**1.8),
            (1, (2.0, 1.25, -0.25), lambda x: np.maximum(1.25 * x - 0.25, 0) ** 2),
            (2, (2.0, 1.25, -0.5, 0.25), lambda x: np.maximum(1.25 * x - 0.5, 0) ** 2 + 0.25),
            (3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045), colour.models.eotf_sRGB),
            (4, (2.0, 1.0, 0.0, 0.5, 0.25, -0.0, 0.0), lambda x: np.where(x >= 0.25, x**2, 0.5 * x)),
        )
    ),
]


@pytest.mark.parametrize(("tag", "curve"), CURVE_TAGS)
def test_every_kind_of_curve_is_applied(tag: bytes, curve: Any) -> None:
    expected = files.to_srgb(curve(RAMP / 65535))[..., None]
    near(pixels_of(with_profile("PNG", RAMP, files.gray_profile_of(tag))), expected)


def test_srgb_and_a_broken_or_mismatched_profile_change_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    eight = (RAMPS >> 8).astype(np.uint8)
    near(pixels_of(with_profile("PNG", eight, srgb)), eight, 0)
    for profile in (LINEAR[:200], LINEAR[:300], files.gray_profile(1.5), bytes(500), b"x"):
        for samples in (eight, RAMPS):
            near(pixels_of(with_profile("PNG", samples, profile)), eight, 0)
    for gray in (RAMP, np.stack([RAMP, np.full_like(RAMP, 65535)], axis=-1)):
        near(pixels_of(with_profile("PNG", gray, LINEAR)), RAMP[..., None] >> 8, 0)


def test_tags_of_a_profile_that_overlap_take_no_memory() -> None:
    tags = b"".join(struct.pack(">4sII", b"%04d" % number, 1, (1 << 20) - 1) for number in range(500))
    profile = (LINEAR[:128] + struct.pack(">I", 500) + tags).ljust(1 << 20, b"\0")
    tracemalloc.start()
    pixels_of(with_profile("PNG", RAMPS, profile))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50 << 20


# === JPEG ===

SCENE = np.random.default_rng(7).normal(128, 40, (120, 168, 3)).clip(0, 255).astype(np.uint8)
JPEGS: list[dict[str, Any]] = [
    {}, {"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True, "subsampling": 0}, {"quality": 30},
]  # fmt: skip


def scans_of(content: bytes) -> list[int]:
    return [place for place in range(len(content)) if content.startswith(b"\xff\xda", place)]


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_truncated_jpeg_with_an_end_marker_is_refused(options: dict[str, Any], mode: str) -> None:
    image = Image.fromarray(SCENE).convert(mode)
    content = files.encoded(image, "JPEG", **options)
    with Image.open(io.BytesIO(content)) as plain:
        near(pixels_of(content), np.asarray(plain.convert("RGB")), 0)
    for share in (0.3, 0.5, 0.7, 0.9, 0.99):
        refused(content[: int(len(content) * share)] + b"\xff\xd9", "^(truncated|damaged)")
    for place in scans_of(content)[1:]:
        refused(content[:place] + b"\xff\xd9", "^(truncated|damaged)")


def test_frames_that_repeat_are_refused_before_decoding() -> None:
    content = files.encoded(Image.fromarray(SCENE), "JPEG")
    place = content.index(b"\xff\xc0")
    frame = content[place : place + 2 + int.from_bytes(content[place + 2 : place + 4])]
    refused(content[:place] + frame + content[place:], "^damaged: a JPEG of two frames")


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (17, 250), (250, 33)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_whole_jpeg_is_read_whatever_follows_its_end(
    size: tuple[int, int], subsampling: int, progressive: bool
) -> None:
    content = files.encoded(files.photo(size), "JPEG", subsampling=subsampling, progressive=progressive)
    with Image.open(io.BytesIO(content)) as plain:
        expected = np.asarray(plain)
    for behind in (b"", bytes(100), b"\xff\xd9", content):
        near(pixels_of(content + behind), expected, 0)


@pytest.mark.parametrize("frame", [0xC3, 0xC9, 0xCA])  # lossless, and arithmetically coded
def test_a_jpeg_whose_truncation_can_not_be_noticed_is_refused(frame: int) -> None:
    content = files.encoded(files.photo(), "JPEG")
    refused(content.replace(b"\xff\xc0", bytes([0xFF, frame])), "^a JPEG that is lossless or arithmetically coded")


def test_a_jpeg_of_too_many_scans_is_refused() -> None:
    content = files.encoded(files.photo((64, 64)), "JPEG", progressive=True)
    last = content[scans_of(content)[-1] : -2]
    refused(content[:-2] + last * jpeg.MAX_SCANS + content[-2:], "more than 100 scans")
