"""Writing a trained model as ONNX, for runtimes without TensorFlow, and checking what was written."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from grayscale.core.atomic import atomic
from grayscale.core.tensorflow_import import tensorflow_import
from grayscale.models import ModelError

PACKAGES = ("onnx", "onnxruntime", "tf2onnx")  # the optional dependencies `onnx` of pyproject.toml
TOLERANCE = 1e-5  # between the two runtimes, of full scale
AXES = ("batch", "height", "width")


def to_onnx(model_file: Path, output: Path) -> None:
    """Write a model as a float32 ONNX graph: `photograph` to `gray` (or `colour`), both in [0, 1], sRGB-encoded.

    `photograph` is `(batch, height, width, 3)`. Of a fully convolutional network, height and width may be any multiples
    of its cells, else they are its patch. A variational autoencoder encodes the mean. The file appears when ONNX's own
    checker accepts it and ONNX Runtime computes the same as Keras to `TOLERANCE`.

    Raises:
        ModelError: the optional packages are missing, the model can't be loaded, or what was written
            does not compute the same.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise ModelError(
            f"--export onnx needs {names}; install them with `make setup-dev`, or `pip install -e '.[onnx]'`"
        )
    import onnx

    with tensorflow_import():
        from grayscale import keras_models

        model = keras_models.load(model_file)
    free = keras_models.any_size(model)
    _, patch, _, channels = model.input_shape
    sizes = [(patch, patch)] if free is None else [(patch, patch), (2 * patch, 3 * patch)]
    images = [np.random.default_rng(0).random((2, *size, channels), np.float32) for size in sizes]
    expected = [np.asarray((free or model)(image, training=False)) for image in images]  # Keras exports what was called
    with atomic(output) as temporary:
        _export(free or model, temporary)
        _name_ends(temporary, "gray" if expected[0].shape[-1] == 1 else "colour")
        onnx.checker.check_model(temporary, full_check=True)
        _compare(temporary, images, expected)


def _export(model: Any, path: Path) -> None:
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), tensorflow_import():
        warnings.simplefilter("ignore")  # about NumPy's past, from inside the exporter
        model.export(path, format="onnx", verbose=False)


def _name_ends(path: Path, output: str) -> None:
    """Call the graph's input, output and free axes by names that tell what they are."""
    import onnx

    written = onnx.load(path)
    graph = written.graph
    names = {graph.input[0].name: "photograph", graph.output[0].name: output}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
    for end in (graph.input[0], graph.output[0]):
        end.name = names[end.name]
        for axis, dimension in zip(AXES, end.type.tensor_type.shape.dim, strict=False):
            if not dimension.dim_value:
                dimension.dim_param = axis
    onnx.save(written, path)


def _compare(path: Path, images: list[np.ndarray], expected: list[np.ndarray]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for image, output in zip(images, expected, strict=True):
        difference = float(np.abs(session.run(None, {"photograph": image})[0] - output).max())
        if not difference <= TOLERANCE:
            raise ModelError(f"ONNX Runtime differs from Keras by {difference:.2g}; nothing was written")
