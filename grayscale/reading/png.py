"""What a PNG says beside its pixels: Pillow knows no cICP, and EXIF behind the pixels only when it decodes."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from grayscale.reading import DecodeError
from grayscale.reading.colour import Colour, from_code_points

MAX_TEXT = 64 << 20  # bytes of a text or profile, unpacked
SRGB = "sRGB"
SIGNATURE = 8  # bytes
RAW_EXIF = (b"Raw profile type exif\0", b"Raw profile type APP1\0")  # in which ImageMagick keeps EXIF


def colour(file: BinaryIO) -> Colour | str | None:
    """What the chunk cICP says; `SRGB` for that; None if there is none. `DecodeError` names what is not supported."""
    for name, size in _chunks(file):
        if name == b"IDAT":
            break
        if name == b"cICP" and size == 4:
            primaries, transfer, matrix, full = file.read(4)
            if matrix != 0 or full != 1:
                raise DecodeError("its colour (cICP) is not RGB of full range, which is not supported")
            return from_code_points(primaries, transfer) or SRGB
    return None


def exif(file: BinaryIO) -> bytes:
    """The EXIF block, wherever it stands; empty if there is none."""
    for name, size in _chunks(file):
        if name == b"eXIf" and size <= MAX_TEXT:
            return file.read(size)
        if name in (b"tEXt", b"zTXt") and size <= MAX_TEXT:
            content = file.read(size)
            if content.startswith(RAW_EXIF):
                return _unpacked(content, name == b"zTXt")
    return b""


def text(file: BinaryIO, keyword: bytes) -> str | None:
    """What a plain text before the pixels says; None if there is none of that keyword, or no PNG."""
    file.seek(0)
    if file.read(4) != b"\x89PNG":
        return None
    for name, size in _chunks(file):
        if name == b"IDAT":
            break
        if name == b"tEXt" and size <= MAX_TEXT and (content := file.read(size)).startswith(keyword + b"\0"):
            return content[len(keyword) + 1 :].decode("latin-1")
    return None


def _unpacked(content: bytes, packed: bool) -> bytes:
    """Of a "Raw profile": its name and length in lines, then hexadecimal digits."""
    text = content[content.index(b"\0") + 1 :]
    try:
        text = zlib.decompressobj().decompress(text[1:], MAX_TEXT) if packed else text
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
