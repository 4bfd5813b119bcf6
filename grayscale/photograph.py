"""Convert photographs to grayscale in memory, by a network or a closed form. No image file is read or written."""

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from grayscale import conversions, damage, models, tiles
from grayscale.conversions import BT601, CONVERSIONS
from grayscale.core.levels import levels, to_unit
from grayscale.models import ModelError
from grayscale.tiles import Read

TILES = 4  # converted at the same time, at most: memory grows with them

Named = TypeVar("Named", str, Path)
Converter = Callable[[Read, int, int], Iterator[tuple[int, np.ndarray]]]
"""`(read, height, width)` → stripes from top to bottom: number of the first row, and gray `(n, width)`, uint8 or
float32 in [0, 1]. `read` as in `tiles.blended`."""


def convert(
    photograph: ArrayLike,
    *,
    variant: str | None = None,
    method: str | None = None,
    model: Path | str | None = None,
    sigma: float | None = None,
) -> np.ndarray:
    """Convert a photograph by a variant, a closed form or a model file; by default, by the best variant for it.

    Args:
        photograph: `(height, width, 3)`, sRGB: uint8, or float in [0, 1]; for closed forms rounded to 8 bits. A Pillow
            image of mode RGB will do.
        variant: a trained one, packed with the library or found in the clone; see `models.find`.
        method: a closed form, one of `grayscale.conversions.CONVERSIONS`.
        model: a `.onnx` file that the training wrote.
        sigma: standard deviation of the noise in each channel, gray levels of 255, for networks that remove noise; by
            default it is estimated. Without `variant` and `model`, it selects the variant for noisy photographs.

    Returns:
        `(height, width)` gray, sRGB-encoded: uint8 for uint8, else the photograph's float type in [0, 1].

    Raises:
        ValueError: the photograph has another shape or type, or holds NaN or infinity; more than one of the three is
            given, the closed form is unknown, or `sigma` is out of range or given with a closed form.
        ModelError: the model is missing, damaged, or no network for photographs; or `sigma` is given and the network
            does not use it.
    """
    photograph = np.asarray(photograph)
    if photograph.ndim != 3 or photograph.shape[2] != 3 or photograph.size == 0:
        raise ValueError(f"a photograph is (height, width, 3), at least 1 × 1; this is {photograph.shape}")
    if photograph.dtype != np.uint8 and not np.issubdtype(photograph.dtype, np.floating):
        raise ValueError(f"a photograph is uint8, or float in [0, 1]; this is {photograph.dtype}")
    if not np.isfinite([photograph.min(), photograph.max()]).all():
        raise ValueError("a photograph has no NaN and no infinity; give such pixels a colour first")
    if sum(choice is not None for choice in (variant, method, model)) > 1:
        raise ValueError("variant, method and model exclude each other")
    if method is not None and method not in CONVERSIONS:
        raise ValueError(f"there is no closed form {method!r}; there are {', '.join(sorted(CONVERSIONS))}")
    if method and sigma is not None:
        raise ValueError("sigma is for a network: closed forms remove no noise")
    height, width = photograph.shape[:2]

    def read(top: int, bottom: int) -> np.ndarray:
        return photograph[top:bottom]

    if method:
        converter = closed_form(method)
    else:
        if sigma is not None and not model:
            variant = variant or models.NOISY
        path = Path(model or models.find(variant or automatic(*models.best(), read, height, width)))
        version = (path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None
        converter = _loaded(path.absolute(), version, sigma)
    gray = np.concatenate([rows for _, rows in converter(read, height, width)])
    if photograph.dtype == np.uint8:
        return levels(gray, bits=8)
    return (gray / np.float32(255) if gray.dtype == np.uint8 else gray).astype(photograph.dtype)


def automatic(clean: Named, noisy: Named | None, read: Read, height: int, width: int) -> Named:
    """The network for a photograph: `noisy`, if there is one and the photograph is damaged, else `clean`."""
    return noisy if noisy and damage.estimate_read(read, height, width)[0] >= damage.DAMAGED else clean


def closed_form(method: str) -> Converter:
    """By a closed form, as the targets are made."""
    return lambda read, height, width: conversions.stripes(
        method, lambda top, bottom: levels(read(top, bottom), bits=8), height, width
    )


def network(path: Path, threads: int | None = None, sigma: float | None = None) -> Converter:
    """By a model file; `threads` is by default the number of cores.

    It runs on large tiles if it is fully convolutional, else on blended patches. It computes in float32, scores are in
    float64: about 20 of a million pixels differ, by one 8-bit level. A network with gray input gets luma, one that
    removes noise gets the levels of damage, by `sigma` or estimated; colour output is reduced to luma.

    Raises:
        ModelError: see `grayscale.network.load`, and `Network` when a photograph is converted; or `sigma` is given and
            the network does not use it.
    """
    from grayscale import network  # a closed form needs no ONNX Runtime

    threads = threads or cores()
    side_by_side = min(threads, TILES)
    used = network.load(path, threads // side_by_side)
    known = damage.of_noise(sigma) if sigma is not None else None
    if known is not None and used.channels <= 3:
        raise ModelError(f"{path}: this network is not told how strong noise is; leave out sigma")

    def gray(pixels: np.ndarray, levels: np.ndarray | None) -> np.ndarray:
        colour = to_unit(pixels, "float32") if pixels.dtype == np.uint8 else pixels.astype(np.float32)
        if levels is not None:
            colour = damage.beside(colour, levels)
        output = used(colour if used.channels > 1 else _luma(colour)[..., None])
        return output[..., 0] if output.shape[-1] == 1 else _luma(output)

    def rows(read: Read, height: int, width: int) -> Iterator[tuple[int, np.ndarray]]:
        levels = damage.estimate_read(read, height, width) if used.channels > 3 and known is None else known
        convert = functools.partial(gray, levels=levels)
        return tiles.rows(convert, read, height, width, used.patch, used.reach, threads=side_by_side)

    return rows


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.lru_cache(maxsize=4)
def _loaded(path: Path, version: tuple[int, int] | None, sigma: float | None) -> Converter:
    """`network`, loaded again if the file changes."""
    return network(path, sigma=sigma)


def _luma(colour: np.ndarray) -> Any:
    return colour @ np.asarray(BT601, colour.dtype)
