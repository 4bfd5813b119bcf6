"""Stage `report`: metrics/results.md and metrics/result.png for git, the page and tables in data/report."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from stages.common import leftovers
from stages.common.artifacts import write_table, write_text
from stages.common.stage import stage
from stages.evaluate.pictures import noise_shown, write_png
from stages.report import claims, collect, figures, page, summary, text
from stages.report.collect import Results


def main() -> None:
    leftovers.remove()
    with stage("report") as work:
        results = collect.collect(list(work["variants"]), list(work["test_sets"]))
        pictures = collect.pictures(results)
        verdicts = claims.decide(claims.Evidence(results.studies))
        write_text(work.out("metrics/results.md"), text.results(results, verdicts))
        write_png(work.out("metrics/result.png"), result_picture(results, pictures))
        write_png(work.out("metrics/noisy.png"), noisy_picture(results, pictures))
        out = work.out("data/report")
        write_tables(out, results)
        write_text(out / "index.html", page.render(results, verdicts, pictures))
    print(f"report: {summary.answer(results.methods, results.studies)} See data/report/index.html")


def write_tables(out: Path, results: Results) -> None:
    """Write the tables that the plots of DVC, `make compare` and `make trace` read."""
    tables = {
        "methods": results.methods,
        "probes": results.probes,
        "curves": results.curves,
        "quantiles": results.distributions,
        "bands": results.bands,
        "contrast": results.contrast,
        "conversions": results.conversions,
        **{f"test_set_{name}": table for name, table in results.test_sets.items()},
    }
    for name, table in tables.items():
        write_table(out / f"{name}.csv", table)


def result_picture(results: Results, pictures: dict[str, dict[str, bytes]]) -> np.ndarray:
    """The picture of the README, from the photographs that the evaluations rebuilt."""
    given = pictures["baselines"]
    panels = {"colour": _pixels(given["photograph_colour"]), "target": _pixels(given["photograph_gray"])}
    for name in results.variants:
        row = results.methods.loc[name]
        panels[f"{name}\n{row['psnr']:.1f} dB, SSIM {row['ssim']:.4f}"] = _pixels(pictures[name]["photograph"])
    return figures.result_picture(panels)


def noisy_picture(results: Results, pictures: dict[str, dict[str, bytes]]) -> np.ndarray:
    """The same for a photograph with noise: colour, luma, a filter, what learned to undo damage, the clean target."""
    rows = results.restored
    level = noise_shown(rows["level"][(rows["kind"] == "gaussian") & (rows["level"] > 0)].unique())
    rows = rows[(rows["kind"] == "gaussian") & (rows["level"] == level)].drop_duplicates("method").set_index("method")
    shown = {name: _pixels(png) for of in pictures.values() for name, png in of.items() if name.startswith("noisy_")}
    learned = [name for name in results.variants if f"noisy_{name}" in shown]
    panels = {f"noise of {level} gray levels": shown["noisy_colour"]}
    for name in ("luma", "nl_means", *learned):
        panels[f"{name}\n{rows.loc[name, 'psnr']:.1f} dB, SSIM {rows.loc[name, 'ssim']:.2f}"] = shown[f"noisy_{name}"]
    panels["clean target"] = shown["noisy_clean"]
    return figures.result_picture(panels, columns=len(panels))


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


if __name__ == "__main__":
    main()
