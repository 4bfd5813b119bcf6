"""Stage `run@<run>` of studies/dvc.yaml: how well the run does, and its training curve, in studies/results/<run>.

The model is not kept: the run can be done again, and a variant to use belongs into params.yaml.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.artifacts import write_json, write_table
from stages.stage import StageError, stage, tensorflow_import
from stages.study import runs, scores
from stages.study.subset import FirstPhotographs, with_equal_steps
from stages.targets.patches import PatchSet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.study", description=__doc__)
    parser.add_argument("run", help="a key of `runs` in studies/params.yaml")
    name = parser.parse_args().run

    with stage("run", name, pipeline=runs.PIPELINE) as work:
        settings, raw = work["train"], work[f"runs.{name}"]
        run, variant = runs.check(name, raw, {raw["variant"]: work[f"variants.{raw['variant']}"]})

        with tensorflow_import():  # here, because a settings error should not wait for it
            from stages.train import build, fit, precision

            precision.prepare(threads=settings.threads, dtype=settings.precision, seed=variant.seed)
        train = FirstPhotographs(Path("data/pairs/train"), run.photographs)
        splits = {"train": train, **{split: PatchSet(Path(f"data/pairs/{split}")) for split in ("validation", "test")}}
        variant = with_equal_steps(variant, len(train), train.of_all)
        model = build.build(variant, train.patch)
        try:
            curve = fit.fit(model, train, splits["validation"], variant)
        except fit.TrainingDivergedError as error:
            raise StageError(str(error)) from error

        stored = precision.convert(model, "float32")  # scored as the file would be that training leaves
        facts = {
            "study": run.study,
            "run": name,
            "variant": run.variant,
            "overrides": run.overrides,
            "recipe": {**variant.model_dump(), "precision": settings.precision, "threads": settings.threads},
            "photographs": train.photographs,
            "patches": len(train),
            "parameters": model.count_params(),
            "epochs": len(curve),
            "best_epoch": int(curve.loc[curve["val_loss"].idxmin(), "epoch"]),
            "patches_seen": len(curve) * len(train),
            **scores.measured(precision.convert(stored, "float64"), variant, splits),
            "inputs": {f"data/pairs/{split}": patches.sha256 for split, patches in splits.items()},
            "environment": work.versions,
        }
        out = work.out(str(runs.RESULTS / name))
        write_json(out / "facts.json", facts)
        write_table(out / "curve.csv", curve)
    score = facts["scores"]["test"]
    print(f"run@{name}: test PSNR {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")


if __name__ == "__main__":
    main()
