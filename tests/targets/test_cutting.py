"""Photographs of any number and size are cut in bounded memory, and a message stays readable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stages.targets import cutting, patches


@pytest.mark.parametrize("patch", [12, 28, 100])
@pytest.mark.parametrize("step", [1, 2, 7, 40])
def test_contrast_is_the_same_bits_however_many_patches_at_a_time(
    monkeypatch: pytest.MonkeyPatch, patch: int, step: int
) -> None:
    monkeypatch.setattr(cutting, "PIXELS", step * patch**2)
    pieces = np.random.default_rng(patch).integers(0, 256, (23, patch, patch, 1)).astype(np.uint8)
    assert np.array_equal(cutting._contrast(pieces), patches.contrast(pieces))


def test_small_photographs_are_named_up_to_twenty() -> None:
    def counts(small: int) -> pd.DataFrame:
        return pd.DataFrame(
            [("large", 2)] + [(f"{number}.png", 0) for number in range(small)], columns=["photo", "patches"]
        )

    assert cutting.left_out(counts(0)) == ""
    assert cutting.left_out(counts(1)) == "left out as smaller than a patch: 0.png"
    assert cutting.left_out(counts(20)).endswith(", 19.png")
    assert cutting.left_out(counts(60_000)).endswith(", 19.png and 59980 more")
