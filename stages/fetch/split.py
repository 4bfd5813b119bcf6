"""Assign photographs to splits, and find copies in several splits."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stages.fetch.source import Skipped, Split
from stages.formats.manifest import SPLITS


def assign(chosen: Sequence[str], hashes: Sequence[str], rule: Split) -> list[str]:
    """The split of each photograph: the one `chosen` by its source, or, if that is "", one by the hash of its pixels.

    The first 64 bits of a hash are a number in [0, 1), uniform over photographs. Numbers below `rule.test` are the test
    split, the next `rule.validation` of the range is validation, the rest training. Adding or removing photographs thus
    moves no other, except that a border moves until each split with a share above 0 has one photograph.
    """
    free = sorted({sha256 for side, sha256 in zip(chosen, hashes, strict=True) if not side})
    numbers = [int(sha256[:16], 16) / 2**64 for sha256 in free]
    test = sum(number < rule.test for number in numbers)
    measured = sum(number < rule.test + rule.validation for number in numbers)  # test and validation together
    least_test, least_validation = int(rule.test > 0), int(rule.validation > 0)
    if len(free) >= least_test + least_validation + 1:
        test = min(max(test, least_test), len(free) - 1 - least_validation)
        measured = min(max(measured, test + least_validation), len(free) - 1)
    sides = dict.fromkeys(free, "train") | dict.fromkeys(free[:measured], "validation")
    sides |= dict.fromkeys(free[:test], "test")
    return [side or sides[sha256] for side, sha256 in zip(chosen, hashes, strict=True)]


def copies_across(table: pd.DataFrame) -> list[Skipped]:
    """The photographs to leave out because a later split of `SPLITS` has the same pixels: test, else validation.

    `table` has the columns name, split and sha256.
    """
    latest = table.iloc[np.argsort(-table["split"].map(SPLITS.index).to_numpy(), kind="stable")]
    kept = latest.drop_duplicates("sha256").set_index("sha256").loc[table["sha256"]]
    rows = zip(table["name"], table["split"], kept["name"], kept["split"], strict=True)
    return [
        Skipped(name, f"same pixels as {other}, which is in {side}") for name, own, other, side in rows if own != side
    ]
