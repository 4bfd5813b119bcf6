"""The split of a photograph depends on its pixels alone, and no pixels are in two splits."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.fetch import split
from stages.fetch.settings import Split

SPLITS = ("train", "validation", "test")
HASHES = [hashlib.sha256(number.to_bytes(4, "big")).hexdigest() for number in range(2000)]
hashes = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
shares = st.builds(Split, validation=st.floats(0.01, 0.4), test=st.floats(0.01, 0.4))
rows = st.lists(st.tuples(st.sampled_from(SPLITS), st.sampled_from("abcd")), max_size=12).map(
    lambda drawn: [(f"{number}.png", side, sha256) for number, (side, sha256) in enumerate(drawn)]
)


def assigned(hashes: list[str], rule: Split) -> dict[str, str]:
    """The split of each photograph; its source gives none."""
    return dict(zip(hashes, split.assign([""] * len(hashes), hashes, rule), strict=True))


@pytest.mark.parametrize(("validation", "test"), [(0.15, 0.15), (0.1, 0.3), (0.0, 0.5), (0.5, 0.0)])
def test_the_shares_approach_what_is_asked(validation: float, test: float) -> None:
    found = Counter(assigned(HASHES, Split(validation=validation, test=test)).values())
    for side, share in {"validation": validation, "test": test, "train": 1 - validation - test}.items():
        deviation = (share * (1 - share) / len(HASHES)) ** 0.5  # of a binomial share
        assert abs(found[side] / len(HASHES) - share) <= 4 * deviation


def test_the_borders_are_those_of_the_documentation() -> None:
    numbers = (0, 0.4999, 0.5, 0.7499, 0.75, 0.9999)
    hashes = [f"{int(number * 2**64):016x}{'0' * 48}" for number in numbers]
    assert list(assigned(hashes, Split(validation=0.25, test=0.5)).values()) == [
        "test", "test", "validation", "validation", "train", "train",
    ]  # fmt: skip


@pytest.mark.parametrize("count", [3, 4, 18])
@given(data=st.data(), rule=shares)
def test_from_three_photographs_on_every_split_has_one(count: int, data: st.DataObject, rule: Split) -> None:
    drawn = data.draw(st.lists(hashes, min_size=count, max_size=count, unique=True))
    assert set(assigned(drawn, rule).values()) == set(SPLITS)


@given(st.lists(hashes, max_size=20), st.randoms(), shares)
def test_order_and_copies_do_not_matter(drawn: list[str], random: object, rule: Split) -> None:
    shuffled = [*drawn, *drawn[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assigned(shuffled, rule) == assigned(drawn, rule)


@given(st.lists(hashes, min_size=3, max_size=30, unique=True), hashes, shares)
def test_a_photograph_more_moves_those_at_a_border_alone(drawn: list[str], new: str, rule: Split) -> None:
    before, after = assigned(drawn, rule), assigned([*drawn, new], rule)
    assert sum(before[sha256] != after[sha256] for sha256 in drawn) <= 2
    large = assigned(HASHES, Split())  # where no split would be empty
    assert assigned(HASHES[100:], Split()) == {sha256: large[sha256] for sha256 in HASHES[100:]}


def test_what_the_source_says_goes_before_the_hash() -> None:
    assert split.assign(["validation", "", "test"], ["0" * 64, "f" * 64, "f" * 64], Split()) == [
        "validation", "train", "test",
    ]  # fmt: skip


def test_a_share_of_zero_asks_for_no_photograph() -> None:
    assert set(assigned(HASHES[:5], Split(test=0)).values()) == {"train", "validation"}


@given(rows)
def test_after_copies_are_left_out_no_pixels_are_in_two_splits(rows: list[tuple[str, str, str]]) -> None:
    dropped = {copy.name for copy in split.copies_across(rows)}
    kept = [row for row in rows if row[0] not in dropped]
    for pixels in {sha256 for _, _, sha256 in rows}:
        before = {side for _, side, sha256 in rows if sha256 == pixels}
        after = [side for _, side, sha256 in kept if sha256 == pixels]
        protected = max(before, key=SPLITS.index)
        assert set(after) == {protected}
        assert len(after) == sum(row[1:] == (protected, pixels) for row in rows)  # copies in one split may stay


def test_the_copy_that_is_left_out_says_which_one_stays() -> None:
    rows = [("1.png", "train", "a"), ("2.png", "test", "a"), ("3.png", "validation", "a"), ("4.png", "test", "a")]
    assert [(copy.name, copy.reason) for copy in split.copies_across(rows)] == [
        ("1.png", "same pixels as 2.png, which is in test"),
        ("3.png", "same pixels as 2.png, which is in test"),
    ]
