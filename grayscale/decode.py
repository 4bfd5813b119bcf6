"""Decode an image file to upright 8-bit sRGB.

The content decides the format, never the extension. Pillow gets an explicit list: SVG, EPS, PDF and WMF are not opened.
"""

import functools
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageFile, ImageOps, PngImagePlugin, TiffImagePlugin

from grayscale.reading import DecodeError, avif, bmp, colour, jpeg, png, tiff
from grayscale.reading.colour import Colour

PNG_BIT_DEPTH = 24  # offset in the file; PNG third edition, section 11.2.1
SIGNATURES = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG)|(?P<TIFF>II[*+]\0|MM\0[*+])|(?P<WebP>RIFF.{4}WEBP)|(?P<BMP>BM)"
    rb"|(?P<GIF>GIF8[79]a)|(?P<AVIF>.{4}ftyp(?:avif|avis|mif1|msf1))",
    re.DOTALL,
)
RAW = (  # Pillow would read thumbnails from some
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mrw", ".nef", ".nrw",
    ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
IMAGES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".webp", ".bmp", ".dib", ".gif", ".avif",
    ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpf", ".jxl", ".jxr", ".ppm", ".pgm", ".psd", ".tga", ".exr", *RAW,
    # from .heic on not read, but reported
)  # fmt: skip
GRAY_WITH_ALPHA = "LA;16B"  # raw modes of Pillow
MAX_PIXELS = 200_000_000  # the largest phone cameras; Pillow holds 4 bytes of each
MAX_BYTES = 1 << 30  # of a compressed file, which may be read whole
MAX_SIDE = 200_000  # pixels: whole rows and columns are held in memory
BAND = 1 << 20  # pixels copied to NumPy at a time
REASONS = {
    PermissionError: "no permission to read it",
    FileNotFoundError: "not there: a symbolic link to nowhere, or removed meanwhile",
    MemoryError: "more memory needed than there is",
}
PILLOW_SAYS = {"truncated": "truncated", "unsupported": "of a kind that is not read: save it in another way"}
Matte = tuple[int, int, int]
Convert = Callable[[np.ndarray, int], np.ndarray]  # samples and the greatest → sRGB levels

_one_at_a_time = threading.RLock()  # Pillow's limits, warning filters and standard error belong to the process


@dataclass
class _Loaded:
    """A decoded file."""

    image: Image.Image  # upright
    raw: str  # Pillow's raw mode, by which it unpacked the samples
    low: Image.Image | None  # the lower bytes of 16-bit samples, if they are needed; Pillow drops them
    profile: bytes | None  # an ICC profile for Pillow to apply, or …
    colour: Colour | None  # … colour that we apply


def read(path: Path, matte: Matte) -> np.ndarray:
    """An image file as `(height, width, 3)` uint8; see `open_upright` for rules and errors."""
    image = open_upright(path, matte)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for box in _stripes(image):  # np.asarray would hold the pixels three times
        pixels[box[1] : box[3]] = np.asarray(image.crop(box))
    return pixels


