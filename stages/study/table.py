"""metrics/studies.csv, the only place where results of runs are kept: a row for each, and what it was made from."""

from __future__ import annotations

import csv
import fcntl
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.common.artifacts import ArtifactError, write_text
from stages.common.stage import LOCKS

TABLE = Path("metrics/studies.csv")
SETTINGS = ("loss", "sigma", "seed", "input", "flips", "quarter_turns", "patience")  # of the recipe as it was run
COUNTS = ("parameters", "epochs", "best_epoch", "patches_seen")
DECIMALS = {"psnr": 3, "ssim": 5, "nats": 3}  # by the last word of a column

Rows = dict[str, dict[str, str]]


def read() -> Rows:
    """The rows by the name of their run, as text; none if there is no table.

    Raises:
        ArtifactError: the file is no such table.
    """
    if not TABLE.exists():
        return {}
    rows = list(csv.DictReader(io.StringIO(TABLE.read_text(encoding="utf-8"))))
    if not all("run" in row and None not in row and None not in row.values() for row in rows):
        raise ArtifactError(f"{TABLE} is not a table of runs; take it from git, or remove it")
    return {row["run"]: row for row in rows}


def update(new: Rows, order: Sequence[str]) -> None:
    """Write the table with some rows replaced or added, and without those of runs that are not in `order`.

    Other processes may do the same at the same time.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / "studies.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = {**read(), **new}
        rows = {name: known[name] for name in order if name in known}
        columns = list(dict.fromkeys(column for row in rows.values() for column in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
        write_text(TABLE, text.getvalue())


def row(facts: dict[str, Any], made_from: str, data: dict[str, str]) -> dict[str, str]:
    """The row of a run: what it was, its settings and sizes, its scores, and what it was made from.

    `train_`, `val_`: on the patches that it learned from, not augmented, and on validation patches, with the weights of
    its best epoch, as without prefix on test patches. `end_`: after the last epoch, as in its training curve.

    Args:
        facts: as `stages.study.work.do` returns them, with study, run and variant.
        made_from: see `stages.study.inputs`.
        data: the same.
    """
    recipe, scores, pca = facts["recipe"], facts["scores"], facts["pca"]
    values = {
        **{key: facts[key] for key in ("study", "run", "variant", "latent", "photographs", "patches")},
        **{key: recipe.get(key) for key in SETTINGS},
        **{key: facts[key] for key in COUNTS},
        "train_psnr": scores["train"]["psnr"],
        "train_ssim": scores["train"]["ssim"],
        "val_psnr": scores["validation"]["psnr"],
        "val_ssim": scores["validation"]["ssim"],
        "psnr": scores["test"]["psnr"],
        "ssim": scores["test"]["ssim"],
        "end_train_psnr": facts["end"]["psnr"],
        "end_val_psnr": facts["end"]["val_psnr"],
        "pca_components": pca["components"],
        "pca_val_psnr": pca["validation"]["psnr"],
        "pca_psnr": pca["test"]["psnr"],
        "pca_ssim": pca["test"]["ssim"],
        "kl_nats": facts.get("kl_nats"),
        "active_units": facts.get("active_units"),
        **data,
        "made_from": made_from,
    }
    return {key: _text(key, value) for key, value in values.items()}


def _text(column: str, value: Any) -> str:
    """A score with the decimals of its measure, nothing for None, anything else as Python writes it."""
    if value is None:
        return ""
    decimals = DECIMALS.get(column.split("_")[-1])
    return str(value) if decimals is None else f"{round(value, decimals):.7g}"
