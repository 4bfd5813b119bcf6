"""Adds noise to colour patches."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from stages.common.settings import Noise


def conditions(settings: Noise) -> Iterator[tuple[str, int]]:
    """Kind and level of each noise in the settings."""
    return ((kind, level) for kind, levels in settings.model_dump().items() for level in levels)


def noisy(colour: np.ndarray, kind: str, level: int, seed: Sequence[int]) -> np.ndarray:
    """Colour `(n, side, side, 3)` in [0, 1] with noise, clipped and rounded to 8 bits.

    Args:
        colour: clean images.
        kind: gaussian, independent in each value; correlated, one Gaussian field in red, green and blue; poisson,
            photon noise; jpeg, each patch compressed separately, chroma at half the resolution.
        level: standard deviation of Gaussian noise in gray levels of 255; photons at white; JPEG quality.
        seed: of the noise, with the number of the chunk. Gaussian levels share the same samples.
    """
    if kind == "jpeg":
        return np.stack([_jpeg(patch, level) for patch in np.rint(255 * colour).astype(np.uint8)]) / 255
    generator = np.random.default_rng(seed)
    if kind == "poisson":
        found = generator.poisson(level * colour) / level
    else:
        shape = colour.shape if kind == "gaussian" else (*colour.shape[:-1], 1)
        found = colour + level / 255 * generator.standard_normal(shape)
    return np.rint(255 * np.clip(found, 0, 1)) / 255


def _jpeg(patch: np.ndarray, quality: int) -> np.ndarray:
    with io.BytesIO() as file:
        Image.fromarray(patch).save(file, "JPEG", quality=quality, subsampling="4:2:0")
        return np.asarray(Image.open(file))
