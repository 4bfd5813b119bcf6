"""Stage `report`: what git keeps of the results, in metrics; the page and the tables of the plots, cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from stages.common.artifacts import read_json, read_table, write_json, write_table, write_text
from stages.common.stage import StageError, stage
from stages.evaluate.pictures import write_png
from stages.report import claims, figures, page, studies, summary

MODELS, EVALUATIONS = Path("data/models"), Path("data/evaluations")
TEST_SETS = EVALUATIONS / "test_sets"


def main() -> None:
    with stage("report") as work:
        variants = list(work["variants"])
        refuse_leftovers(variants, list(work["test_sets"]))
        names = ["baselines", *variants]
        training = {name: read_json(MODELS / name / "facts.json") for name in variants}
        evaluations = {name: read_json(EVALUATIONS / name / "summary.json") for name in names}
        curves = pd.concat([read_table(MODELS / name / "curve.csv").assign(variant=name) for name in variants])
        scores = collected("scores.csv", names, ["method", "photo", "row", "column"])
        bands = collected("bands.csv", names, ["method", "low"])
        contrast = collected("contrast.csv", names, ["method", "photo"])
        conversions = read_table(EVALUATIONS / "baselines/conversions.csv")
        runs = studies.of_these_data(evaluations[variants[0]]["inputs"])

        see_gray = [name for name in variants if training[name]["recipe"]["input"] == "gray"]
        results, probes = summary.build(evaluations, variants, see_gray), summary.probes(evaluations, bands, contrast)
        test_sets = {}
        for name in work["test_sets"]:
            found = summary.build(read_json(TEST_SETS / name / "summary.json"), variants, see_gray)
            results.setdefault("test_sets", {})[name] = found
            kept = summary.means(read_table(TEST_SETS / name / "contrast.csv", text=("photo", "domain")), "method")
            test_sets[name] = summary.rows_of_test_set(found, kept)
        evidence = claims.Evidence(results, probes.set_index("method"), runs)
        write_json(work.out("metrics/summary.json"), results)
        write_table(work.out("metrics/probes.csv"), probes)
        write_png(work.out("metrics/result.png"), result_picture(results, variants))
        out = work.out("data/report")
        write_table(out / "curves.csv", curves[["variant", "epoch", "loss", "val_loss", "psnr", "val_psnr"]])
        write_table(out / "scores.csv", scores)
        write_table(out / "bands.csv", bands)
        write_table(out / "contrast.csv", contrast)
        write_table(out / "conversions.csv", conversions)
        html = page.render(
            answer=summary.answer(results),
            claims=claims.settle(evidence),
            variants=variants,
            evaluations=evaluations,
            training=training,
            probes=probes,
            contrast=summary.means(contrast, "method"),
            conversions=summary.means(conversions, "conversion"),
            test_sets=test_sets,
            studies=runs,
            counts=read_table(Path("data/pairs/counts.csv"), text=("photo",)),
            figures=figures.of_results(curves, scores, bands, probes, training),
            drawn_studies=figures.of_studies(runs),
            pictures={name: read_pictures(EVALUATIONS / name) for name in evaluations},
        )
        write_text(out / "index.html", html)
    print(f"report: {summary.answer(results)} See data/report/index.html")


def collected(file: str, names: list[str], key: list[str]) -> pd.DataFrame:
    """One table of all evaluations', each `key` once: PCA stands beside several variants."""
    return pd.concat(
        [read_table(EVALUATIONS / name / file, text=("photo", "domain")) for name in names]
    ).drop_duplicates(key)


def refuse_leftovers(variants: list[str], test_sets: list[str]) -> None:
    """Folders of variants and test sets that are no more would enter the hash of this stage's inputs unseen.

    Raises:
        StageError: names them.
    """
    wanted = {MODELS: set(variants), EVALUATIONS: {"baselines", *variants}}
    if test_sets:
        wanted[EVALUATIONS].add(TEST_SETS.name)
        wanted[TEST_SETS] = set(test_sets)
    folders = [path for parent in wanted for path in parent.iterdir() if path.is_dir()]
    left = [path for path in folders if path.name not in wanted[path.parent] and not path.name.startswith(".")]
    if left:
        names = ", ".join(sorted(map(str, left)))
        raise StageError(f"{names}: no variant or test set of that name; `make prune` removes it")


def result_picture(results: dict[str, Any], variants: list[str]) -> np.ndarray:
    """The picture of the README, from the photographs that the evaluations rebuilt."""
    panels = {
        "colour": np.asarray(Image.open(EVALUATIONS / "baselines/photograph_colour.png")),
        "target": np.asarray(Image.open(EVALUATIONS / "baselines/photograph_gray.png")),
    }
    for name in variants:
        row = results["variants"][name]
        title = f"{name}\n{row['psnr']:.1f} dB, SSIM {row['ssim']:.4f}"
        panels[title] = np.asarray(Image.open(EVALUATIONS / name / "photograph.png"))
    return figures.result_picture(panels)


def read_pictures(folder: Path) -> dict[str, bytes]:
    """Name → content of every picture in a folder."""
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}


if __name__ == "__main__":
    main()
