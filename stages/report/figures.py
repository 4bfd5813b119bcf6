"""Figures of the report: training curves and score distributions as SVG, and the result picture of the README."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

CROP = 160  # pixels, of the photograph in the result picture
GAP = 8  # pixels
TEXT = 36  # pixels, two lines under each crop

matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
matplotlib.rcParams.update({"svg.hashsalt": "grayscale", "svg.fonttype": "path", "font.size": 10})


def curves(table: pd.DataFrame, colour: list[str]) -> str:
    """PSNR by epoch, a pair of lines per variant: validation, and training dashed. Returns SVG text.

    Args:
        table: variant, epoch, psnr, val_psnr.
        colour: variants whose PSNR is that of a colour target, marked in the legend.
    """
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for variant, rows in table.groupby("variant", sort=False):
        label = f"{variant} (against colour)" if variant in colour else str(variant)
        (line,) = axes.plot(rows["epoch"], rows["val_psnr"], marker=".", label=label)
        axes.plot(rows["epoch"], rows["psnr"], linestyle="--", linewidth=0.8, color=line.get_color())
    axes.set(xlabel="epoch", ylabel="PSNR (dB)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, ncols=2)
    return _svg(figure)


def distributions(table: pd.DataFrame) -> str:
    """Box plots of SSIM per test patch, one row per method; `table` has method, ssim. Returns SVG text."""
    methods = list(dict.fromkeys(table["method"]))
    figure = Figure(figsize=(7, 0.8 + 0.34 * len(methods)), layout="constrained")
    axes = figure.add_subplot()
    axes.boxplot(
        [table.loc[table["method"] == method, "ssim"] for method in methods],
        orientation="horizontal",
        tick_labels=methods,
        whis=(5, 95),
        showfliers=False,
    )
    axes.invert_yaxis()
    axes.set(xlabel="SSIM of a test patch (box: quartiles; whiskers: 5 % and 95 %)")
    axes.grid(axis="x", alpha=0.3)
    return _svg(figure)


def result_picture(panels: dict[str, np.ndarray]) -> np.ndarray:
    """The middle of the same photograph, title by title, in rows of four.

    Args:
        panels: title (two lines) → `(height, width)` or `(height, width, 3)` uint8, all of one size.

    Returns:
        `(height, width, 3)` uint8.
    """
    columns = 4
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * (CROP + GAP) - GAP, rows * (CROP + TEXT + GAP) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for number, (title, image) in enumerate(panels.items()):
        left, top = (number % columns) * (CROP + GAP), (number // columns) * (CROP + TEXT + GAP)
        row, column = (max(0, (size - CROP) // 2) for size in image.shape[:2])
        crop = Image.fromarray(image[row : row + CROP, column : column + CROP]).convert("RGB")
        sheet.paste(crop, (left, top))
        draw.multiline_text((left, top + CROP + 2), title, "black", font, spacing=2)
    return np.asarray(sheet)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
