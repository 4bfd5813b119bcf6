"""Small models, and photographs as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from tests.conftest import REPOSITORY

ANY_SIZE = {"patch": 12, "cell": 1, "margin": 0}


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`subpixel` with weights that take the mean of red, green and blue."""
    pixels = np.eye(16).reshape(4, 4, 1, 16)
    weights = [pixels.repeat(3, axis=2) / 3, np.zeros(16), pixels, np.zeros(1)]
    return write_network(tmp_path_factory.mktemp("models"), "subpixel", weights)


def write_network(folder: Path, variant: str, weights: list[np.ndarray] | None = None) -> Path:
    """The network of a variant of params.yaml for patches of 12 pixels, as ONNX; without `weights`,
    untrained, but nowhere zero."""
    import keras

    from stages.common.settings import load
    from stages.train.build import build
    from stages.train.export import write_onnx

    keras.utils.set_random_seed(3)
    path = folder / variant / "model.onnx"
    recipe = load(REPOSITORY / "params.yaml").variants[variant]
    small = {"latent": 16} if "latent" in recipe.options else {}
    model = build(recipe.model_copy(update=small), 12)
    if weights:
        model.set_weights(weights)
    else:
        rng = np.random.default_rng(3)
        for weight in model.trainable_weights:
            if not np.any(weight):
                weight.assign(rng.normal(0, 0.1, weight.shape))
    write_onnx(path, getattr(model, "inference", lambda: model)())  # without what only training needs
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


def node(kind: str, given: list[str], made: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, given, made, **attributes)


def graph(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray] | None = None,
    *,
    channels: int = 3,
    shape: list[Any] | None = None,
    **facts: object,
) -> onnx.ModelProto:
    """A network from `x` to `y` that says what one for photographs must; by default, of any size."""
    given = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape or ["n", "h", "w", channels])
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", "rows", "columns", "values"])
    stored = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    made = helper.make_graph(nodes, "network", [given], [output], stored)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, {name: str(value) for name, value in (facts or ANY_SIZE).items()})
    return model


def write_graph(path: Path, nodes: list[onnx.NodeProto], *arguments: Any, **options: Any) -> Path:
    """Write `graph` to a file."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(graph(nodes, *arguments, **options).SerializeToString())
    return path