def open_upright(path: Path, matte: Matte) -> Image.Image:
    """A whole image file as Pillow's mode RGB: sRGB, upright, opaque, without metadata.

    - Format: JPEG, PNG, TIFF, WebP, BMP, GIF, and AVIF where Pillow has it. Of several frames or pages, the first that
      is no thumbnail. A truncated JPEG is refused: Pillow would fill it with gray.
    - Size: at most `MAX_PIXELS`, and `MAX_SIDE` a side, by the header, before any pixel is decoded.
    - Orientation: as EXIF (or XMP) says. Unreadable EXIF counts as upright.
    - Colour: an ICC profile (RGB, CMYK or gray) is converted to sRGB, relative colorimetric with black point
      compensation. So are code points, gamma and primaries in a PNG, and code points in an AVIF. Without these, or with
      a broken profile or one for another kind of samples, values count as sRGB; CMYK becomes (1 − C)(1 − K).
    - Depth: of 12 and 16 bits the upper 8 are kept, which restores 8-bit values that were shifted or multiplied by 257.
      Stated colour and CMYK are converted first. 32-bit and signed samples are refused: no header says which values are
      black and white.
    - Transparency: alpha, transparent palette entries, a colour key, and what the first frame of a GIF leaves uncovered
      are composited over `matte`, in encoded values as browsers do.

    Memory: one decoded image of at most 4 bytes a pixel, a second one while it is turned or its mode changes, and a
    third one for 16-bit CMYK. A process decodes one file at a time.

    Args:
        path: may hold anything.
        matte: red, green and blue behind transparent pixels, 0…255, sRGB.

    Raises:
        DecodeError: it is no regular file, can't be opened, or is empty, too large, damaged, or of an unsupported kind.
    """
    with _one_at_a_time, _silent_stderr(), lenient_pillow(), _faults_as_reasons():
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would block
            raise DecodeError("not a regular file")
        if path.suffix.lower() in RAW:
            raise DecodeError(tiff.RAW)
        with path.open("rb") as file:
            image = _in_srgb(_in_eight_bits(_decoded(file)), matte)
    image.info.clear()  # or saving it would write the old profile and orientation
    return image


def _decoded(file: BinaryIO) -> _Loaded:
    start = file.read(PNG_BIT_DEPTH + 1)
    if not start:
        raise DecodeError("empty file")
    signature = SIGNATURES.match(start)
    if not signature or not signature.lastgroup:
        raise DecodeError("not an image of a kind that is read (JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF)")
    kind = signature.lastgroup
    if kind not in ("TIFF", "BMP") and os.fstat(file.fileno()).st_size > MAX_BYTES:
        raise DecodeError(f"too large: more than {MAX_BYTES >> 30} GiB")
    image, raw = _whole_jpeg(start + file.read()) if kind == "JPEG" else _loaded(file, kind)
    profile, numbers = _stated_colour(image, kind, file)
    # Pillow keeps only the upper bytes of 16-bit colour, and would apply a profile to them.
    sixteen = ";16" in raw and raw[:4] in ("RGB;", "RGBX", "RGBA", "LA;1", "CMYK") and tiff.has_lower_bytes(image)
    if profile and raw == GRAY_WITH_ALPHA and not colour.is_gray(profile):
        profile = None  # it does not fit; Pillow gives such gray as RGBA
    if profile and (colour.is_gray(profile) or (sixteen and image.mode != "CMYK")):
        numbers = colour.from_profile(profile)
    needed = profile or numbers or image.mode == "CMYK" or "transparency" in image.info
    low = _loaded(file, kind, lower=True)[0] if sixteen and needed else None
    if kind == "PNG" and image.mode == "L" and "transparency" in image.info:  # Pillow scales the samples only
        image.info["transparency"] = image.info["transparency"] * 255 // (2 ** start[PNG_BIT_DEPTH] - 1)
    return _Loaded(image, raw, low, profile, numbers)


