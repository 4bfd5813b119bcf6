"""Stages `evaluate@<variant>` and `baselines`: scores and pictures of the test photographs, in data/evaluations."""

import argparse
from pathlib import Path

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
        for file, table in result.tables.items():
            write_table(out / f"{file}.csv", table)
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
    """Evaluate the variant `name` or the baselines; record the hashes of the inputs."""
    photographs = evaluation.whole_photographs(
        Container(PHOTOS).manifest, work["targets"].patch, work["evaluate"].megapixels
    )
    splits = ("train", "test") if name == BASELINES else ("train", "validation", "test")
    inputs = {f"data/pairs/{split}": PatchSet(Path(f"data/pairs/{split}")).sha256 for split in splits}
    baselines = Subject(Path("data/pairs/test"), PHOTOS, work["targets"].conversion, work["evaluate"])
    facts = {"inputs": inputs, "environment": work.versions}
    if name == BASELINES:
        result = evaluation.evaluate(baselines, photographs, work.keep, engine.load())
        facts["targets"] = work["targets"].model_dump()
    else:
        folder = Path(f"data/models/{name}")
        inputs[str(folder / "model.keras")] = sha256_of(folder / "model.keras")
        result = evaluation.of_variant(name, folder, baselines, photographs, work.keep, engine.load())
    result.facts |= facts
    return result


if __name__ == "__main__":
    main()
