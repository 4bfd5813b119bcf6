"""Which side of the split a photograph stands on, and what becomes of equal pixels on several sides. No files."""

from __future__ import annotations

from collections.abc import Iterable

from stages.common.artifacts import ArtifactError
from stages.common.settings import Split
from stages.fetch.photograph import Photograph, Skipped

PROTECTION = {"train": 0, "validation": 1, "test": 2}  # what is measured on must not have been learned from


def choose(photograph: Photograph, sha256: str, rule: Split | None) -> str:
    """The side that the photograph's source gives it, or else that of its pixels, whose hash is `sha256`.

    Raises:
        ArtifactError: its source gives none, and the rule is not by hash.
    """
    if photograph.split is not None:
        return photograph.split
    if rule is None or rule.by != "hash":
        raise ArtifactError(f"photograph {photograph.name!r}: its source gives it no split; set `split.by` to hash")
    return by_hash(sha256, rule)


def by_hash(sha256: str, rule: Split) -> str:
    """The side of a photograph by its pixels alone, so that no other photograph, added or gone, ever moves it.

    The first 64 bits of the hash are a number in [0, 1), uniform over photographs. Below `rule.test` is the test split,
    the next `rule.validation` the validation split; so a larger share of one never empties into the other's.
    """
    number = int(sha256[:16], 16) / 2**64
    if number < rule.test:
        return "test"
    return "validation" if number < rule.test + rule.validation else "train"


def copies_across(rows: Iterable[tuple[str, str, str]]) -> list[Skipped]:
    """The photographs to leave out because their pixels stand on a more protected side, too: test, then validation.

    Args:
        rows: name, split and sha256 of each photograph. Pixels with one hash count as equal, whatever their shape:
            only images of a single colour, or stripes, can differ in that.
    """
    rows = list(rows)
    kept: dict[str, tuple[str, str]] = {}
    for name, side, sha256 in rows:
        if sha256 not in kept or PROTECTION[side] > PROTECTION[kept[sha256][1]]:
            kept[sha256] = name, side
    return [
        Skipped(name, f"same pixels as {kept[sha256][0]}, which is in {kept[sha256][1]}")
        for name, side, sha256 in rows
        if side != kept[sha256][1]
    ]
