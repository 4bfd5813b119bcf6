"""The picture of the worst, median and best patches, and PNG files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from grayscale.core.atomic import atomic
from grayscale.core.levels import levels

ZOOM = 4  # screen pixels per patch pixel
ERROR_GAIN = 4  # the error panel shows |error| times this
NOISE = 25  # gray levels
GAP = 8  # screen pixels between panels
CROP = 160  # pixels on a side, of the middle of a photograph
HEADER = 22  # screen pixels for a line of text
GROUPS = ("worst", "median", "best")
PANELS = ("colour", "target", "output", f"{ERROR_GAIN} |error|")


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write `(height, width, 1)` or `(height, width, 3)` uint8 as PNG without metadata."""
    with atomic(path) as temporary:
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(temporary, format="PNG")


def noise_shown(levels: Iterable[int]) -> int:
    """The level of Gaussian noise that pictures show: the nearest to `NOISE`, gray levels."""
    return min(levels, key=lambda level: abs(level - NOISE))


def middle(image: np.ndarray, height: int = CROP, width: int = CROP) -> np.ndarray:
    """The middle of an image, at most `(height, width, channels)`."""
    row, column = max(0, (image.shape[0] - height) // 2), max(0, (image.shape[1] - width) // 2)
    crop = image[row : row + height, column : column + width]
    return crop[..., None] if crop.ndim == 2 else crop


def ranks(scores: np.ndarray, count: int) -> np.ndarray:
    """Positions `(3, count)` of the lowest, most median and highest of `(n,)` scores; stable."""
    order = np.argsort(scores, kind="stable")
    count = min(count, len(order))
    middle = (len(order) - count) // 2
    return np.stack([order[:count], order[middle : middle + count], order[::-1][:count]])


def patch_sheet(colour: np.ndarray, target: np.ndarray, output: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows of colour | target | output | error, with `GROUPS` side by side: `(height, width, 3)` uint8.

    Colour is `(n, side, side, 3)`, target `(n, side, side)`, output either, in [0, 1]; scores are `(n,)` SSIM. The
    groups have equal size and follow one another in `n`.
    """
    side = colour.shape[1] * ZOOM
    width, height = len(PANELS) * (side + GAP) + 2 * GAP, side + HEADER + GAP  # of a row
    count = len(scores) // len(GROUPS)
    sheet = Image.new("RGB", (len(GROUPS) * width, 2 * HEADER + count * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for group, name in enumerate(GROUPS):
        draw.text((group * width + GAP, 2), f"{name} by SSIM", "black", font)
        for panel, title in enumerate(PANELS):
            draw.text((group * width + GAP + panel * (side + GAP), HEADER), title, "dimgray", font)
    for position, score in enumerate(scores):
        group, row = divmod(position, count)
        left, top = group * width + GAP, 2 * HEADER + row * height
        gray = target[position][..., None]
        rendered = output[position] if output.ndim == 4 else output[position][..., None]
        for panel, image in enumerate((colour[position], gray, rendered, ERROR_GAIN * np.abs(rendered - gray))):
            zoomed = levels(image, bits=8).repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
            pixels = np.broadcast_to(zoomed, (side, side, 3))
            sheet.paste(Image.fromarray(pixels), (left + panel * (side + GAP), top))
        draw.text((left, top + side + 2), f"SSIM {score:.3f}", "black", font)
    return np.asarray(sheet)
