"""Random damage of training images: Gaussian noise, photon noise, JPEG compression, and mixtures."""

import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

KINDS = {"none": 0.05, "noise": 0.5, "photons": 0.12, "jpeg": 0.18, "noise_jpeg": 0.15}  # probabilities
QUALITIES = (10, 95)  # of JPEG, uniform
UNIT = 16  # pixels on a side of a JPEG block at half the chroma resolution


class Damage(NamedTuple):
    """Damage of one photograph; 0 means none."""

    sigma: float = 0.0  # standard deviation of Gaussian noise in each channel, gray levels of 255
    shared: float = 0.0  # share of its variance that is common to all channels, 0…1
    photons: float = 0.0  # at white
    quality: int = 0  # of JPEG, 1…95
    whole_chroma: bool = False  # 4:4:4 instead of 4:2:0
    row: int = 0  # position of the image in a JPEG block, 0…15
    column: int = 0


def draw(rng: np.random.Generator, strongest: float) -> Damage:
    """Random damage with noise of at most `strongest` gray levels; weak noise is more frequent than strong."""
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    level, shared, common = rng.random(), rng.random(), rng.random() < 0.4
    quality, (row, column) = rng.integers(QUALITIES[0], QUALITIES[1] + 1), rng.integers(0, UNIT, 2)
    whole_chroma = rng.random() < 0.3
    level *= math.sqrt(level) * strongest
    if kind == "none":
        return Damage()
    if kind == "photons":  # the number that gives white a deviation of `level`
        return Damage(photons=(255 / max(level, 0.5)) ** 2)
    noise = Damage(level if kind == "noise" else level / 2 if kind == "noise_jpeg" else 0.0, shared if common else 0.0)
    if kind == "noise":
        return noise
    return noise._replace(quality=int(quality), whole_chroma=bool(whole_chroma), row=int(row), column=int(column))


def damaged(pieces: np.ndarray, damage: Damage, rng: np.random.Generator) -> np.ndarray:
    """Apply the same damage to pieces of a photograph, `(n, height, width, 3)` uint8."""
    found = pieces
    if damage.photons:
        found = _rounded(rng.poisson(found * (damage.photons / 255)) * (255 / damage.photons))
    if damage.sigma:
        noise = rng.standard_normal(found.shape, np.float32) * np.float32(math.sqrt(1 - damage.shared))
        if damage.shared:
            same = rng.standard_normal((*found.shape[:3], 1), np.float32)
            noise += same * np.float32(math.sqrt(damage.shared))
        found = _rounded(found + noise * np.float32(damage.sigma))
    return _compressed(found, damage) if damage.quality else found


def _rounded(levels: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def _compressed(pieces: np.ndarray, damage: Damage) -> np.ndarray:
    """Compress pieces as one tall image; each is padded by reflection to whole blocks."""
    height, width = pieces.shape[1:3]
    rows, columns = ((start, -(start + side) % UNIT) for start, side in ((damage.row, height), (damage.column, width)))
    padded = np.pad(pieces, ((0, 0), rows, columns, (0, 0)), mode="symmetric")
    with io.BytesIO() as file:
        tall = Image.fromarray(padded.reshape(-1, *padded.shape[2:]))
        tall.save(file, "JPEG", quality=damage.quality, subsampling="4:4:4" if damage.whole_chroma else "4:2:0")
        decoded = np.asarray(Image.open(file)).reshape(padded.shape)
    return decoded[:, damage.row : damage.row + height, damage.column : damage.column + width]
