"""Small models, and photographs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`subpixel` with weights that take the mean of red, green and blue."""
    import keras

    path = write_network(tmp_path_factory.mktemp("models"), "subpixel")
    model = keras.saving.load_model(path)
    pixels = np.eye(16).reshape(4, 4, 1, 16)
    model.set_weights([pixels.repeat(3, axis=2) / 3, np.zeros(16), pixels, np.zeros(1)])
    model.save(path)
    return path


def write_network(folder: Path, variant: str) -> Path:
    """The untrained network of a variant of params.yaml for patches of 12 pixels, as data/models holds it."""
    import keras

    from stages.common.artifacts import write_model
    from stages.common.settings import load
    from stages.train.build import build

    keras.utils.set_random_seed(3)
    path = folder / variant / "model.keras"
    recipe = load(REPOSITORY / "params.yaml").variants[variant]
    small = {"latent": 16} if "latent" in recipe.options else {}
    model = build(recipe.model_copy(update=small), 12)
    write_model(path, getattr(model, "inference", lambda: model)())  # without what only training needs
    return path


def clouds(height: int, width: int) -> np.ndarray:
    """A photograph of soft coloured shapes, `(height, width, 3)` uint8."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (9 + 5 * k) + k) * np.cos(columns / (13 - 4 * k)) for k in range(3)]
    return (127.5 * (1 + 0.8 * np.stack(waves, axis=-1))).astype(np.uint8)


def save(path: Path, height: int = 20, width: int = 31, **options: Any) -> Path:
    """Write `clouds` as an image file of the format that the extension says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(clouds(height, width)).save(path, **options)
    return path
