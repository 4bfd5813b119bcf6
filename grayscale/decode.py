"""One image file of any kind → upright 8-bit sRGB.

The format is told by content, never by the file's extension. Vector and page formats (SVG, EPS, PDF, WMF) are never
opened: Pillow gets an explicit list.
"""

from __future__ import annotations

import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

PNG_BIT_DEPTH = 24  # where in the file the byte stands; PNG third edition, section 11.2.1
FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF", "AVIF")  # names of Pillow's readers
SIGNATURES = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG)|(?P<TIFF>II[*+]\0|MM\0[*+])|(?P<WebP>RIFF.{4}WEBP)|(?P<BMP>BM)"
    rb"|(?P<GIF>GIF8[79]a)|(?P<AVIF>.{4}ftyp(?:avif|avis|mif1|msf1))",
    re.DOTALL,
)
IMAGES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".avif",
    ".heic", ".heif", ".jp2", ".jxl",  # not read, but reported
)  # fmt: skip
MAX_PIXELS = 200_000_000  # as many as the largest telephone cameras give; Pillow holds 4 bytes of each
BAND = 1 << 20  # pixels that are copied to NumPy at a time
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # TIFF 6.0, section 8
Matte = tuple[int, int, int]

_one_at_a_time = threading.RLock()  # Pillow's limit, warning filters and standard error are the whole process's


class DecodeError(Exception):
    """A file gives no photograph. The message is a short reason without any path: it becomes part of an output."""


