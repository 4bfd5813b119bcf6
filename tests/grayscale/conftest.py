"""Small models, photographs as arrays and as files."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from tests.conftest import REPOSITORY

node = helper.make_node
ANY_SIZE = {"patch": 12, "cell": 1, "margin": 0}


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mean of red, green and blue."""
    return write_graph(tmp_path_factory.mktemp("models") / "model.onnx", [node("ReduceMean", ["x"], ["y"], axes=[3])])


def network(variant: str, patch: int) -> Any:
    """The untrained network of a variant in params.yaml as it is saved, without weights that are zero."""
    import keras

    from stages.common.settings import load
    from stages.train.build import build

    keras.utils.set_random_seed(7)
    recipe = load(REPOSITORY / "params.yaml").variants[variant]
    small = {"latent": 16} if "latent" in recipe.options and patch == 12 else {}
    model = build(recipe.model_copy(update=small), patch)
    model = getattr(model, "inference", lambda: model)()  # without the parts for training
    rng = np.random.default_rng(7)
    for weight in model.trainable_weights:
        if len(weight.shape) == 1 or not np.any(weight):  # an ONNX file has no biases of 0
            weight.assign(rng.uniform(-0.1, 0.1, weight.shape))
    return model


def write_network(folder: Path, variant: str) -> Path:
    """`network` for patches of 12 pixels as an ONNX file, exported as in training: the exporter needs its hash seed."""
    from stages.common.settings import load
    from stages.train import export
    from stages.train.build import reach

    path = folder / variant / "model.onnx"
    path.parent.mkdir()
    network(variant, 12).save(path.with_suffix(".keras"))
    export.export(path.with_suffix(".keras"), path, reach(load(REPOSITORY / "params.yaml").variants[variant]))
    return path


def clouds(height: int, width: int) -> np.ndarray:
    """A smooth colour photograph, `(height, width, 3)` uint8."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / (9 + 5 * k) + k) * np.cos(columns / (13 - 4 * k)) for k in range(3)]
    return (127.5 * (1 + 0.8 * np.stack(waves, axis=-1))).astype(np.uint8)


def with_noise(photograph: np.ndarray, sigma: float = 20, shared: float = 0.0, seed: int = 1) -> np.ndarray:
    """Gaussian noise is added, of which `shared` is the part that is the same in all channels."""
    rng = np.random.default_rng(seed)
    noise = np.sqrt(1 - shared) * rng.standard_normal(photograph.shape)
    noise += np.sqrt(shared) * rng.standard_normal((*photograph.shape[:2], 1))
    return np.rint(np.clip(photograph + sigma * noise, 0, 255)).astype(np.uint8)


def compressed(photograph: np.ndarray, quality: int) -> np.ndarray:
    """The photograph after JPEG compression."""
    with io.BytesIO() as file:
        Image.fromarray(photograph).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))


def save(path: Path, height: int = 20, width: int = 31, **options: Any) -> Path:
    """Write `clouds` as an image file; its extension is the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(clouds(height, width)).save(path, **options)
    return path


def graph(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray] | None = None,
    *,
    channels: int = 3,
    shape: list[Any] | None = None,
    **facts: object,
) -> onnx.ModelProto:
    """A network from `x` to `y` with metadata for photographs; by default, it takes any size."""
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
