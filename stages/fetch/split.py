"""Assign photographs to splits, and find copies in several splits."""

from collections.abc import Iterable, Sequence

from stages.fetch.photograph import Skipped
from stages.fetch.settings import Split
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


def copies_across(rows: Iterable[tuple[str, str, str]]) -> list[Skipped]:
    """The photographs to leave out because a later split of `SPLITS` has the same pixels: test, else validation.

    `rows` are name, split and sha256 of each photograph.
    """
    rows = list(rows)
    kept: dict[str, tuple[str, str]] = {}
    for name, side, sha256 in rows:
        if sha256 not in kept or SPLITS.index(side) > SPLITS.index(kept[sha256][1]):
            kept[sha256] = name, side
    return [
        Skipped(name, f"same pixels as {kept[sha256][0]}, which is in {kept[sha256][1]}")
        for name, side, sha256 in rows
        if side != kept[sha256][1]
    ]
