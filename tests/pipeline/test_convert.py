"""The converter on a rebuilt pipeline: trained models, found as dvc.lock records them, on whole photographs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grayscale.conversions import bt601
from stages.evaluate import networks
from stages.formats.container import Container
from tests.conftest import VARIANTS, Workspace

PATCH = 28


@pytest.fixture(scope="module")
def photograph(first_rebuild: Workspace) -> np.ndarray:
    """A test photograph, cut to whole patches."""
    photos = Container(first_rebuild.folder / "data/photos")
    pixels = photos.read(photos.manifest.query("split == 'test'").iloc[0]["name"])
    return pixels[: len(pixels) // PATCH * PATCH, : pixels.shape[1] // PATCH * PATCH]


def converted(workspace: Workspace, photograph: np.ndarray, folder: Path, *choice: str) -> np.ndarray:
    """What the command line makes of a photograph."""
    Image.fromarray(photograph).save(folder / "photo.png")
    workspace.run("python", "-m", "grayscale", str(folder / "photo.png"), "--force", *choice)
    with Image.open(folder / "photo.gray.png") as image:
        return np.asarray(image)


def psnr(gray: np.ndarray, target: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(gray.astype(float) - target).mean())


def test_a_whole_photograph_by_the_best_variant_is_as_good_as_its_patches_and_another_is_chosen_by_name(
    first_rebuild: Workspace, photograph: np.ndarray, tmp_path: Path
) -> None:
    """The patches are those of the evaluation: one by one, without overlap."""
    scores = {
        name: json.loads((first_rebuild.folder / f"metrics/scores/{name}.json").read_text())["psnr"]
        for name in VARIANTS
    }
    *_, other, first = sorted(scores, key=lambda name: scores[name])
    rows, columns = photograph.shape[0] // PATCH, photograph.shape[1] // PATCH
    patches = photograph.reshape(rows, PATCH, columns, PATCH, 3).swapaxes(1, 2).reshape(-1, PATCH, PATCH, 3)
    model = networks.load(first_rebuild.folder / f"data/models/{first}/model.keras")
    apart = networks.predict(model, patches / 255)[..., 0] * 255
    joined = apart.reshape(rows, columns, PATCH, PATCH).swapaxes(1, 2).reshape(photograph.shape[:2])
    target = bt601(photograph)
    best = converted(first_rebuild, photograph, tmp_path)
    assert psnr(best, target) > psnr(joined, target) - 0.5
    assert np.array_equal(best, converted(first_rebuild, photograph, tmp_path, "--variant", first))
    assert not np.array_equal(best, converted(first_rebuild, photograph, tmp_path, "--variant", other))
