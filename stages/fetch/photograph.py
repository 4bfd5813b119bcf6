"""What every source returns: a plan of the items to read. Each item gives a photograph, or a reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Photograph:
    """A photograph as it goes into the container."""

    name: str  # unique in its set; for a file, its path below the folder, with `/`
    pixels: np.ndarray  # (height, width, 3) uint8, sRGB, upright
    source: str  # the package, folder, archive or repository that it came from, without anything of this machine
    licence: str
    domain: str  # everyday, histology, …; scores are also given by domain
    split: str | None = None  # where the source itself says so
    scene: str | None = None  # photographs of one scene must share a split; None where only equal pixels tell


@dataclass(frozen=True)
class Skipped:
    """A file that gives no photograph."""

    name: str
    reason: str  # the same on every machine
    fault: bool = True  # it should be a photograph; others, such as text files, are only counted


@dataclass(frozen=True)
class Plan:
    """What a source has to read, picklable for other processes. No photograph is decoded to make one."""

    read: Callable[[Any], Photograph | Skipped]  # gives what an item holds
    items: Sequence[Any]
    sizes: Sequence[int]  # bytes of the file of each item; 0 where all are small, so that their number decides
    skipped: Sequence[Skipped] = ()  # as their names tell