def _loaded(file: BinaryIO, kind: str, lower: bool = False) -> tuple[Image.Image, str]:
    """The upright image and its raw mode; with `lower`, the lower bytes of 16-bit samples instead of the upper."""
    page = tiff.page(file) if kind == "TIFF" else 0
    image = _opened(file, kind, page)
    if kind == "TIFF":
        tiff.refuse_unreadable(image)
        if tiff.needs_libtiff(image) and not lower:
            TiffImagePlugin.READ_LIBTIFF = True
            image = _opened(file, kind, page)
            TiffImagePlugin.READ_LIBTIFF = False
    with image:
        if kind == "GIF" and image.mode == "L":  # its first frame has gray levels of its own
            image.palette = None  # Pillow would show them by the palette of all frames
        size = f"too large: {image.width} × {image.height} pixels, the limit"
        if image.width * image.height > MAX_PIXELS:
            raise DecodeError(f"{size} is {MAX_PIXELS // 1_000_000} megapixels")
        if max(image.size) > MAX_SIDE:
            raise DecodeError(f"{size} of a side is {MAX_SIDE:,}")
        if not min(image.size):
            raise DecodeError("no pixels: its width or height is zero")
        arguments = image.tile[0].args if image.tile else ""
        frame = image.tile[0].extents if kind == "GIF" and image.tile else None
        raw = str(arguments if isinstance(arguments, str) or not arguments else arguments[0])
        if lower:
            suffix = tiff.suffix_of_planes(image)
            image.tile = [tile._replace(args=_of_lower_bytes(tile.args, suffix)) for tile in image.tile]
        image.load()
    if kind == "PNG":
        last = image.crop((0, image.height - 1, *image.size))
        if (image.info.get("interlace") or not any(last.tobytes())) and not png.is_whole(file):
            raise DecodeError("truncated")
    tiff.mend_palette(image)
    if frame and frame != (0, 0, *image.size):
        return _uncovered(image, frame), raw
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # Pillow raises anything for damaged EXIF, which is ignored
        pass
    return image, raw


def _opened(file: BinaryIO, kind: str, page: int) -> ImageFile.ImageFile:
    file.seek(0)
    try:
        image = Image.open(file, formats=[kind])
        if page:
            image.seek(page)
    except (Image.UnidentifiedImageError, SyntaxError) as error:
        raise DecodeError(f"damaged, or a kind of {kind} that is not read") from error
    return image


def _uncovered(image: Image.Image, frame: tuple[int, int, int, int]) -> Image.Image:
    """Transparent around the first frame of a GIF, where Pillow shows the first colour of its palette."""
    canvas = Image.new("RGBA", image.size)
    canvas.paste(image.convert("RGBA").crop(frame), frame[:2])
    return canvas


def _of_lower_bytes(arguments: Any, suffix: str) -> Any:
    """A tile's arguments with a raw mode for the lower bytes; for gray with alpha, which has none, for all four bytes.

    `suffix` is the byte order, which Pillow leaves out of the raw mode of a single band.
    """
    if not isinstance(arguments, str):
        raw, *rest = arguments
        return (_of_lower_bytes(raw + suffix, ""), *rest)
    if arguments == GRAY_WITH_ALPHA:
        return "RGBA"
    little_endian = arguments[-1] in "LN"  # N is native
    return arguments[:-1] + ("B" if little_endian else "L")


def _whole_jpeg(content: bytes) -> tuple[Image.Image, str]:
    """A JPEG, refused if it is truncated: Pillow would fill its last scan with gray and say nothing."""
    first, *others = jpeg.to_decode(content)
    image, raw = _loaded(io.BytesIO(first), "JPEG")
    for other in others:
        again, _ = _loaded(io.BytesIO(other), "JPEG")
        if any(image.crop(box).tobytes() != again.crop(box).tobytes() for box in _stripes(image)):
            raise DecodeError("truncated")
    return image, raw


def _stated_colour(image: Image.Image, kind: str, file: BinaryIO) -> tuple[bytes | None, Colour | None]:
    """The file's ICC profile, or its colour in numbers, in the order of PNG third edition, section 4.3."""
    profile = bmp.profile(file) if kind == "BMP" else image.info.get("icc_profile")
    if kind == "PNG":
        code_points = png.colour(file)
        if code_points is not None:
            return None, code_points if isinstance(code_points, Colour) else None
        if not profile and "srgb" not in image.info:
            places = image.info.get("chromaticity", ())
            white, *rest = zip(places[::2], places[1::2], strict=True) if places else (None,)
            return None, colour.from_gamma(image.info.get("gamma"), (*rest, white) if white else None)
    if kind == "AVIF" and not profile:
        return None, avif.colour(file)
    return profile, None


