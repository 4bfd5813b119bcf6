"""All that the studies found, as one table: `python -m tools.studies` writes metrics/studies.csv, a row per run.

It is no output of a DVC stage, so that a stage of the main pipeline can read it and `dvc repro` still runs no study.
What DVC would watch is therefore checked here: the table is written only if every run is current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.common.artifacts import ArtifactError, read_json, read_table, write_table
from stages.common.settings import SettingsError
from stages.study import runs

TABLE = Path("metrics/studies.csv")
SETTINGS = ("loss", "sigma", "seed", "input", "flips", "quarter_turns", "patience")  # of the recipe as it was run
COUNTS = ("parameters", "epochs", "best_epoch", "patches_seen")
DECIMALS = {"psnr": 3, "ssim": 5, "nats": 3}  # by the last word of a column


class NotCurrentError(Exception):
    """A run is missing, or was done with other code, settings, data or packages."""


def main() -> None:
    """Write the table, or exit with 1 and a message if a run is not current."""
    try:
        wanted = runs.load()
        refuse_if_not_current()
        table = collected(list(wanted))
    except (SettingsError, NotCurrentError, ArtifactError, DvcException) as error:
        raise SystemExit(f"studies: {error}") from None
    write_table(TABLE, table)
    print(f"studies: {len(table)} runs in {TABLE}; `make repro` draws them on the page")


def refuse_if_not_current() -> None:
    """Ask DVC for all runs and what they come from.

    Raises:
        NotCurrentError: names those that are not current.
    """
    with Repo() as repo:
        changed = repo.status(targets=[str(runs.PIPELINE)], with_deps=True)
    if changed:
        names = sorted(name.removeprefix(f"{runs.PIPELINE}:") for name in changed)
        raise NotCurrentError(f"not current: {', '.join(names)}; run `make study`")


def collected(names: list[str]) -> pd.DataFrame:
    """The table of the runs `names`, in this order; `ArtifactError` if one has left no results."""
    return pd.DataFrame([row(runs.RESULTS / name) for name in names])


def row(folder: Path) -> dict[str, Any]:
    """The row of the run that left `folder`: what it was, its settings and sizes, and its scores.

    `train_`, `val_`: on the patches that it learned from, not augmented, and on validation patches, with the weights of
    its best epoch, as without prefix on test patches. `end_`: after the last epoch, as in its curve.
    """
    facts, curve = read_json(folder / "facts.json"), read_table(folder / "curve.csv")
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
        "end_train_psnr": curve["psnr"].iloc[-1],
        "end_val_psnr": curve["val_psnr"].iloc[-1],
        "pca_components": pca["components"],
        "pca_val_psnr": pca["validation"]["psnr"],
        "pca_psnr": pca["test"]["psnr"],
        "pca_ssim": pca["test"]["ssim"],
        "kl_nats": facts.get("kl_nats"),
        "active_units": facts.get("active_units"),
    }
    return {key: rounded(key, value) for key, value in values.items()}


def rounded(column: str, value: Any) -> Any:
    """A score with the decimals of its measure; anything else as it is."""
    decimals = DECIMALS.get(column.split("_")[-1])
    return value if decimals is None or value is None else round(value, decimals)


if __name__ == "__main__":
    main()
