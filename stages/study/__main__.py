"""Stage `run@<run>` of studies/dvc.yaml: how well the run does, and its training curve, in studies/results/<run>.

The model is not kept: the run can be done again, and a variant to use belongs into params.yaml.
"""

from __future__ import annotations

import argparse
import shutil

from stages.common import engine
from stages.common.artifacts import write_json
from stages.common.stage import stage
from stages.study import runs
from stages.study import work as room
from stages.train import training


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.study", description=__doc__)
    parser.add_argument("run", help="a key of `runs` in studies/params.yaml")
    name = parser.parse_args().run

    with stage("run", name, pipeline=runs.PIPELINE) as work:
        settings, raw = work["train"], work[f"runs.{name}"]
        run, variant = runs.check(name, raw, {raw["variant"]: work[f"variants.{raw['variant']}"]}, settings)
        task = room.Task(variant, settings, work.keep / "checkpoint", photographs=run.photographs)
        result = training.done(room.do, task, work.keep, engine.load())
        facts = {
            "study": run.study,
            "run": name,
            "variant": run.variant,
            "overrides": run.overrides,
            **result.facts,
            "environment": work.versions,
        }
        out = work.out(str(runs.RESULTS / name))
        write_json(out / "facts.json", facts)
        shutil.copyfile(result.folder / "curve.csv", out / "curve.csv")
    score = facts["scores"]["test"]
    print(f"run@{name}: test PSNR {score['psnr']:.2f} dB, SSIM {score['ssim']:.4f}")


if __name__ == "__main__":
    main()
