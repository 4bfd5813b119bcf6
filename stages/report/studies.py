"""The studies beside the results: those rows of metrics/studies.csv that were made from the same patches, no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from stages.common.artifacts import read_table

TABLE = Path("metrics/studies.csv")
DATA = ("train", "validation", "test")  # columns: the start of each patch set's sha256
MADE_FROM = "made_from"  # the start of a sha256 of code, params and packages


def of_these_data(inputs: Mapping[str, str], table: Path = TABLE) -> pd.DataFrame:
    """The studies by run, without the columns that say which patches they were made from.

    Args:
        inputs: of a variant's evaluation: `data/pairs/<split>` → sha256 of its patch set.
        table: as `make study` writes it.

    Raises:
        ArtifactError: the table is missing or is none.
    """
    found = read_table(table, text=(*DATA, MADE_FROM))
    same = [[inputs[f"data/pairs/{split}"].startswith(start) for start in found[split]] for split in DATA]
    kept = pd.Series([all(splits) for splits in zip(*same, strict=True)], index=found.index, dtype=bool)
    return found[kept].drop(columns=list(DATA)).set_index("run", drop=False)
