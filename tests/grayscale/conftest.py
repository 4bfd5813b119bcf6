"""Small models, and photographs as files."""

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


def network(variant: str, patch: int) -> Any:
    """The network of a variant of params.yaml as it is saved, untrained, but nowhere zero."""
    import keras

    from stages.common.settings import load
    from stages.train.build import build

    keras.utils.set_random_seed(7)
    recipe = load(REPOSITORY / "params.yaml").variants[variant]
    small = {"latent": 16} if "latent" in recipe.options and patch == 12 else {}
    model = build(recipe.model_copy(update=small), patch)
    model = getattr(model, "inference", lambda: model)()  # without what only training needs
    rng = np.random.default_rng(7)
    for weight in model.trainable_weights:
        if len(weight.shape) == 1 or not np.any(weight):  # a bias of 0 would be left out of an ONNX file
            weight.assign(rng.uniform(-0.1, 0.1, weight.shape))
    return model


def write_network(folder: Path, variant: str, weights: list[np.ndarray] | None = None) -> Path:
    """`network` for patches of 12 pixels as an ONNX file, perhaps with `weights`."""
    from stages.train.export import write_onnx

    path, model = folder / variant / "model.onnx", network(variant, 12)
    model.set_weights(weights or model.get_weights())
    write_onnx(path, model)
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
