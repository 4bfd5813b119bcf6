"""What Pillow does not see in a PNG: cICP, missing rows, and EXIF that stands behind the pixels or in a text."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from grayscale.reading import DecodeError
from grayscale.reading.colour import Colour, from_code_points

MAX_TEXT = 64 << 20  # bytes of a text or profile, unpacked
SRGB = "sRGB"
SIGNATURE, HEADER = 8, 16  # bytes before the first chunk, and before the header's content
BLOCK = 1 << 20  # bytes unpacked at a time
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
ADAM7 = (  # first column and row of each pass, and the steps; PNG third edition, section 8.1
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")  # in which ImageMagick keeps EXIF


def colour(file: BinaryIO) -> Colour | str | None:
    """The colour that cICP states, `SRGB` if it is that, None without the chunk.

    Raises:
        DecodeError: it is not supported; names it.
    """
    for name, size in _chunks(file):
        if name == b"IDAT":
            break
        if name == b"cICP" and size == 4:
            primaries, transfer, matrix, full = file.read(4)
            if matrix != 0 or full != 1:
                raise DecodeError("its colour (cICP) is not RGB of full range, which is not supported")
            return from_code_points(primaries, transfer) or SRGB
    return None


def is_whole(file: BinaryIO) -> bool:
    """Does IDAT hold all rows? Pillow leaves missing ones zero, if the compressed stream ends as it should."""
    file.seek(HEADER)
    width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", file.read(13))
    missing = 0
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // across), -((top - height) // down)
        missing += rows * (1 + -(-columns * depth * CHANNELS[kind] // 8)) if columns > 0 else 0
    stream = zlib.decompressobj()
    for name, size in _chunks(file):
        content = file.read(size) if name == b"IDAT" else b""
        while content and missing > 0:
            missing -= len(stream.decompress(content, BLOCK))
            content = stream.unconsumed_tail
    return missing <= 0


def exif(file: BinaryIO) -> bytes:
    """The EXIF block, before or behind the pixels; empty if there is none."""
    for name, size in _chunks(file):
        if name == b"eXIf" and size <= MAX_TEXT:
            return file.read(size)
        if name in (b"tEXt", b"zTXt") and size <= MAX_TEXT:
            content = file.read(size)
            if content.startswith(RAW_EXIF):
                return _raw_profile(content, name == b"zTXt")
    return b""


def _raw_profile(content: bytes, compressed: bool) -> bytes:
    """The bytes of a "Raw profile" text: lines with its name and length, then hexadecimal digits."""
    text = content[content.index(b"\0") + 1 :]
    try:
        text = zlib.decompressobj().decompress(text[1:], MAX_TEXT) if compressed else text
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except (zlib.error, ValueError):
        return b""


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, with `file` at its content."""
    place = SIGNATURE
    while True:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size, name = struct.unpack(">I4s", head)
        yield name, size
        place += 12 + size
