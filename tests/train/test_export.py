"""The library computes the same from ONNX as Keras; the same network gives the same bytes."""

from pathlib import Path

import keras
import numpy as np
import pytest

from grayscale import damage
from grayscale.network import load
from stages.common import settings
from stages.common.stage import StageError
from stages.train import export
from stages.train.build import CHANNELS, any_size, reach
from tests.conftest import REPOSITORY
from tests.grayscale.conftest import network

ALL = settings.load(REPOSITORY / "params.yaml").variants
# One variant for each combination of network, input and output.
NAMES = list({(ALL[name].network, ALL[name].input, ALL[name].target): name for name in reversed(ALL)}.values())
PATCH = 28


@pytest.mark.parametrize("name", NAMES)
def test_the_library_computes_the_same_as_keras(name: str, tmp_path: Path) -> None:
    model, file = network(name, PATCH), tmp_path / "model.onnx"
    model.save(tmp_path / "model.keras")
    export.export(tmp_path / "model.keras", file, reach(ALL[name]))
    found = load(file, threads=2)
    assert (found.channels, found.patch) == (CHANNELS[ALL[name].input], PATCH)
    assert found.reach == reach(ALL[name])
    for side in (PATCH, 5 * PATCH) if found.reach else (PATCH,):
        image = np.random.default_rng(1).random((3, side, side, 3), np.float32)
        if found.channels > 3:
            image = damage.beside(image, np.array([[0.0, 0.0, 0.0], [3.0, 2.0, 0.0], [40.0, 25.0, 4.0]]))
        expected = np.asarray((any_size(model) if found.reach else model)(image, training=False)).clip(0, 1)
        np.testing.assert_allclose(found(image), expected, atol=1e-5)


@pytest.mark.long
def test_the_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network("denoise", PATCH).save(tmp_path / "model.keras")
    written = set()
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        export.export(tmp_path / "model.keras", tmp_path / "model.onnx", (4, 72))
        written.add((tmp_path / "model.onnx").read_bytes())
    assert len(written) == 1


def test_a_failed_export_reports_the_reason(tmp_path: Path) -> None:
    image = keras.Input((12, 12, 3))
    keras.Model(image, keras.layers.Conv2D(1, 1, activation="gelu")(image)).save(tmp_path / "model.keras")
    with pytest.raises(StageError, match="Keras exports this network as invalid ONNX: No Op registered for Erfc"):
        export.export(tmp_path / "model.keras", tmp_path / "model.onnx", None)


def test_a_network_that_differs_from_keras_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(StageError, match="differs from Keras by"):
        export.write_onnx(tmp_path / "model.onnx", network("subpixel", PATCH), (4, 8))
    assert not list(tmp_path.iterdir())
