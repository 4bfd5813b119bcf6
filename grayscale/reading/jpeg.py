"""Is a JPEG whole? Pillow's decoder fills a truncated scan with gray, and says nothing if an end marker follows."""

import re
from dataclasses import dataclass, field

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


@dataclass
class Layout:
    """What a JPEG holds up to its end marker."""

    frame: int = 0  # the marker of its kind
    components: bytes = b""  # their numbers
    # each scan's components, first and last coefficient, and number of low bits that later scans bring
    scans: list[tuple[bytes, int, int, int]] = field(default_factory=list)
    end: int | None = None  # the place of the end marker; None if the file is truncated or damaged

    @property
    def can_be_checked(self) -> bool:
        """False for arithmetic coding, which leaves out zeros at the end."""
        return self.frame in (*SEQUENTIAL, PROGRESSIVE)

    @property
    def is_one_scan(self) -> bool:
        return self.frame in SEQUENTIAL and len(self.scans) == 1

    def is_complete(self) -> bool:
        """Do the scans hold every bit of every coefficient of every component?"""
        missing = {(component, place) for component in self.components for place in range(64)}
        for components, first, last, bits in self.scans:
            if bits == 0:
                missing -= {(component, place) for component in components for place in range(first, last + 1)}
        return not missing


def layout(content: bytes) -> Layout:
    """Follow a JPEG from marker to marker; `DecodeError` if it has more than `MAX_SCANS` scans."""
    found, place = Layout(), 2
    while standing := MARKER.match(content, place):
        marker, place = standing[1][0], standing.end()
        if marker == END:
            found.end = place - 2
            break
        if marker in ALONE:
            continue
        size = int.from_bytes(content[place : place + 2])
        segment = content[place + 2 : place + size]
        place += size
        if marker in FRAMES and len(segment) > 5:
            found.frame, found.components = marker, segment[6::3][: segment[5]]
        elif marker == SCAN and len(segment) > 3:
            first, last, bits = segment[-3:]
            found.scans.append((segment[1:-3:2], first, last, bits & 15))
            if len(found.scans) > MAX_SCANS:
                raise DecodeError(f"a JPEG of more than {MAX_SCANS} scans, which would take long")
            behind = BEHIND_A_SCAN.search(content, place)
            place = behind.end() - 2 if behind else len(content)
    return found
