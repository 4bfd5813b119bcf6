"""What every source returns: a plan of the items to read. Each item gives a photograph, or a reason why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Photograph:
    """A photograph as it goes into the container.

    Attributes:
        name: unique in its set; for a file, its path below the folder, with `/`.
        pixels: `(height, width, 3)` uint8, sRGB, upright.
        source: the package, folder, archive or repository that it came from, without anything of this machine.
        licence: as far as the source says.
        domain: everyday, histology, …; scores are also given by domain.
        split: train, validation or test, where the source itself says so.
        scene: photographs of one scene must share a split; None where only equal pixels tell.
    """

    name: str
    pixels: np.ndarray
    source: str
    licence: str
    domain: str
    split: str | None = None
    scene: str | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that gives no photograph.

    Attributes:
        name: as in `Photograph`.
        reason: in a few words, the same on every machine.
        fault: true for a file that should be a photograph; others, such as text files, are only counted.
    """

    name: str
    reason: str
    fault: bool = True


@dataclass(frozen=True)
class Plan:
    """What a source has to read. No photograph is decoded to make one.

    Attributes:
        read: gives what an item holds; picklable, so that another process can call it.
        items: in order, picklable.
        sizes: bytes of the file of each item; 0 where all are small, so that their number decides.
        skipped: files that give no photograph, as their names tell.
    """

    read: Callable[[Any], Photograph | Skipped]
    items: Sequence[Any]
    sizes: Sequence[int]
    skipped: Sequence[Skipped] = ()
