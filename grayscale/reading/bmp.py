"""The ICC profile of a BMP, which Pillow does not read; BITMAPV5HEADER of Windows."""

import struct
from typing import BinaryIO

HEADER, SIZE = 14, 124  # its place in the file, and its bytes
EMBEDDED = b"DEBM"  # the colour space "MBED", little-endian
MAX_PROFILE = 64 << 20  # bytes


def profile(file: BinaryIO) -> bytes | None:
    """The embedded profile; None if there is none."""
    file.seek(HEADER)
    header = file.read(SIZE)
    if header[:1] != bytes([SIZE]) or header[56:60] != EMBEDDED:
        return None
    place, size = struct.unpack_from("<II", header, 112)
    file.seek(HEADER + place)
    return file.read(min(size, MAX_PROFILE))
