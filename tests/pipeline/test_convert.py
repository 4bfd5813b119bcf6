"""The converter on a rebuilt pipeline: trained models, found as dvc.lock records them, on whole photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grayscale.conversions import bt601
from stages.formats.container import Container
from tests.conftest import Workspace


@pytest.fixture(scope="module")
def photograph(rebuilt: Workspace) -> np.ndarray:
    """The first test photograph."""
    photos = Container(rebuilt.folder / "data/photos")
    return photos.read(photos.manifest.query("split == 'test'").iloc[0]["name"])


def converted(workspace: Workspace, photograph: np.ndarray, folder: Path, *choice: str) -> np.ndarray:
    """What the command line makes of a photograph."""
    Image.fromarray(photograph).save(folder / "photo.png")
    workspace.run("python", "-m", "grayscale", str(folder / "photo.png"), "--force", *choice)
    with Image.open(folder / "photo.gray.png") as image:
        return np.asarray(image)


def psnr(gray: np.ndarray, target: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(gray.astype(float) - target).mean())


def side_by_side(gray: np.ndarray) -> tuple[slice, slice]:
    """The part of a photograph that whole patches of 28 pixels cover."""
    return slice(gray.shape[0] // 28 * 28), slice(gray.shape[1] // 28 * 28)


@pytest.mark.parametrize("variant", ["subpixel", "subpixel_bottleneck"])
def test_a_whole_photograph_is_as_good_as_its_patches(
    rebuilt: Workspace, photograph: np.ndarray, tmp_path: Path, variant: str
) -> None:
    """The patches are those of the evaluation: converted one by one, without overlap."""
    gray = converted(rebuilt, photograph, tmp_path, "--variant", variant)
    covered = photograph[side_by_side(gray)]
    height, width = covered.shape[:2]
    pieces = [
        covered[row : row + 28, column : column + 28] for row in range(0, height, 28) for column in range(0, width, 28)
    ]
    strip = converted_apart(rebuilt, pieces, variant)
    patches = strip.reshape(height // 28, width // 28, 28, 28).swapaxes(1, 2).reshape(height, width)
    target = bt601(covered)
    assert psnr(gray[side_by_side(gray)], target) > psnr(patches, target) - 0.5


def converted_apart(workspace: Workspace, pieces: list[np.ndarray], variant: str) -> np.ndarray:
    """The network's own output for each patch, `(n, 28, 28)` in 8-bit levels, unrounded."""
    from stages.evaluate import networks  # imports TensorFlow

    model = networks.load(workspace.folder / "data/models" / variant / "model.keras")
    return networks.predict(model, np.stack(pieces) / 255)[..., 0] * 255


def test_without_a_choice_the_variant_with_the_best_score_converts(
    rebuilt: Workspace, photograph: np.ndarray, tmp_path: Path
) -> None:
    scores = json.loads((rebuilt.folder / "metrics/summary.json").read_text())["variants"]
    best = max((name for name in scores if name != "naive"), key=lambda name: scores[name]["psnr"])
    corner = photograph[:60, :70]
    gray = converted(rebuilt, corner, tmp_path)
    np.testing.assert_array_equal(gray, converted(rebuilt, corner, tmp_path, "--variant", best))
