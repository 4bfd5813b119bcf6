"""Photographs of any number and size are cut in bounded memory, and a message stays readable."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.fetch import container, manifest
from stages.settings import Targets
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


def test_one_photograph_is_let_go_before_the_next_is_read(tmp_path: Path) -> None:
    with container.Writer(tmp_path / "photos") as packed:
        rows = []
        for seed, side in enumerate(manifest.SPLITS):
            pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3)).astype(np.uint8)
            packed.add(side, pixels)
            rows.append([side, "here", "none", "NA", side, side, 40, 50, manifest.hash_pixels(pixels)])
        packed.close(pd.DataFrame(rows, columns=manifest.COLUMNS))
    photos = container.Container(tmp_path / "photos")
    read, given = photos.read, list[weakref.ref[np.ndarray]]()

    def watched(name: str) -> np.ndarray:
        assert all(photograph() is None for photograph in given)
        pixels = read(name).copy()
        given.append(weakref.ref(pixels))
        return pixels

    photos.read = watched  # type: ignore[method-assign]
    settings = Targets(conversion="bt601", patch=12, stride=12, min_contrast=0, shard_patches=100)
    writers = {side: patches.PatchWriter(tmp_path / side, 100) for side in manifest.SPLITS}
    counts = cutting.cut_photographs(photos, settings, writers)
    assert len(given) == 3
    assert counts[["patches", "kept"]].to_numpy().tolist() == [[12, 12]] * 3
    assert len(patches.PatchSet(tmp_path / "test")) == 12
