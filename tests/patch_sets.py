"""Writes tiny patch sets in the format of `stages.formats.patches`, by NumPy and pandas alone."""

from pathlib import Path

import numpy as np
import pandas as pd

from stages.common.artifacts import sha256_of
from stages.formats.patches import PatchSet


def write(folder: Path, index: pd.DataFrame, colour: np.ndarray, gray: np.ndarray, shards: list[int]) -> PatchSet:
    """`colour` `(n, patch, patch, 3)` and `gray` `(…, 1)` uint8; `shards`: the patches of each."""
    index.to_csv(folder / "index.csv", index=False)
    rows, start = [], 0
    for number, patches in enumerate(shards):
        row: dict[str, object] = {"shard": number, "patches": patches}
        for kind, array in {"colour": colour, "gray": gray}.items():
            np.save(folder / f"{kind}-{number:05}.npy", array[start : start + patches])
            row[f"{kind}_sha256"] = sha256_of(folder / f"{kind}-{number:05}.npy")
        rows.append(row)
        start += patches
    pd.DataFrame(rows).to_csv(folder / "shards.csv", index=False)
    return PatchSet(folder)
