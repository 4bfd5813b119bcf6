"""A run as a task: the training of its network, on the photographs that it has, and what it is measured by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.formats.patches import PatchSet
from stages.study import scores
from stages.study.subset import FirstPhotographs, with_equal_steps
from stages.train import training


@dataclass(frozen=True)
class Task(training.Task):
    """A training on the first `photographs`, or on all if None."""

    photographs: int | None = None


def do(task: Task, folder: Path) -> dict[str, Any]:
    """Train on data/pairs and measure. Returns facts, and writes nothing: `folder` stays empty."""
    train = FirstPhotographs(Path("data/pairs/train"), task.photographs)
    splits = {"train": train, **{split: PatchSet(Path(f"data/pairs/{split}")) for split in ("validation", "test")}}
    counts = (training.seen_in_an_epoch(count, task.settings) for count in (len(train), train.of_all))
    task = replace(task, variant=with_equal_steps(task.variant, *counts))
    model, curve = training.trained(task, train, splits["validation"])

    from stages.train import precision

    return {
        "photographs": train.photographs,
        "patches": len(train),
        **training.facts(task, model, curve, train),
        # as the file would be that training leaves
        **scores.measured(precision.convert(model, "float64"), task.variant, splits),
        "end": {key: float(curve[key].iloc[-1]) for key in ("psnr", "val_psnr")},
    }
