"""A further test set holds nothing that a network was trained or stopped on."""

from __future__ import annotations

import pandas as pd
import pytest

from stages.common.artifacts import ArtifactError
from stages.evaluate.test_sets import refuse_known


def table(**photographs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([(name, *rest) for name, rest in photographs.items()], columns=["name", "split", "sha256"])


PHOTOS = table(a=("train", "11"), again=("train", "11"), b=("validation", "22"), c=("test", "33"))


@pytest.mark.parametrize(("sha256", "words"), [("11", "'y' as 'a', which is in train"), ("22", "in validation")])
def test_pixels_that_a_network_has_seen_are_refused_and_named(sha256: str, words: str) -> None:
    test_set = table(x=("test", "44"), y=("test", sha256), z=("test", sha256))
    with pytest.raises(ArtifactError, match=r"^test_sets\.garden: 2 of its 3 photographs") as caught:
        refuse_known(test_set, PHOTOS, "garden")
    assert words in str(caught.value)


def test_new_photographs_and_those_of_the_test_split_may_be_tested_on() -> None:
    refuse_known(table(x=("test", "44"), y=("test", "33")), PHOTOS, "garden")
