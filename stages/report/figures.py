"""Figures of the report as SVG, and the pictures of the README."""

import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from stages.evaluate.pictures import CROP, middle, noise_shown
from stages.report import summary
from stages.report.collect import Results
from stages.report.summary import CODED, CODES, NOISE, READ_OUT

GAP = 8  # pixels
TEXT = 36  # pixels, two lines under each crop

matplotlib.rcdefaults()  # whatever the user's matplotlibrc says
matplotlib.rcParams.update({"svg.hashsalt": "grayscale", "svg.fonttype": "path", "font.size": 10})
matplotlib.rcParams.update({"axes.grid": True, "grid.alpha": 0.3, "legend.frameon": False})


def of_results(results: Results) -> dict[str, str]:
    """Title → SVG text of the main results."""
    methods = results.methods
    read_outs = methods.index[methods["kind"] == READ_OUT]
    bands, probes = (table[~table["method"].isin(read_outs)] for table in (results.bands, results.probes))
    probes = probes.assign(kind=methods["kind"])
    colour = [name for name in results.variants if methods.loc[name, "target"] == "colour"]
    drawn = results.distributions[results.distributions["method"].isin(results.variants)]
    return {
        "PSNR during training: validation patches, and training patches dashed": curves(results.curves, colour),
        "Test patches: median, quartiles, and 5 to 95 %": distributions(drawn),
        "Luminance detail: error by spatial frequency, fixed codes dashed": detail(bands),
        "Gaussian noise on the colour, scored against the clean target, baselines dashed": noise(probes),
    }


def of_studies(table: pd.DataFrame) -> dict[str, str]:
    """Title → SVG text of the studies that `table`, metrics/studies.csv by run, holds."""

    def rows(study: str) -> pd.DataFrame:
        """The runs of a study, and the unchanged runs to compare them with."""
        mine = table[table["study"] == study]
        beside = {f"seeds_{variant}_1" for variant in mine["variant"]}
        if study == "augmentation":
            beside = {f"photographs_{run['variant']}_{run['photographs']:.0f}" for _, run in mine.iterrows()}
        return table[table.index.isin({*mine.index, *beside})].sort_values("variant", kind="stable")

    drawn = {
        "latent": ("Latent size: learned codes beside PCA and DCT, and where they cross", latent_study),
        "photographs": (
            "Learning curve: PSNR by the number of training photographs, at equal steps",
            photographs_study,
        ),
        "loss": ("Loss: mean squared error (seeds), or another", runs),
        "sigma": ("The output noise σ that a variational autoencoder assumes", sigma_study),
        "seeds": ("Seeds: the same variant, trained again", runs),
        "control": ("Control: the same network trained gray → gray, beside colour → gray (seeds)", runs),
        "augmentation": ("Overfitting: one photograph, without flips and quarter turns, trained to the end", runs),
        "original": ("The original recipe, beside ours (seeds)", runs),
    }
    return {title: draw(rows(study)) for study, (title, draw) in drawn.items() if (table["study"] == study).any()}


def curves(table: pd.DataFrame, colour: list[str]) -> str:
    """PSNR by epoch, validation and training dashed, a pair of lines per variant; a `colour` target is marked."""
    figure, (axes,) = _figure(3.6)
    for variant, rows in table.groupby("variant", sort=False):
        label = f"{variant} (against colour)" if variant in colour else str(variant)
        (line,) = axes.plot(rows["epoch"], rows["val_psnr"], marker=".", label=label)
        axes.plot(rows["epoch"], rows["psnr"], linestyle="--", linewidth=0.8, color=line.get_color())
    axes.set(xlabel="epoch", ylabel="PSNR (dB)")
    return _svg(figure, legend=True)


def distributions(table: pd.DataFrame) -> str:
    """Box plots of each measure, one row per method; `table` has measure, method, p5, p25, p50, p75, p95."""
    measures, methods = table["measure"].unique(), table["method"].unique()
    figure, panels = _figure(0.8 + 0.34 * len(methods), len(measures), sharey=True)
    for axes, measure in zip(panels, measures, strict=True):
        boxes = [
            {"label": row.method, "whislo": row.p5, "q1": row.p25, "med": row.p50, "q3": row.p75, "whishi": row.p95}
            for row in table[table["measure"] == measure].itertuples()
        ]
        axes.bxp(boxes, orientation="horizontal", showfliers=False)
        axes.set(xlabel=measure)
        axes.grid(visible=False, axis="y")
    axes.invert_yaxis()
    return _svg(figure)


