"""Writes a trained network as ONNX for the library; the same network gives the same bytes."""

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
from tf2onnx.graph import Node

from stages.common.artifacts import write_bytes
from stages.common.stage import StageError
from stages.common.tensorflow_import import tensorflow_import
from stages.train.build import any_size

TOLERANCE = 1e-5  # between Keras and ONNX Runtime, of full scale
AXES = ("batch", "height", "width", "channels")  # names of free axes


def export(keras_file: Path, onnx_file: Path, reach: tuple[int, int] | None) -> None:
    """`write_onnx` of a stored float32 model in a new process with a fixed hash seed.

    The exporter iterates over sets of nodes, and its names depend on earlier exports of the process: both decide which
    of several equal graphs it writes.
    """
    command = [sys.executable, "-m", "stages.train.export", str(keras_file), str(onnx_file), *map(str, reach or ())]
    code = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": code, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise StageError((done.stderr.strip() or "the export was killed").splitlines()[-1])


def write_onnx(path: Path, model: keras.Model, reach: tuple[int, int] | None) -> None:
    """Write a float32 model as ONNX: `photograph` → `gray` (or `colour`), in [0, 1], sRGB-encoded.

    `photograph` is `(batch, height, width, channels)`; height and width are the patch or, with a `reach`, multiples of
    its cell. The metadata, in pixels, tell the library how to run it: `patch`, and `cell` and `margin` of `reach`.
    `StageError`: the exporter does not know a layer, or ONNX Runtime differs from Keras by more than `TOLERANCE`;
    nothing is written.
    """
    _, patch, _, channels = model.input_shape
    sizes = [(patch, patch), (2 * patch, 3 * patch)] if reach else [(patch, patch)]
    network = any_size(model) if reach else model
    facts = dict(zip(("patch", "cell", "margin"), (patch, *(reach or ())), strict=False))
    images = [np.random.default_rng(0).random((2, *size, channels), np.float32) for size in sizes]
    with keras.device("cpu:0"):  # a GPU may be less accurate; the call also builds what Keras exports
        expected = [np.asarray(network(image, training=False)) for image in images]
    graph = _canonical(_exported(network), "gray" if model.output_shape[-1] == 1 else "colour")
    onnx.helper.set_model_props(graph, {name: str(value) for name, value in facts.items()})
    try:
        onnx.checker.check_model(graph, full_check=True)
    except onnx.checker.ValidationError as error:  # an operator that ONNX does not have, such as Erfc of exact GELU
        raise StageError(f"Keras exports this network as invalid ONNX: {str(error).splitlines()[0]}") from error
    content = graph.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for image, output in zip(images, expected, strict=True):
        difference = float(np.abs(session.run(None, {"photograph": image})[0] - output).max())
        if not difference <= TOLERANCE:
            raise StageError(f"the ONNX network differs from Keras by {difference:.2g} of full scale (> {TOLERANCE:g})")
    write_bytes(path, content)


def _exported(model: keras.Model) -> onnx.ModelProto:
    """The result of Keras's exporter; one that iterated over sets in the order of addresses was wrong once."""
    Node.__hash__ = lambda node: hash(node.name)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "model.onnx")
        try:
            with warnings.catch_warnings(), tensorflow_import():
                warnings.simplefilter("ignore")  # deprecations inside the exporter
                model.export(exported, format="onnx", verbose=False)
        except Exception as error:  # its type depends on the layer that is not supported
            raise StageError(f"Keras can't export this network as ONNX: {str(error).splitlines()[0]}") from error
        return onnx.load(exported)


def _canonical(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The same graph with names, order of nodes and metadata that do not depend on the process.

    Nodes are sorted by a depth-first walk from the output, and numbered in that order.
    """
    graph = model.graph
    maker = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    names = {"": "", graph.input[0].name: "photograph"}
    nodes: list[onnx.NodeProto] = []
    kept: list[onnx.TensorProto] = []
    asked = [graph.output[0].name]
    while asked:  # not recursive: a chain may have more than 900 nodes
        name = asked[-1]
        if name in names:
            asked.pop()
        elif name in weights:
            names[name] = f"w{len(kept)}"
            kept.append(weights[name])
        elif missing := [given for given in maker[name].input if given not in names]:
            asked.extend(reversed(missing))
        else:
            names.update({made: f"v{len(nodes)}_{place}" for place, made in enumerate(maker[name].output) if made})
            nodes.append(maker[name])
    names[graph.output[0].name] = output
    for node in nodes:
        node.input[:] = [names[given] for given in node.input]
        node.output[:] = [names[made] for made in node.output]
        node.name = node.doc_string = ""
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
    for weight in kept:
        weight.name = names[weight.name]
    ends = []
    for end in (graph.input[0], graph.output[0]):
        tensor = end.type.tensor_type
        shape = [dim.dim_value or axis for dim, axis in zip(tensor.shape.dim, AXES, strict=True)]
        ends.append(onnx.helper.make_tensor_value_info(names[end.name], tensor.elem_type, shape))
    return onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "network", ends[:1], ends[1:], kept),
        opset_imports=[opset for opset in model.opset_import if opset.domain == ""],
        ir_version=model.ir_version,
    )


if __name__ == "__main__":
    try:
        source, target, *numbers = sys.argv[1:]
        known = (int(numbers[0]), int(numbers[1])) if numbers else None
        write_onnx(Path(target), keras.saving.load_model(source, compile=False), known)
    except StageError as error:
        raise SystemExit(str(error)) from None
