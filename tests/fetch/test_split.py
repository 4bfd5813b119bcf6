"""The split of a photograph depends on its pixels alone, and no copies are in two splits."""

import hashlib

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from stages.fetch import split
from stages.fetch.source import Split
from stages.formats.manifest import SPLITS

HASHES = [hashlib.sha256(number.to_bytes(4, "big")).hexdigest() for number in range(2000)]
hashes = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
shares = st.builds(Split, validation=st.floats(0.01, 0.4), test=st.floats(0.01, 0.4))
rows = st.lists(st.tuples(st.sampled_from(SPLITS), st.sampled_from("abcd")), max_size=12).map(
    lambda drawn: [(f"{number}.png", side, sha256) for number, (side, sha256) in enumerate(drawn)]
)


def assigned(hashes: list[str], rule: Split) -> dict[str, str]:
    """The split of each photograph; the source chooses none."""
    return dict(zip(hashes, split.assign([""] * len(hashes), hashes, rule), strict=True))


def test_the_borders_are_the_documented_ones_and_the_split_of_the_source_has_priority() -> None:
    sides = {0: "test", 0.4999: "test", 0.5: "validation", 0.7499: "validation", 0.75: "train", 0.9999: "train"}
    hashes = [f"{int(number * 2**64):016x}{'0' * 48}" for number in sides]
    assert list(assigned(hashes, Split(validation=0.25, test=0.5)).values()) == list(sides.values())
    chosen = ["validation", "train", "", "test", "", ""]
    expected = ["validation", "train", "test", "test", "validation", "train"]  # three are left, one for each split
    assert split.assign(chosen, hashes, Split(validation=0.25, test=0.5)) == expected


@given(st.integers(3, 18).flatmap(lambda count: st.lists(hashes, min_size=count, max_size=count, unique=True)), shares)
def test_with_three_or_more_photographs_every_split_has_one(drawn: list[str], rule: Split) -> None:
    assert set(assigned(drawn, rule).values()) == set(SPLITS)
    assert "test" not in assigned(drawn, Split(test=0)).values()  # a share of zero asks for none


@given(st.lists(hashes, min_size=3, max_size=30, unique=True), hashes, st.randoms(), shares)
def test_order_and_copies_do_not_matter_and_another_photograph_moves_only_those_at_a_border(
    drawn: list[str], new: str, random: object, rule: Split
) -> None:
    before, after = assigned(drawn, rule), assigned([*drawn, new], rule)
    assert sum(before[sha256] != after[sha256] for sha256 in drawn) <= 2
    shuffled = [*drawn, *drawn[:3]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assigned(shuffled, rule) == before


def test_removing_photographs_moves_no_other_if_no_split_becomes_empty() -> None:
    large = assigned(HASHES, Split())
    assert assigned(HASHES[100:], Split()) == {sha256: large[sha256] for sha256 in HASHES[100:]}


@given(rows)
def test_without_the_dropped_copies_no_pixels_are_in_two_splits(rows: list[tuple[str, str, str]]) -> None:
    table = pd.DataFrame(rows, columns=["name", "split", "sha256"])
    dropped = {copy.name: copy.reason for copy in split.copies_across(table)}
    kept = [row for row in rows if row[0] not in dropped]
    for pixels in {sha256 for _, _, sha256 in rows}:
        before = {side for _, side, sha256 in rows if sha256 == pixels}
        after = [side for _, side, sha256 in kept if sha256 == pixels]
        protected = max(before, key=("train", "validation", "test").index)
        assert set(after) == {protected}
        first = next(name for name, *rest in rows if rest == [protected, pixels])
        reasons = {dropped[name] for name, _, sha256 in rows if sha256 == pixels and name in dropped}
        assert reasons <= {f"same pixels as {first}, which is in {protected}"}
        assert len(after) == sum(row[1:] == (protected, pixels) for row in rows)  # copies in one split may stay
