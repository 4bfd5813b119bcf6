"""Stage `train@<variant>`: the trained network, for Keras and as ONNX, its facts and its curve, in data/models."""

import argparse
import shutil

from stages.common import engine, shards
from stages.common.artifacts import write_json
from stages.common.stage import item_of, stage
from stages.train import training


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("variant", type=item_of, help="a key of `variants` in params.yaml")
    name = parser.parse_args().variant

    with stage("train", name) as work:
        task = training.Task(work[f"variants.{name}"], work["train"], work.keep / "checkpoint")
        result = training.done(training.train, task, work.keep, engine.load())
        out = work.out(f"data/models/{name}")
        shutil.copytree(result.folder, out, ignore=shutil.ignore_patterns(shards.DONE))
        psnr = result.facts.pop("val_psnr")
        write_json(out / "facts.json", {**result.facts, "environment": work.versions})
    print(f"train@{name}: {result.facts['parameters']:,} parameters, validation PSNR {psnr:.2f} dB")


if __name__ == "__main__":
    main()