def detail(table: pd.DataFrame) -> str:
    """Error by spatial frequency, a line per method; `table` has method, low, high, relative_error_db."""
    figure, (axes,) = _figure(4)
    axes.set_prop_cycle(color=matplotlib.color_sequences["tab20"])
    for method, rows in table.groupby("method", sort=False):
        style = "--" if str(method).startswith(CODED) else "-"
        axes.plot((rows["low"] + rows["high"]) / 2, rows["relative_error_db"], style, marker=".", label=method)
    axes.set(xlabel="spatial frequency (cycles per pixel)", ylabel="error / detail (dB; 0: lost)", ylim=(-70, 10))
    return _svg(figure, legend=True)


def noise(table: pd.DataFrame) -> str:
    """PSNR against the clean target by Gaussian noise, a line per method; `table` has the columns of the probes."""
    found = {name: NOISE.fullmatch(name) for name in table}
    columns = {int(kind[2]): name for name, kind in found.items() if kind and kind[1] == "gaussian"}
    figure, (axes,) = _figure(4)
    axes.set_prop_cycle(color=matplotlib.color_sequences["tab20"])
    for _, row in table.iterrows():
        style = "-" if row["kind"] == "autoencoder" else "--"
        axes.plot(list(columns), row[list(columns.values())].astype(float), style, marker=".", label=row["method"])
    axes.set(xlabel="standard deviation of the noise (gray levels)", ylabel="PSNR (dB)", xticks=list(columns))
    return _svg(figure, legend=True)


# === Studies; `table` has the columns of metrics/studies.csv ===


def latent_study(table: pd.DataFrame) -> str:
    """PSNR by latent size, a line per variant and, dashed, per fixed code; and beside the best of these."""
    figure, panels = _figure(3.6, 2)
    axis = summary.latent_axis(table)
    best = axis[list(CODES)].max(axis=1)
    for name in axis.columns.drop("latent"):
        style = {"linestyle": "--", "label": CODES[name]} if name in CODES else {"label": name}
        known = axis[name].notna()
        for axes, values in zip(panels, (axis[name], axis[name] - best), strict=True):
            axes.plot(axis["latent"][known], values[known], marker=".", **style)
    for axes, title in zip(panels, ("PSNR (dB)", "above the best fixed code (dB)"), strict=True):
        axes.set_xscale("log", base=2)
        axes.set_xticks(axis["latent"], [str(size) for size in axis["latent"]])
        axes.minorticks_off()
        axes.set(xlabel="numbers in the latent", ylabel=title)
    panels[0].legend()
    panels[1].axhline(0, color="black", linewidth=0.8)
    return _svg(figure)


def photographs_study(table: pd.DataFrame) -> str:
    """PSNR by the number of training photographs, a line per variant: of clean patches for codes, and under noise."""
    figure, (clean, noisy) = _figure(3.6, 2)
    _lines(clean, table[table["pca_psnr"].notna()], "photographs", "psnr")
    _lines(noisy, table, "photographs", "noise_psnr")
    for axes, title in ((clean, "PSNR (dB), clean"), (noisy, "PSNR (dB), noise of 25 gray levels")):
        axes.set(xlabel="training photographs", ylabel=title, xticks=sorted(table["photographs"].unique()))
    noisy.legend()
    return _svg(figure)


def sigma_study(table: pd.DataFrame) -> str:
    """SSIM, KL divergence and active units by σ, a line per variant."""
    titles = {"ssim": "SSIM", "kl_nats": "KL (nats per patch)", "active_units": "active units"}
    figure, panels = _figure(3.2, len(titles))
    for axes, (measure, title) in zip(panels, titles.items(), strict=True):
        _lines(axes, table, "sigma", measure)
        axes.set(xlabel="σ", title=title, xscale="log")
        axes.legend()
    return _svg(figure)


def runs(table: pd.DataFrame) -> str:
    """PSNR of single runs, a dot each, and the same on validation."""
    figure, (axes,) = _figure(0.9 + 0.24 * len(table), width=7)
    places = range(len(table))
    axes.plot(table["psnr"], places, "o", label="test")
    axes.plot(table["val_psnr"], places, "o", fillstyle="none", color="gray", label="validation")
    axes.set_yticks(list(places), list(table.index))
    axes.invert_yaxis()
    axes.set(xlabel="PSNR (dB)")
    axes.grid(visible=False, axis="y")
    axes.legend()
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


def _figure(height: float, columns: int = 1, width: float = 9, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure with `columns` axes side by side; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False, sharey=sharey)[0])


def _lines(axes: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """A line per variant."""
    for variant, rows in table.sort_values(x).groupby("variant", sort=False):
        axes.plot(rows[x], rows[y], marker=".", label=variant)


def _svg(figure: Figure, legend: bool = False) -> str:
    """The figure as SVG text; `legend`: with one legend beside the axes."""
    if legend:
        figure.legend(loc="outside right center", fontsize=8)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    return svg[svg.index("<svg") :]