def _in_eight_bits(loaded: _Loaded) -> _Loaded:
    """Mode L, LA, RGB, RGBA or CMYK: 16-bit gray, palette and colour key are converted."""
    image = loaded.image
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        loaded.image = _gray_of_16_bits(image, key, loaded.colour)
        if loaded.colour:  # now applied
            loaded.colour = loaded.profile = None
    elif image.mode in ("I", "F"):
        raise DecodeError(tiff.SIGNED)
    elif image.mode in ("RGBa", "La"):
        loaded.image = image.convert(image.mode.upper())
    elif image.mode == "LAB":
        loaded.image, loaded.profile = _from_lab(image), None
    elif key is not None and loaded.low:
        image.putalpha(_differs(image, loaded.low, key))
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK") or key is not None:
        gray, alpha = image.mode in ("1", "L"), image.has_transparency_data
        loaded.image = image.convert(("LA" if alpha else "L") if gray else ("RGBA" if alpha else "RGB"))
    return loaded


def _from_lab(image: Image.Image) -> Image.Image:
    """CIELAB of white D50 as sRGB; Pillow's own conversion is up to 16 levels off."""
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    flags = ImageCms.Flags.NOOPTIMIZE
    transform = ImageCms.buildTransform(*profiles, "LAB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)
    return ImageCms.applyTransform(image, transform) or image


def _differs(image: Image.Image, low: Image.Image, key: Sequence[int]) -> Image.Image:
    """White where 16-bit colour, in upper and lower bytes, is not the key."""
    bands, parts = [*image.split(), *low.split()], [*(value >> 8 for value in key), *(value & 255 for value in key)]
    masks = [band.point([255] * part + [0] + [255] * (255 - part)) for band, part in zip(bands, parts, strict=True)]
    return functools.reduce(ImageChops.lighter, masks)


def _gray_of_16_bits(image: Image.Image, key: int | None, stated: Colour | None) -> Image.Image:
    """8-bit gray by the stated colour, else the upper 8 bits; Pillow's own conversion clips all above 255."""
    samples = np.asarray(image)
    tags = tiff.tags(image)
    bits = tags.get(tiff.Tag.BitsPerSample, (16,))[0]
    inverted = tags.get(tiff.Tag.PhotometricInterpretation) == tiff.WHITE_IS_ZERO
    light = 2**bits - 1 - samples if inverted else samples
    levels = stated.srgb(light, 2**bits - 1) if stated else (light >> (bits - 8)).astype(np.uint8)
    gray = Image.fromarray(levels)
    if key is not None:
        gray.putalpha(Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)))
    return gray


def _in_srgb(loaded: _Loaded, matte: Matte) -> Image.Image:
    """Mode L, LA, RGB, RGBA or CMYK → RGB: the stated colour is applied, then the matte."""
    image, profile = loaded.image, loaded.profile
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if image.mode == "LA" or (profile and colour.is_gray(profile) and _is_gray(image)):
        image = image.getchannel(0)
    low = loaded.low if image.mode != "L" else None  # gray by a table is rounded before
    transform = _transform(profile, "RGB" if low and alpha else image.mode)
    if loaded.colour and (image.mode == "L" or loaded.colour.matrix is not None):
        _apply(loaded.colour.srgb, image, loaded.low, loaded.raw, image)
    elif low and (transform or image.mode == "CMYK"):
        target = Image.new("RGB", image.size) if image.mode == "CMYK" else image
        _apply(functools.partial(_interpolated, transform), image, low, loaded.raw, target)
        image = target
    elif transform:
        in_place = image.mode in ("RGB", "RGBA")
        image = ImageCms.applyTransform(image, transform, inPlace=in_place) or image  # None if in place
    if alpha:
        background = Image.new("RGB", image.size, matte)
        background.paste(image, mask=alpha)
        return background
    return image if image.mode == "RGB" else image.convert("RGB")