def read(path: Path, matte: Matte) -> np.ndarray:
    """The image file `path` as `(height, width, 3)` uint8; see `open_upright` for the rules and errors.

    Beside Pillow's image it holds the array, 3 bytes a pixel, and no further copy.
    """
    image = open_upright(path, matte)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):  # np.asarray would hold the pixels three times
        bottom = min(top + rows, image.height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return pixels


def open_upright(path: Path, matte: Matte) -> Image.Image:
    """A whole image file as Pillow's mode RGB: sRGB, upright, opaque, with no metadata left.

    - Format: JPEG, PNG, TIFF, WebP, BMP, GIF, and AVIF where Pillow has it, by content. Of several frames or pages, the
      first. Pillow reads neither HEIC nor JPEG XL, and no camera's raw files.
    - Size: at most `MAX_PIXELS`, by the header, before any pixel is decoded.
    - Orientation: as EXIF (or XMP) says. Unreadable EXIF counts as upright.
    - Colour: an embedded ICC profile (RGB, CMYK or gray) is converted to sRGB, relative colorimetric with black point
      compensation: it keeps every colour that sRGB has, and means the same with every profile, where perceptual is left
      to each profile's maker. A profile that is broken, or meant for another kind of samples, is as good as none.
      Without a profile the values are taken as sRGB; CMYK becomes (1 − C)(1 − K) and so on.
    - Depth: of 16 bits the upper 8 are kept, in gray here and in colour by Pillow. That gives back exactly what was 8
      bits before, whether it was shifted or multiplied by 257. Of 12-bit TIFF, too, the upper 8. 32-bit and signed
      samples are refused: no header says which values are black and white.
    - Transparency: alpha, a transparent colour of the palette, or a colour key (its upper 8 bits in 16-bit RGB) is laid
      over `matte`, in encoded values as browsers do.
    - Gray, bilevel and palette images become RGB; gray stays exactly gray.

    Copies: Pillow's decoded image (4 bytes a pixel in colour, 1 in gray or palette); a turned one beside it for a
    moment; one of 4 bytes a pixel beside it where the mode changes (CMYK, palette, gray, transparency). A plain upright
    RGB file, with or without a profile, is never copied. The process decodes one file at a time.

    Args:
        path: may hold anything.
        matte: red, green and blue behind transparent pixels, 0…255, sRGB.

    Raises:
        DecodeError: the file is none, can't be opened, is empty, too large, damaged, or of a kind that is not read.
    """
    with _one_at_a_time, _quiet(), pillow_limit(MAX_PIXELS), _faults_as_reasons():
        if not stat.S_ISREG(path.stat().st_mode):  # opening a FIFO would wait for its other end
            raise DecodeError("not a regular file")
        with path.open("rb") as file:
            image = _in_srgb(_in_eight_bits(_decoded(file)), matte)
    image.info.clear()  # whoever saves it must not write the old profile or orientation with it
    return image


def _decoded(file: BinaryIO) -> Image.Image:
    start = file.read(PNG_BIT_DEPTH + 1)
    file.seek(0)
    if not start:
        raise DecodeError("empty file")
    kind = SIGNATURES.match(start)
    if not kind:
        raise DecodeError("not an image of a kind that is read (JPEG, PNG, TIFF, WebP, BMP, GIF, AVIF)")
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.UnidentifiedImageError as error:
        raise DecodeError(f"damaged, or a kind of {kind.lastgroup} that is not read") from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_large(f"{image.width} × {image.height} pixels")
        if image.width * image.height == 0:
            raise DecodeError("no pixels: its width or height is zero")
        image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # the parser's faults are as many as there are ways to damage a file
        pass
    if kind.lastgroup == "PNG" and "transparency" in image.info:
        _scale_key(image, start[PNG_BIT_DEPTH])
    return image


def _scale_key(image: Image.Image, depth: int) -> None:
    """Bring the colour key of a PNG to the 8 bits to which Pillow brings its gray of 2 and 4 bits, and colour of 16."""
    key = image.info["transparency"]
    if image.mode == "L":
        image.info["transparency"] = key * 255 // (2**depth - 1)
    elif image.mode == "RGB" and depth == 16:
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Without 16-bit samples, palette and colour key: mode L, LA, RGB, RGBA or CMYK, its profile still in `info`."""
    profile = image.info.get("icc_profile")
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        image = _upper_bits(image, key)
    elif image.mode in ("I", "F"):
        raise DecodeError("32-bit or signed samples: black and white are not told")
    elif image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    elif image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK") or key is not None:
        gray, alpha = image.mode in ("1", "L"), image.has_transparency_data
        image = image.convert(("LA" if alpha else "L") if gray else ("RGBA" if alpha else "RGB"))
    image.info = {"icc_profile": profile}
    return image


def _upper_bits(image: Image.Image, key: int | None) -> Image.Image:
    """The upper 8 bits of 16-bit gray, where Pillow's own conversion would make all above 255 white."""
    samples = np.asarray(image)
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    levels = (samples >> (bits - 8)).astype(np.uint8)
    if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        np.subtract(255, levels, out=levels)
    gray = Image.fromarray(levels)
    if key is not None:
        gray.putalpha(Image.fromarray(np.where(samples == key, 0, 255).astype(np.uint8)))
    return gray


def _in_srgb(image: Image.Image, matte: Matte) -> Image.Image:
    """Mode L, LA, RGB, RGBA or CMYK → RGB: the profile applied, then the matte."""
    profile = image.info["icc_profile"]
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if image.mode == "LA":
        image = image.getchannel("L")
    if transform := _transform(profile, image.mode):
        in_place = image.mode in ("RGB", "RGBA")
        image = ImageCms.applyTransform(image, transform, inPlace=in_place) or image  # None of what is done in place
    if alpha:
        background = Image.new("RGB", image.size, matte)
        background.paste(image, mask=alpha)
        return background
    return image if image.mode == "RGB" else image.convert("RGB")


def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From an ICC profile to sRGB; None if there is none, or none that fits."""
    if not profile:
        return None
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGBA" if mode == "RGBA" else "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _too_large(size: str) -> DecodeError:
    return DecodeError(f"too large: {size}, the limit is {MAX_PIXELS // 1_000_000} megapixels")


@contextmanager
def pillow_limit(pixels: int | None) -> Iterator[None]:
    """Replace Pillow's own limit of pixels for the moment; it warns above the limit and raises above twice that."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither Pillow's warnings, nor what libtiff prints of a damaged file without its name: the reason tells."""
    kept = os.dup(2)  # libtiff writes to the file descriptor, past Python
    with warnings.catch_warnings(action="ignore"), Path(os.devnull).open("wb") as nowhere:
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
    except Image.DecompressionBombError as error:
        raise _too_large("more pixels than fit") from error
    except PermissionError as error:
        raise DecodeError("no permission to read it") from error
    except FileNotFoundError as error:
        raise DecodeError("not there: a symbolic link to nowhere, or removed meanwhile") from error
    except MemoryError as error:
        raise DecodeError("more memory needed than there is") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        reason = "truncated" if "truncated" in str(error).lower() else "damaged"
        raise DecodeError(reason) from error
