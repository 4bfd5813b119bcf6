"""Is a JPEG whole? Pillow's decoder fills a truncated scan with gray, and says nothing if an end marker follows."""

import re
from itertools import product

from grayscale.reading import DecodeError

MAX_SCANS = 100  # of a progressive file; ten are usual, and each takes time in proportion to the pixels
SEQUENTIAL, PROGRESSIVE = (0xC0, 0xC1), 0xC2
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
END, SCAN, ALONE = 0xD9, 0xDA, {0x01, *range(0xD0, 0xD8)}
MARKER = re.compile(rb"\xff+([^\xff])")
BEHIND_A_SCAN = re.compile(rb"\xff+[^\0\xff\xd0-\xd7]")
# In place of the end marker behind a single scan: the decoder takes the file for whole only if the scan is. It looks 64
# bits ahead; these are no code, or a handful of codes at most.
ONES = b"\xff\0" * 8
# Before the end marker behind several scans: it changes pixels only if the last scan is truncated, because the decoder
# skips it after a whole scan and decodes it as a part of a truncated one.
NOISE = bytes(range(1, 255))


def to_decode(content: bytes) -> tuple[bytes, ...]:
    """What Pillow should decode in place of a JPEG, so that it notices if the JPEG is truncated.

    This is one file, or two that are decoded alike only if the JPEG is whole.

    Raises:
        DecodeError: scans are missing, there are more than `MAX_SCANS`, or truncation could not be noticed.
    """
    frame, scans, place = 0, 0, 2
    missing: set[tuple[int, int]] = set()  # component and coefficient
    while standing := MARKER.match(content, place):
        marker, place = standing[1][0], standing.end()
        if marker == END:
            break
        if marker in ALONE:
            continue
        size = int.from_bytes(content[place : place + 2])
        segment = content[place + 2 : place + size]
        place += size
        if marker in FRAMES and len(segment) > 5:
            if marker not in (*SEQUENTIAL, PROGRESSIVE):  # arithmetic coding leaves out zeros at its end
                raise DecodeError("a JPEG that is lossless or arithmetically coded: save it in another way")
            if frame:
                raise DecodeError("damaged: a JPEG of two frames")
            frame = marker
            missing = {*product(segment[6::3][: segment[5]], range(64))}
        elif marker == SCAN and len(segment) > 3:
            scans += 1
            if scans > MAX_SCANS:
                raise DecodeError(f"a JPEG of more than {MAX_SCANS} scans, which would take long")
            first, last, bits = segment[-3:]
            if bits & 15 == 0:  # else later scans bring the low bits
                missing -= {*product({*segment[1:-3:2]}, range(first, last + 1))}
            behind = BEHIND_A_SCAN.search(content, place)
            place = behind.end() - 2 if behind else len(content)
    else:
        return (content,)  # no end marker: Pillow notices that
    end = place - 2
    if frame in SEQUENTIAL and scans == 1:
        return (content[:end] + ONES,)
    if missing:
        raise DecodeError("truncated")
    return content, content[:end] + NOISE + content[end:]
