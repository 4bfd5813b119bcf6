"""Stage `report`: metrics/summary.json and the result picture for git; the page and the tables of the plots, cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from stages.artifacts import read_json, read_table, write_json, write_table, write_text
from stages.evaluate.pictures import write_png
from stages.report import figures, page, summary
from stages.stage import StageError, stage

MODELS, EVALUATIONS = Path("data/models"), Path("data/evaluations")


def main() -> None:
    with stage("report") as work:
        variants = list(work["variants"])
        refuse_leftovers(variants)
        training = {name: read_json(MODELS / name / "facts.json") for name in variants}
        evaluations = {name: read_json(EVALUATIONS / name / "summary.json") for name in ["baselines", *variants]}
        results = summary.build(evaluations, variants)
        curves = pd.concat([read_table(MODELS / name / "curve.csv").assign(variant=name) for name in variants])
        scores = pd.concat([read_table(EVALUATIONS / name / "scores.csv") for name in evaluations])
        scores = scores.drop_duplicates(["method", "photo", "row", "column"])  # PCA stands beside several variants
        colour = [name for name in variants if training[name]["recipe"]["target"] == "colour"]

        write_json(work.out("metrics/summary.json"), results)
        write_png(work.out("metrics/result.png"), result_picture(results, variants))
        out = work.out("data/report")
        write_table(out / "curves.csv", curves[["variant", "epoch", "loss", "val_loss", "psnr", "val_psnr"]])
        write_table(out / "scores.csv", scores)
        html = page.render(
            answer=summary.answer(results),
            variants=variants,
            evaluations=evaluations,
            training=training,
            counts=read_table(Path("data/pairs/counts.csv")),
            figures={
                "PSNR during training: validation patches, and training patches dashed": figures.curves(curves, colour),
                "SSIM of every test patch": figures.distributions(scores[scores["method"].isin(variants)]),
            },
            pictures={name: read_pictures(EVALUATIONS / name) for name in evaluations},
        )
        write_text(out / "index.html", html)
    print(f"report: {summary.answer(results)} See data/report/index.html")


def refuse_leftovers(variants: list[str]) -> None:
    """Folders of variants that are no more would enter the hash of this stage's inputs without being shown.

    Raises:
        StageError: names them.
    """
    known = {"baselines", *variants}
    folders = [path for parent in (MODELS, EVALUATIONS) for path in parent.iterdir() if path.is_dir()]
    left = [str(path) for path in folders if path.name not in known and not path.name.startswith(".")]
    if left:
        raise StageError(f"{', '.join(sorted(left))}: no variant of that name; `make prune` removes it")


def result_picture(results: dict[str, Any], variants: list[str]) -> np.ndarray:
    """The picture of the README, from the photographs that the evaluations rebuilt."""
    panels = {
        "colour": np.asarray(Image.open(EVALUATIONS / "baselines/photograph_colour.png")),
        "target": np.asarray(Image.open(EVALUATIONS / "baselines/photograph_gray.png")),
    }
    for name in variants:
        row = results["variants"][name]
        title = f"{name}\n{row['psnr']:.1f} dB, SSIM {row['ssim']:.3f}"
        panels[title] = np.asarray(Image.open(EVALUATIONS / name / "photograph.png"))
    return figures.result_picture(panels)


def read_pictures(folder: Path) -> dict[str, bytes]:
    """Name → content of every picture in a folder."""
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}


if __name__ == "__main__":
    main()
