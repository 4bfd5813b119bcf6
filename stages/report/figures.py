"""Figures of the report as SVG, and the pictures of the README."""

import io
import re
from collections.abc import Sized

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from stages.evaluate.pictures import CROP, middle, noise_shown
from stages.report.collect import Results
from stages.report.summary import CODED, CODES, READ_OUT, latent_axis

GAP = 8  # pixels
TEXT = 36  # pixels, two lines under each crop

matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
matplotlib.rcParams.update({"svg.hashsalt": "grayscale", "svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"]})
matplotlib.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False})


def of_results(results: Results) -> dict[str, str]:
    """Title → SVG text of the main results."""
    methods = results.methods
    read_outs = methods.index[methods["kind"] == READ_OUT]
    bands, probes = (table[~table["method"].isin(read_outs)] for table in (results.bands, results.probes))
    probes = probes.assign(kind=methods["kind"])
    colour = [name for name in results.variants if methods.loc[name, "target"] == "colour"]
    found = {
        "PSNR during training: validation patches, and training patches dashed": curves(results.curves, colour),
        "Luminance detail: error by spatial frequency, fixed codes dashed": detail(bands),
        "Gaussian noise on the colour, scored against the clean target, baselines dashed": noise(probes),
    }
    axis = latent_axis(results.studies)
    return found | ({"PSNR by latent size, fixed codes dashed": latent(axis)} if len(axis) else {})


def curves(table: pd.DataFrame, colour: list[str]) -> str:
    """PSNR by epoch, validation and training dashed, a pair of lines per variant; a `colour` target is marked."""
    figure, (axes,) = _figure(3.6)
    for variant, rows in table.groupby("variant", sort=False):
        label = f"{variant} (against colour)" if variant in colour else str(variant)
        (line,) = axes.plot(rows["epoch"], rows["val_psnr"], marker=_marker(rows), label=label)
        axes.plot(rows["epoch"], rows["psnr"], linestyle="--", linewidth=0.8, color=line.get_color())
    axes.set(xlabel="epoch", ylabel="PSNR (dB)")
    return _svg(figure, legend=True)


def detail(table: pd.DataFrame) -> str:
    """Error by spatial frequency, a line per method; `table` has method, low, high, relative_error_db."""
    figure, (axes,) = _figure(4)
    axes.set_prop_cycle(color=matplotlib.color_sequences["tab20"])
    for method, rows in table.groupby("method", sort=False):
        style = "--" if str(method).startswith(CODED) else "-"
        axes.plot((rows["low"] + rows["high"]) / 2, rows["relative_error_db"], style, label=method)
    axes.set(xlabel="spatial frequency (cycles per pixel)", ylabel="error / detail (dB; 0: lost)", ylim=(-70, 10))
    return _svg(figure, legend=True)


def noise(table: pd.DataFrame) -> str:
    """PSNR against the clean target by Gaussian noise, a line per method; `table` has the columns of the probes."""
    found = {name: re.fullmatch(r"noise_gaussian_(\d+)_psnr", name) for name in table}
    columns = {int(level[1]): name for name, level in found.items() if level}
    figure, (axes,) = _figure(4)
    axes.set_prop_cycle(color=matplotlib.color_sequences["tab20"])
    for _, row in table.iterrows():
        style = "-" if row["kind"] == "autoencoder" else "--"
        psnr = row[list(columns.values())].astype(float)
        axes.plot(list(columns), psnr, style, marker=_marker(columns), label=row["method"])
    axes.set(xlabel="standard deviation of the noise (gray levels)", ylabel="PSNR (dB)", xticks=list(columns))
    return _svg(figure, legend=True)


def latent(axis: pd.DataFrame) -> str:
    """PSNR by latent size, a line per variant and, dashed, per fixed code; and beside the best of these.

    `axis` is `summary.latent_axis` of the studies.
    """
    figure, panels = _figure(3.6, 2)
    best = axis[list(CODES)].max(axis=1)
    for name in axis.columns.drop("latent"):
        style = {"linestyle": "--", "label": CODES[name]} if name in CODES else {"label": name}
        known = axis[name].notna()
        for axes, values in zip(panels, (axis[name], axis[name] - best), strict=True):
            axes.plot(axis["latent"][known], values[known], **style)
    for axes, title in zip(panels, ("PSNR (dB)", "above the best fixed code (dB)"), strict=True):
        axes.set_xscale("log", base=2)
        axes.set_xticks(axis["latent"], [str(size) for size in axis["latent"]])
        axes.minorticks_off()
        axes.set(xlabel="numbers in the latent", ylabel=title)
    panels[0].legend()
    panels[1].axhline(0, color="black", linewidth=0.8)
    return _svg(figure)


# === Pictures for git, from the photographs that the evaluations rebuilt ===


def result_picture(results: Results) -> np.ndarray:
    """The first test photograph, its target, and the output of each variant: `(height, width, 3)` uint8."""
    given = results.pictures["baselines"]
    panels = {"colour": given["photograph_colour"], "target": given["photograph_gray"]}
    for name in results.variants:
        row = results.methods.loc[name]
        panels[f"{name}\n{row['psnr']:.1f} dB, SSIM {row['ssim']:.4f}"] = results.pictures[name]["photograph"]
    return _sheet(panels, columns=4)


def noisy_picture(results: Results) -> np.ndarray:
    """The same for a noisy photograph: colour, luma, a filter, networks for damaged photographs, the clean target."""
    rows = results.restored[results.restored["kind"] == "gaussian"]
    level = noise_shown(rows["level"][rows["level"] > 0].unique())
    rows = rows[rows["level"] == level].drop_duplicates("method").set_index("method")
    pictures = [picture for made in results.pictures.values() for picture in made.items()]
    shown = {title: png for title, png in pictures if title.startswith("noisy_")}
    learned = [name for name in results.variants if f"noisy_{name}" in shown]
    panels = {f"noise of {level} gray levels": shown["noisy_colour"]}
    for name in ("luma", "nl_means", *learned):
        panels[f"{name}\n{rows.loc[name, 'psnr']:.1f} dB, SSIM {rows.loc[name, 'ssim']:.2f}"] = shown[f"noisy_{name}"]
    panels["clean target"] = shown["noisy_clean"]
    return _sheet(panels, columns=len(panels))


def _sheet(panels: dict[str, bytes], columns: int) -> np.ndarray:
    """The middle of each PNG file, all of one size, above its title of at most two lines, in `columns` columns."""
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * (CROP + GAP) - GAP, rows * (CROP + TEXT + GAP) - GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, (title, png) in enumerate(panels.items()):
        left, top = (number % columns) * (CROP + GAP), (number // columns) * (CROP + TEXT + GAP)
        crop = middle(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")))
        sheet.paste(Image.fromarray(crop), (left, top))
        draw.multiline_text((left, top + CROP + 2), title, "black", font, spacing=2)
    return np.asarray(sheet)


def _figure(height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with `columns` axes side by side, `height` inches high."""
    figure = Figure(figsize=(9, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _marker(points: Sized) -> str:
    """The marker of a line: a dot where there is a single point, which a line would not show."""
    return "." if len(points) == 1 else ""


def _svg(figure: Figure, legend: bool = False) -> str:
    """The figure as SVG text; `legend`: with one legend beside the axes."""
    if legend:
        figure.legend(loc="outside right center", fontsize=8)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
