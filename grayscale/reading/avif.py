"""The code points of an AVIF's colour, which its decoder leaves to the reader; ISO/IEC 14496-12 and 23008-12."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from grayscale.reading.colour import Colour, from_code_points

MAX_META = 1 << 20  # bytes of all that is said about the image


def colour(file: BinaryIO) -> Colour | None:
    """The colour of the primary item by its box `colr` of type nclx; None if it is sRGB, or not told there."""
    try:
        points = _nclx(_meta(file))
    except (struct.error, IndexError, KeyError):  # Pillow has read it; a box that is damaged tells nothing
        return None
    return from_code_points(*points) if points else None


def _meta(file: BinaryIO) -> bytes:
    """The content of the box `meta`, less its version and flags."""
    place = 0
    while True:
        file.seek(place)
        size, name = struct.unpack(">I4s", file.read(8))
        if name == b"meta":
            return file.read(min(size, MAX_META) - 8)[4:]
        if size < 8:  # of 64 bits, or up to the end: pixels, behind which no one puts it
            raise KeyError(name)
        place += size


def _nclx(meta: bytes) -> tuple[int, int] | None:
    boxes = dict(_boxes(meta))
    wide = boxes[b"pitm"][0] > 0
    (primary,) = struct.unpack_from(">I" if wide else ">H", boxes[b"pitm"], 4)
    properties = dict(_boxes(boxes[b"iprp"]))
    listed = list(_boxes(properties[b"ipco"]))
    for number in _associated(properties[b"ipma"], primary):
        name, content = listed[number - 1]
        if name == b"colr" and content[:4] == b"nclx":
            return struct.unpack_from(">HH", content, 4)
    return None


def _associated(ipma: bytes, item: int) -> Iterator[int]:
    """The numbers, from 1, of the properties of an item."""
    long_items, long_numbers = ipma[0] > 0, ipma[3] & 1
    (entries,) = struct.unpack_from(">I", ipma, 4)
    place = 8
    for _ in range(entries):
        (found,) = struct.unpack_from(">I" if long_items else ">H", ipma, place)
        place += 4 if long_items else 2
        count = ipma[place]
        place += 1
        numbers = struct.unpack_from(f">{count}{'H' if long_numbers else 'B'}", ipma, place)
        place += count * (2 if long_numbers else 1)
        if found == item:
            yield from (number & (0x7FFF if long_numbers else 0x7F) for number in numbers)


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box."""
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        if size < 8:
            return
        yield name, content[place + 8 : place + size]
        place += size
