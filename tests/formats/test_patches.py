"""Patches are read as they were written, from any shard."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.common.artifacts import ArtifactError
from stages.formats import patches
from stages.formats.patches import PatchSet
from tests import samples


@given(st.integers(1, 60), st.integers(1, 60), st.integers(4, 12), st.integers(1, 15), st.integers(0, 9))
def test_the_grid_is_every_patch_that_fits(height: int, width: int, patch: int, stride: int, start: int) -> None:
    wanted = [(r, c) for r in range(0, height, stride) for c in range(0, width, stride)]
    wanted = [(r, c) for r, c in wanted if r + patch <= height and c + patch <= width]
    assert [*map(tuple, patches.grid(height, width, patch, stride))] == wanted
    assert [*map(tuple, patches.grid(height, width, patch, stride, start, start + 5))] == wanted[start : start + 5]
    assert patches.count(height, width, patch, stride) == len(wanted)


@given(st.integers(8, 40), st.integers(8, 40))
def test_patches_are_cut_at_their_corners(height: int, width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    corners = patches.grid(height, width, 8, 5)
    for patch, (row, column) in zip(patches.cut(image, corners, 8), corners, strict=True):
        assert np.array_equal(patch, image[row : row + 8, column : column + 8])


def test_patches_are_read_in_any_order_across_shards(patch_set: PatchSet) -> None:
    everything = patch_set.read("colour")
    assert everything.shape == (48, 12, 12, 3)
    numbers = np.array([47, 0, 19, 20, 21, 39, 40, 0])
    assert np.array_equal(patch_set.read("colour", numbers), everything[numbers])
    parts = [patch_set.read("colour", np.arange(*shard)) for shard in patch_set.shards]
    assert np.array_equal(np.concatenate(parts), everything)
    assert patch_set.read("gray", numbers[:0]).shape == (0, 12, 12, 1)
    for number in (-1, 48):
        with pytest.raises(ArtifactError, match="not found"):
            patch_set.read("gray", np.array([3, number]))


def test_a_shard_is_checked_when_it_is_first_read(patch_set: PatchSet, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(patch_set.folder, folder)
    shard = folder / "gray-00001.npy"
    content = bytearray(shard.read_bytes())
    content[-3] ^= 4
    shard.write_bytes(content)
    (folder / "colour-00002.npy").unlink()
    damaged = PatchSet(folder)
    assert np.array_equal(damaged.read("gray", np.arange(20)), patch_set.read("gray", np.arange(20)))
    for _ in range(2):
        with pytest.raises(ArtifactError, match=r"gray-00001\.npy: its sha256 is not .*damaged"):
            damaged.read("gray", np.array([20]))
    with pytest.raises(ArtifactError, match="colour-00002"):
        damaged.read("colour", np.array([47]))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_few_shards_stay_mapped(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (12 * 500, 12, 12, 1), np.uint8)
    index = pd.DataFrame({"photo": "a", "domain": "b", "row": 0, "column": np.arange(len(levels))})
    patch_set = samples.write_patches(tmp_path, index, levels.repeat(3, axis=3), levels, shards=[500] * 12)
    numbers = np.random.default_rng(1).permutation(len(levels))
    assert np.array_equal(patch_set.read("colour", numbers)[..., 2], levels[numbers][..., 0])
    for shard in (*range(12), 0, 1, 2, 3, 0, 4):
        patch_set.read("gray", np.array([500 * shard]))
    mapped = re.findall(rf"^\S+ r.* {tmp_path}/(\S+)\n", Path("/proc/self/maps").read_text(), re.MULTILINE)
    last = {"colour": range(12 - patches.MAPPED, 12), "gray": (0, 2, 3, 4)}
    assert sorted(mapped) == [f"{kind}-{shard:05}.npy" for kind in last for shard in last[kind]]
