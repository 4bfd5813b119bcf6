"""metrics/studies.csv: a row for each run, with its results and what it was made from."""

import csv
import fcntl
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from stages.common.artifacts import ArtifactError, write_table
from stages.common.stage import LOCKS

TABLE = Path("metrics/studies.csv")
SETTINGS = ("loss", "sigma", "seed", "input", "target", "flips", "quarter_turns", "patience")  # as it was run
COUNTS = ("trainable", "parameters", "steps", "epochs", "best_epoch", "patches_seen")
PROBES = ("noise_psnr", "hue_contrast", "detail_limit", "smoothness", "smoothness_reference", "chroma_kept")
YARDSTICKS = ("luma", "mean_rgb", "conv1x1", "pca", "dct", "dct_radial")
DECIMALS = {"psnr": 3, "ssim": 5, "nats": 3}  # by the last word of a column

Rows = dict[str, dict[str, str]]


def read() -> Rows:
    """The rows by run, as text; none if there is no table; `ArtifactError` if it is not one of runs."""
    if not TABLE.exists():
        return {}
    rows = list(csv.DictReader(io.StringIO(TABLE.read_text(encoding="utf-8"))))
    if not all("run" in row and None not in row and None not in row.values() for row in rows):
        raise ArtifactError(f"{TABLE} is not a table of runs; take it from git, or remove it")
    return {row["run"]: row for row in rows}


def update(new: Rows, order: Sequence[str]) -> None:
    """Replace or add rows, and drop those of runs that are not in `order`. Processes may do this concurrently."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / "studies.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {**read(), **new}
        rows = {name: known[name] for name in order if name in known}
        write_table(TABLE, pd.DataFrame(list(rows.values())).fillna(""))


def row(facts: dict[str, Any], origin: dict[str, str]) -> dict[str, str]:
    """The row of a run: its settings, sizes, scores and origin.

    Scores are on test patches with the weights of the best epoch; `train_` and `val_` are on training patches, not
    augmented, and on validation patches. `end_` and `half_` are from the training curve, after all epochs and half of
    them. `luma_` … `dct_radial_` are of yardsticks on the test patches, codes at the run's latent size.

    `facts` are those of `stages.study.work.do`, with study, run, variant and leave; `origin` is that of
    `stages.study.inputs`.
    """
    recipe, scores, end, probes = (facts[key] for key in ("recipe", "scores", "end", "probes"))
    keys = ("study", "run", "variant", "leave", "domain", "latent", "photographs", "patches")
    values = {
        **{key: facts[key] for key in keys},
        **{key: recipe.get(key) for key in SETTINGS},
        **{key: facts.get(key) for key in COUNTS},
        **{f"train_{key}": scores["train"][key] for key in ("psnr", "ssim")},
        **{f"val_{key}": scores["validation"][key] for key in ("psnr", "ssim")},
        **{key: scores["test"][key] for key in ("psnr", "ssim", "mse")},
        "end_train_psnr": end["psnr"],
        "end_val_psnr": end["val_psnr"],
        "half_val_psnr": end["half_val_psnr"],
        **{key: probes.get(key) for key in (*PROBES, "kl_nats", "active_units")},
        **{
            f"{name}_{key}": facts["yardsticks"].get(name, {}).get(key)
            for name in YARDSTICKS
            for key in ("psnr", "ssim", "mse", "noise_psnr")
        },
        **origin,
    }
    return {key: _text(key, value) for key, value in values.items()}


def _text(column: str, value: Any) -> str:
    """Scores with the decimals of their measure, other floats with four digits, None as empty text."""
    if value is None:
        return ""
    decimals = DECIMALS.get(column.split("_")[-1])
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if decimals is None else f"{round(value, decimals):.7g}"
