"""Stages `evaluate@<variant>` and `baselines`: scores and pictures of the test photographs, in data/evaluations."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from stages.artifacts import read_json, sha256_of, write_json, write_table
from stages.evaluate import evaluation, pictures
from stages.fetch.container import Container
from stages.stage import Stage, stage, tensorflow_import
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
        write_table(out / "bands.csv", pd.concat(result.bands.values(), ignore_index=True))
        write_table(out / "contrast.csv", pd.DataFrame(result.contrast))
        if result.conversions:
            write_table(out / "conversions.csv", pd.DataFrame(result.conversions))
        write_json(out / "summary.json", result.summary())
        for title, pixels in result.pictures.items():
            pictures.write_png(out / f"{title}.png", pixels)
    for method, score in result.summary()["scores"].items():
        print(f"{name}: {method} has PSNR {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")


def evaluate(name: str, work: Stage) -> evaluation.Evaluation:
    """Open what the evaluation of `name` needs, and make it."""
    photos = Container(Path("data/photos"))
    tested = evaluation.whole_photographs(photos, work["targets"], work["evaluate"].megapixels)
    used = ("train", "test") if name == BASELINES else ("train", "validation", "test")
    splits = {split: PatchSet(Path(f"data/pairs/{split}")) for split in used}
    inputs = {f"data/pairs/{split}": patches.sha256 for split, patches in splits.items()}
    if name == BASELINES:
        result = evaluation.of_baselines(splits["train"], splits["test"], tested, work["evaluate"])
        columns = ["name", "split", "licence", "sha256"]
        origin = {"photographs": photos.manifest[columns].to_dict("records"), "targets": work["targets"].model_dump()}
        result.facts.update({"inputs": inputs, "environment": work.versions, **origin})
        return result

    with tensorflow_import():  # here, because the baselines run no network
        from stages.evaluate import networks
        from stages.train import precision

        precision.prepare(threads=work["evaluate"].threads, dtype="float64")
    folder = Path(f"data/models/{name}")
    trained = read_json(folder / "facts.json")
    model = networks.load(folder / "model.keras")
    result = evaluation.of_variant(name, model, trained, splits, tested, work["evaluate"])
    inputs[str(folder / "model.keras")] = sha256_of(folder / "model.keras")
    result.facts.update({"inputs": inputs, "environment": work.versions})
    return result


if __name__ == "__main__":
    main()
