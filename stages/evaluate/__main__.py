"""Stages `evaluate@<variant>` and `baselines`: scores and pictures of the test photographs, in data/evaluations."""

import argparse
from pathlib import Path

import pandas as pd

from stages.common import engine
from stages.common.artifacts import sha256_of, write_json, write_table
from stages.common.stage import Stage, item_of, stage
from stages.evaluate import evaluation, pictures, scores
from stages.evaluate.evaluation import Evaluation
from stages.evaluate.methods import BASELINES, Subject
from stages.formats.container import Container
from stages.formats.patches import PatchSet

PHOTOS = Path("data/photos")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.evaluate", description=__doc__)
    parser.add_argument("name", type=item_of, help=f"a key of `variants` in params.yaml, or `{BASELINES}`")
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
        write_table(out / "restored.csv", pd.DataFrame(result.restored, columns=scores.RESTORED))
        if name == BASELINES:
            write_table(out / "conversions.csv", pd.DataFrame(result.conversions))
            write_table(out / "origin.csv", Container(PHOTOS).manifest[["name", "split", "licence", "sha256"]])
        summary = result.summary()
        write_json(out / "summary.json", summary)
        for method, metrics in scores.of_metrics(name, summary).items():
            write_json(work.out(f"metrics/scores/{method}.json"), metrics)
        for title, pixels in result.pictures.items():
            pictures.write_png(out / f"{title}.png", pixels)
    for method, score in summary["scores"].items():
        psnr = "no PSNR, as all are exact" if score["psnr"] is None else f"PSNR {score['psnr']:.2f} dB"
        print(f"{name}: {method} has {psnr}, SSIM {score['ssim']:.4f}")


def evaluate(name: str, work: Stage) -> Evaluation:
    """Evaluate the variant `name` or the baselines, and record the hashes of what was used.

    Raises:
        ArtifactError: photographs, patches or the model are missing or damaged.
        SettingsError: engine.yaml is wrong.
        StageError: a worker was killed.
        ValueError: patches are smaller than a window of SSIM.
    """
    photographs = evaluation.whole_photographs(
        Container(PHOTOS).manifest, work["targets"].patch, work["evaluate"].megapixels
    )
    splits = ("train", "test") if name == BASELINES else ("train", "validation", "test")
    inputs = {f"data/pairs/{split}": PatchSet(Path(f"data/pairs/{split}")).sha256 for split in splits}
    baselines = Subject(Path("data/pairs/test"), PHOTOS, work["targets"].conversion, work["evaluate"])
    if name == BASELINES:
        result = evaluation.evaluate(baselines, photographs, work.keep, engine.load())
        facts = {"inputs": inputs, "environment": work.versions, "targets": work["targets"].model_dump()}
    else:
        folder = Path(f"data/models/{name}")
        inputs[str(folder / "model.keras")] = sha256_of(folder / "model.keras")
        result = evaluation.of_variant(name, folder, baselines, photographs, work.keep, engine.load())
        facts = {"inputs": inputs, "environment": work.versions}
    result.facts.update(facts)
    return result


if __name__ == "__main__":
    main()
