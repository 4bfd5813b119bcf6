"""What every source gives, one at a time: a photograph, or a file that is none and why."""

from __future__ import annotations

from dataclasses import dataclass

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
        fault: whether a photograph could be expected of it; if not, as of a text file, it is only counted.
    """

    name: str
    reason: str
    fault: bool = True