def _is_gray(image: Image.Image) -> bool:
    """Are the channels of an RGB image equal? Some of Pillow's readers have no gray with alpha."""
    return image.mode in ("RGB", "RGBA") and all(
        ImageChops.difference(image.getchannel(0), image.getchannel(band)).getbbox() is None for band in (1, 2)
    )


def _apply(convert: Convert, image: Image.Image, low: Image.Image | None, raw: str, target: Image.Image) -> None:
    """Convert an image to sRGB in `target`, perhaps itself, stripe by stripe; its alpha becomes opaque."""
    bands = 4 if image.mode == "CMYK" else 3
    for box in _stripes(image):
        samples = np.asarray(image.crop(box))
        samples = samples[..., :bands] if samples.ndim == 3 else samples
        if low:
            lower = np.asarray(low.crop(box))
            if raw == GRAY_WITH_ALPHA:
                samples, lower = lower[..., 0], lower[..., 1]
            lower = lower if lower.ndim == 2 else lower[..., :bands] if samples.ndim == 3 else lower[..., 0]
            samples = samples.astype(np.uint16) << 8 | lower
        target.paste(Image.fromarray(convert(samples, 65535 if low else 255)), box)


def _interpolated(transform: ImageCms.ImageCmsTransform | None, samples: np.ndarray, full: int) -> np.ndarray:
    """16-bit RGB or CMYK as sRGB levels, by a transform of 8 bits: tetrahedral interpolation between its results.

    Without `transform`, the samples are CMYK without a profile.
    """
    below = samples // 257
    share = samples / np.float32(257) - below  # of the next of 256 levels
    weights = -np.diff(np.sort(share)[..., ::-1], prepend=1, append=0)
    rank = (-share).argsort().argsort()
    levels = np.zeros((*samples.shape[:2], 3), np.float32)
    for step in range(samples.shape[-1] + 1):  # one channel after the other goes to its next level
        corner = np.minimum(below + (rank < step), 255).astype(np.uint8)
        image = Image.fromarray(corner, "RGB" if corner.shape[-1] == 3 else "CMYK")
        image = (ImageCms.applyTransform(image, transform) or image) if transform else image.convert("RGB")
        levels += weights[..., step, None] * np.asarray(image)
    return np.rint(levels).astype(np.uint8)


def _stripes(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes of about `BAND` pixels, from top to bottom."""
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an ICC profile to sRGB; None without a profile, or if it is broken or for another mode."""
    if not profile:
        return None
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGBA" if mode == "RGBA" else "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if colour.has_tables(profile) else 0),
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


@contextmanager
def lenient_pillow() -> Iterator[None]:
    """Pillow without warnings and without its limits: of pixels, which `_loaded` checks, and of a PNG's texts."""
    settings = {
        (Image, "MAX_IMAGE_PIXELS"): None,
        (PngImagePlugin, "MAX_TEXT_CHUNK"): png.MAX_TEXT,
        (PngImagePlugin, "MAX_TEXT_MEMORY"): 4 * png.MAX_TEXT,
        (TiffImagePlugin, "READ_LIBTIFF"): False,  # `_loaded` sets it for files that need it
    }
    before = {place: getattr(*place) for place in settings}
    try:
        for place, value in settings.items():
            setattr(*place, value)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for place, value in before.items():
            setattr(*place, value)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Silence libtiff, which prints about damaged files to the file descriptor without naming them."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _faults_as_reasons() -> Iterator[None]:
    try:
        yield
    except DecodeError:
        raise
    except Exception as error:  # Pillow raises anything for a damaged file
        reasons = [reason for kind, reason in REASONS.items() if isinstance(error, kind)]
        if isinstance(error, OSError) and error.strerror:  # of the system, such as a loop of links or a broken disk
            reasons.append(f"can't be read: {error.strerror}")
        words = str(error).lower()
        reasons += [reason for word, reason in PILLOW_SAYS.items() if word in words]
        raise DecodeError([*reasons, "damaged"][0]) from error
