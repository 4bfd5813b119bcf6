"""What a source returns: a plan of items to read. Each item gives a photograph, or a reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Photograph:
    """A photograph and what its manifest row says of it."""

    name: str  # unique in its set; for a file, its path below the folder, with `/`
    pixels: np.ndarray  # (height, width, 3) uint8, sRGB, upright
    source: str  # its package, folder, archive or repository, without paths of this machine
    licence: str
    domain: str  # everyday, histology, …; scores are also given by domain
    split: str | None = None  # if the source decides
    scene: str | None = None  # photographs of one scene share a split; None: only copies form a scene


@dataclass(frozen=True)
class Skipped:
    """A file that gives no photograph."""

    name: str
    reason: str  # the same on every machine
    fault: bool = True  # False for files that are no images, such as text; they are only counted


@dataclass(frozen=True)
class Plan:
    """What a source has to read, picklable; making a plan decodes no photograph."""

    read: Callable[[Any], Photograph | Skipped]  # reads an item
    items: Sequence[Any]
    sizes: Sequence[int]  # bytes of each item's file; 0 for small items, which are only counted
    skipped: Sequence[Skipped] = ()  # files that are not read
