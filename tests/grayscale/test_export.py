"""A model as ONNX: run by ONNX Runtime alone, it computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grayscale import export, keras_models
from grayscale.models import ModelError
from tests.grayscale.conftest import write_network


@pytest.mark.parametrize(
    ("variant", "shape", "output"),
    [("naive", ["batch", "height", "width", 3], "colour"), ("adaptive", ["batch", 12, 12, 3], "gray")],
)
def test_onnx_runtime_computes_what_keras_does(tmp_path: Path, variant: str, shape: list[object], output: str) -> None:
    import onnxruntime

    file = write_network(tmp_path, variant)
    export.to_onnx(file, tmp_path / "out/model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "out/model.onnx")
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type, made.name) == ("photograph", shape, "tensor(float)", output)
    model = keras_models.load(file)
    free = keras_models.any_size(model)
    image = np.random.default_rng(1).random((3, 12, 12, 3) if free is None else (1, 40, 64, 3), np.float32)
    expected = np.asarray((free or model)(image, training=False))
    np.testing.assert_allclose(session.run(None, {"photograph": image})[0], expected, atol=1e-5)


def test_what_computes_something_else_is_not_written(
    tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="nothing was written"):
        export.to_onnx(model_file, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_optional_packages_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ModelError, match=r"needs no_such_package;.*\[onnx\]"):
        export.to_onnx(tmp_path / "model.keras", tmp_path / "model.onnx")
