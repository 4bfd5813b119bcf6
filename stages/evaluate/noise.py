"""Noise in the colour of patches, whose outputs are compared with clean targets; and how smooth outputs are."""

import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from stages.common.settings import Noise
from stages.evaluate import measures
from stages.evaluate.scores import ROUNDING


def conditions(settings: Noise) -> Iterator[tuple[str, int]]:
    """Kind and level of each noise, in the order of the settings."""
    return ((kind, level) for kind, levels in settings.model_dump().items() for level in levels)


def noisy(colour: np.ndarray, kind: str, level: int, seed: Sequence[int]) -> np.ndarray:
    """Colour `(n, side, side, 3)` in [0, 1] with noise, clipped and rounded to 8 bits as a noisy photograph is.

    Args:
        colour: the clean images.
        kind: gaussian, independent in each value; correlated, the same Gaussian field in red, green and blue; poisson,
            of counted photons; jpeg, each patch compressed by itself, chroma at half the resolution.
        level: standard deviation of Gaussian noise in gray levels of 255; photons at full scale; JPEG quality.
        seed: of the noise, and the number of these images' chunk, so that no two chunks share noise. Gaussian levels
            differ by a factor only.
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


def variation(planes: np.ndarray) -> float:
    """The total variation of `(channels, n, side, side)`, averaged over channels and summed over patches."""
    return float(np.mean([measures.total_variation(plane).sum() for plane in planes]))


def smoothness(outputs: float, targets: float) -> float:
    """Total variation of the outputs relative to the targets', means over patches: below 1 smoother, above 1 rougher.

    Variation that is only rounding counts as none in the outputs, and as that much in the targets.
    """
    return 0.0 if outputs < ROUNDING else outputs / max(targets, ROUNDING)
