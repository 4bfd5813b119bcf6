"""The directories of TIFF files and of EXIF, entry by entry, with values as the bytes that they are."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
SHORT, LONG = 3, 4
WHOLE_NUMBERS = {1: "B", SHORT: "H", LONG: "I", 13: "I", 16: "Q", 18: "Q"}
MAX_ENTRIES = 4096
MAX_VALUE = 16 << 20  # bytes
MAX_PAGES = 1024


class Entry(NamedTuple):
    """A value: its type in TIFF's numbers, how many of it, and all of its bytes, in the file's byte order."""

    kind: int
    amount: int
    content: bytes


Directory = dict[int, Entry]


class Directories:
    """Those of a TIFF file, or of an EXIF block; `ValueError`, at reading too, if it is none or damaged."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        head = self._bytes(0, 16, short=True)
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or len(head) < 8:
            raise ValueError("no TIFF")
        big = 43 in head[2:4]
        formats = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
        self.count, self.entry, self.link = (struct.Struct(self.order + form) for form in formats)
        (self.first,) = self.link.unpack(head[8:16] if big else head[4:8])

    def read(self, place: int, only: frozenset[int] | None = None) -> tuple[Directory, int]:
        """The directory there, or `only` these tags of it, and the place of the next one, 0 if there is none."""
        (count,) = self.count.unpack(self._bytes(place, self.count.size))
        if count > MAX_ENTRIES:
            raise ValueError("too many entries")
        place += self.count.size
        end = place + count * self.entry.size
        found: Directory = {}
        for tag, kind, number, value in self.entry.iter_unpack(self._bytes(place, end - place)):
            wanted = kind in SIZES and (only is None or tag in only)
            if wanted and (length := SIZES[kind] * number) <= MAX_VALUE:
                content = value[:length] if length <= len(value) else self._bytes(self.link.unpack(value)[0], length)
                found[tag] = Entry(kind, number, content)
        behind = self._bytes(end, self.link.size, short=True)
        return found, self.link.unpack(behind)[0] if len(behind) == self.link.size else 0

    def pages(self, only: frozenset[int]) -> Iterator[Directory]:
        """The directories of a file's pages, each once."""
        place, seen = self.first, set[int]()
        while place and place not in seen and len(seen) < MAX_PAGES:
            seen.add(place)
            page, place = self.read(place, only)
            yield page

    def numbers(self, entry: Entry | None) -> tuple[int, ...]:
        """The whole numbers of an entry; none of what holds others."""
        if entry is None or entry.kind not in WHOLE_NUMBERS:
            return ()
        return struct.unpack(f"{self.order}{entry.amount}{WHOLE_NUMBERS[entry.kind]}", entry.content)

    def _bytes(self, place: int, size: int, short: bool = False) -> bytes:
        self.file.seek(place)
        content = self.file.read(size)
        if len(content) < size and not short:
            raise ValueError("cut")
        return content
