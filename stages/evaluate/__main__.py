"""Stages `evaluate@<variant>` and `baselines`: scores and pictures of the test photographs, in data/evaluations."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from stages.common import engine
from stages.common.artifacts import sha256_of, write_json, write_table
from stages.common.stage import Stage, stage
from stages.evaluate import evaluation, pictures, scores
from stages.evaluate.evaluation import Evaluation
from stages.evaluate.methods import Subject
from stages.formats.container import Container
from stages.formats.patches import PatchSet

BASELINES = "baselines"
PHOTOS = Path("data/photos")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("name", help=f"a key of `variants` in params.yaml, or `{BASELINES}`")
    name = parser.parse_args().name
    with stage(BASELINES) if name == BASELINES else stage("evaluate", name) as work:
        result = evaluate(name, work)
        out = work.out(f"data/evaluations/{name}")
        tables = list(result.tables.values())
        write_table(out / "scores.csv", pd.concat(tables, ignore_index=True))
        write_table(out / "quantiles.csv", pd.concat(map(scores.quantiles, tables), ignore_index=True))
        write_table(out / "photographs.csv", pd.concat(result.photographs.values(), ignore_index=True))
        write_table(out / "bands.csv", pd.concat(result.bands.values(), ignore_index=True))
        write_table(out / "contrast.csv", pd.DataFrame(result.contrast))
        if result.conversions:
            write_table(out / "conversions.csv", pd.DataFrame(result.conversions))
        if name == BASELINES:
            write_table(out / "origin.csv", Container(PHOTOS).manifest[["name", "split", "licence", "sha256"]])
        write_json(out / "summary.json", result.summary())
        for method, score in scores.of_metrics(name, result.summary()).items():
            write_json(work.out(f"metrics/scores/{method}.json"), score)
        for title, pixels in result.pictures.items():
            pictures.write_png(out / f"{title}.png", pixels)
    for method, score in result.summary()["scores"].items():
        print(f"{name}: {method} has PSNR {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")


def evaluate(name: str, work: Stage) -> Evaluation:
    """Say what the evaluation of `name` needs, and make it."""
    where = engine.load()
    photos = Container(PHOTOS)
    wholes = evaluation.whole_photographs(photos.manifest, work["targets"].patch, work["evaluate"].megapixels)
    used = ("train", "test") if name == BASELINES else ("train", "validation", "test")
    inputs = {f"data/pairs/{split}": PatchSet(Path(f"data/pairs/{split}")).sha256 for split in used}
    baselines = Subject(
        name=BASELINES,
        train=Path("data/pairs/train"),
        validation=Path("data/pairs/validation"),
        test=Path("data/pairs/test"),
        photos=PHOTOS,
        conversion=work["targets"].conversion,
        settings=work["evaluate"],
    )
    if name == BASELINES:
        result = evaluation.evaluate(baselines, wholes, work.keep, where)
        targets = work["targets"].model_dump()
        result.facts.update({"inputs": inputs, "environment": work.versions, "targets": targets})
        return result
    folder = Path(f"data/models/{name}")
    result = evaluation.of_variant(name, folder, baselines, wholes, work.keep, where)
    inputs[str(folder / "model.keras")] = sha256_of(folder / "model.keras")
    result.facts.update({"inputs": inputs, "environment": work.versions})
    return result


if __name__ == "__main__":
    main()
