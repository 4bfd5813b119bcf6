"""Stages `evaluate@<variant>` and `baselines`: scores and pictures of the test photographs, in data/evaluations."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from stages.artifacts import read_json, sha256_of, write_json, write_table
from stages.evaluate import evaluation, pictures
from stages.fetch.container import Container
from stages.stage import Stage, stage, tensorflow_import
from stages.targets.conversions import CONVERSIONS
from stages.targets.patches import PatchSet

BASELINES = "baselines"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("name", help=f"a key of `variants` in params.yaml, or `{BASELINES}`")
    name = parser.parse_args().name
    with stage(BASELINES) if name == BASELINES else stage("evaluate", name) as work:
        result = evaluate(name, work)
        out = work.out(f"data/evaluations/{name}")
        write_table(out / "scores.csv", pd.concat(result.tables.values(), ignore_index=True))
        write_json(out / "summary.json", result.summary())
        for title, pixels in result.pictures.items():
            pictures.write_png(out / f"{title}.png", pixels)
    for method, score in result.summary()["scores"].items():
        print(f"{name}: {method} has PSNR {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")


def evaluate(name: str, work: Stage) -> evaluation.Evaluation:
    """Open what the evaluation of `name` needs, and make it."""
    splits = {split: PatchSet(Path(f"data/pairs/{split}")) for split in ("train", "validation", "test")}
    photos = Container(Path("data/photos"))
    first = photos.manifest.query("split == 'test'").iloc[0]
    colour = photos.read(first["name"])
    photograph = evaluation.Photograph(colour, CONVERSIONS[work["targets"].conversion](colour)[..., None])
    if name == BASELINES:
        return evaluation.of_baselines(splits["train"], splits["test"], photograph)

    with tensorflow_import():  # here, because the baselines run no network
        from stages.evaluate import networks
        from stages.train import precision

        precision.prepare(threads=work["evaluate"].threads, dtype="float64")
    folder = Path(f"data/models/{name}")
    trained = read_json(folder / "facts.json")
    model = networks.load(folder / "model.keras", trained["recipe"]["network"])
    result = evaluation.of_variant(name, model, trained, splits, photograph, work["evaluate"].picture_rows)
    result.facts["inputs"] = {
        str(folder / "model.keras"): sha256_of(folder / "model.keras"),
        **{f"data/pairs/{split}": patches.sha256 for split, patches in splits.items()},
    }
    return result


if __name__ == "__main__":
    main()
