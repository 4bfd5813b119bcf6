"""The side of a photograph depends on its pixels alone, and no pixels are on two sides."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.common.settings import Split
from stages.fetch import split
from stages.fetch.photograph import Photograph

SIDES = ("train", "validation", "test")
hashes = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
rows = st.lists(st.tuples(st.sampled_from(SIDES), st.sampled_from("abcd")), max_size=12).map(
    lambda drawn: [(f"{number}.png", side, sha256) for number, (side, sha256) in enumerate(drawn)]
)


def rule(validation: float, test: float) -> Split:
    return Split(by="hash", validation=validation, test=test)


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.1, 0.3), (0.0, 0.5), (0.5, 0.0)])
def test_the_shares_approach_what_is_asked(validation: float, test: float) -> None:
    count = 2000
    sides = [
        split.by_hash(hashlib.sha256(number.to_bytes(4, "big")).hexdigest(), rule(validation, test))
        for number in range(count)
    ]
    for side, share in {"validation": validation, "test": test, "train": 1 - validation - test}.items():
        deviation = (share * (1 - share) / count) ** 0.5  # of a binomial share
        assert abs(sides.count(side) / count - share) <= 4 * deviation


def test_the_thresholds_are_those_of_the_documentation() -> None:
    def side(number: float) -> str:
        return split.by_hash(f"{int(number * 2**64):016x}{'0' * 48}", rule(0.25, 0.5))

    assert [side(number) for number in (0, 0.4999, 0.5, 0.7499, 0.75, 0.9999)] == [
        "test", "test", "validation", "validation", "train", "train",
    ]  # fmt: skip


@given(hashes, st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0, 0.19))
def test_a_larger_test_share_only_ever_takes(sha256: str, validation: float, test: float, more: float) -> None:
    before, after = (split.by_hash(sha256, rule(validation, share)) for share in (test, test + more))
    assert after == "test" or before != "test"


def photograph(side: str | None) -> Photograph:
    return Photograph("a.png", np.zeros((1, 1, 3), np.uint8), "folder", "none", "everyday", side)


def test_what_the_source_says_goes_before_the_hash() -> None:
    assert split.choose(photograph("validation"), "0" * 64, rule(0.2, 0.2)) == "validation"
    assert split.choose(photograph(None), "0" * 64, rule(0.2, 0.2)) == "test"
    for other in (None, Split(by="subfolder", validation=0, test=0)):
        with pytest.raises(ArtifactError, match=r"'a\.png': its source gives it no split"):
            split.choose(photograph(None), "0" * 64, other)


@given(rows)
def test_after_copies_are_left_out_no_pixels_stand_on_two_sides(rows: list[tuple[str, str, str]]) -> None:
    dropped = {copy.name for copy in split.copies_across(rows)}
    kept = [row for row in rows if row[0] not in dropped]
    for pixels in {sha256 for _, _, sha256 in rows}:
        before = {side for _, side, sha256 in rows if sha256 == pixels}
        after = [side for _, side, sha256 in kept if sha256 == pixels]
        protected = max(before, key=SIDES.index)
        assert set(after) == {protected}
        assert len(after) == sum(row[1:] == (protected, pixels) for row in rows)  # copies on one side may stay


def test_the_copy_that_is_left_out_says_which_one_stays() -> None:
    rows = [("1.png", "train", "a"), ("2.png", "test", "a"), ("3.png", "validation", "a"), ("4.png", "test", "a")]
    assert [(copy.name, copy.reason) for copy in split.copies_across(rows)] == [
        ("1.png", "same pixels as 2.png, which is in test"),
        ("3.png", "same pixels as 2.png, which is in test"),
    ]
