"""Stage `train@<variant>`: the trained network, its facts and its training curve, in data/models/<variant>."""

from __future__ import annotations

import argparse
from pathlib import Path

from stages.artifacts import write_json, write_model, write_table
from stages.stage import StageError, stage, tensorflow_import
from stages.targets.patches import PatchSet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("variant", help="a key of `variants` in params.yaml")
    name = parser.parse_args().variant

    with stage("train", name) as work:
        settings, recipe = work["train"], work[f"variants.{name}"]

        with tensorflow_import():  # here, because a settings error should not wait for it
            from stages.train import build, fit, precision

            precision.prepare(threads=settings.threads, dtype=settings.precision, seed=recipe.seed)
        train, validation = (PatchSet(Path(f"data/pairs/{split}")) for split in ("train", "validation"))
        model = build.build(recipe, train.patch)
        try:
            curve = fit.fit(model, train, validation, recipe)
        except fit.TrainingDivergedError as error:
            raise StageError(str(error)) from error

        out = work.out(f"data/models/{name}")
        best = curve.loc[curve["val_loss"].idxmin()]
        facts = {
            "recipe": {**recipe.model_dump(), "precision": settings.precision, "threads": settings.threads},
            "parameters": model.count_params(),
            "epochs": len(curve),
            "patches_seen": len(curve) * len(train),
            "best_epoch": int(best["epoch"]),
            "inputs": {"data/pairs/train": train.sha256, "data/pairs/validation": validation.sha256},
            "environment": work.versions,
        }
        write_model(out / "model.keras", precision.convert(model, "float32"))
        write_json(out / "facts.json", facts)
        write_table(out / "curve.csv", curve)
    print(f"train@{name}: {facts['parameters']:,} parameters, validation PSNR {best['val_psnr']:.2f} dB")


if __name__ == "__main__":
    main()
