"""Code points of an AVIF's colour, which Pillow does not apply; ISO/IEC 14496-12 and 23008-12."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from grayscale.reading.colour import Colour, from_code_points


def colour(file: BinaryIO) -> Colour | None:
    """The colour that the primary item's box `colr` of type nclx states; None if it is sRGB or not stated.

    Raises:
        DecodeError: it is not supported; names it.
    """
    try:
        file.seek(0)
        meta = next(content for name, content in _boxes(file.read()) if name == b"meta")
        points = _code_points(meta[4:])  # without its version and flags
    except (struct.error, IndexError, KeyError, StopIteration):  # Pillow has read it; a damaged box is ignored
        return None
    return from_code_points(*points) if points else None


def _code_points(meta: bytes) -> tuple[int, int] | None:
    """Primaries and transfer of the primary item."""
    boxes = dict(_boxes(meta))
    (primary,) = struct.unpack_from(">I" if boxes[b"pitm"][0] else ">H", boxes[b"pitm"], 4)
    properties = dict(_boxes(boxes[b"iprp"]))
    listed = list(_boxes(properties[b"ipco"]))
    for number in _properties(properties[b"ipma"], primary):
        name, content = listed[number - 1]
        if name == b"colr" and content[:4] == b"nclx":
            return struct.unpack_from(">HH", content, 4)
    return None


def _properties(ipma: bytes, item: int) -> Iterator[int]:
    """The numbers, from 1, of an item's properties."""
    item_format, number_format = "I" if ipma[0] else "H", "H" if ipma[3] & 1 else "B"
    (entries,) = struct.unpack_from(">I", ipma, 4)
    place = 8
    for _ in range(entries):
        found, count = struct.unpack_from(f">{item_format}B", ipma, place)
        place += struct.calcsize(f">{item_format}B")
        numbers = struct.unpack_from(f">{count}{number_format}", ipma, place)
        place += struct.calcsize(f">{count}{number_format}")
        if found == item:
            yield from (number & (0x7FFF if number_format == "H" else 0x7F) for number in numbers)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box."""
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        if size < 8:
            return
        yield name, content[place + 8 : place + size]
        place += size
