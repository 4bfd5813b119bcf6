"""Write a trained network as ONNX, which the library runs without TensorFlow: same network, same bytes."""

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
from stages.train.anysize import any_size

TOLERANCE = 1e-5  # between Keras and ONNX Runtime, of full scale
AXES = ("batch", "height", "width", "channels")


def export(keras_file: Path, onnx_file: Path) -> None:
    """Write a stored float32 model as ONNX, see `write_onnx`, in a new process with a fixed hash seed.

    The exporter walks through sets of nodes: which of several equal graphs it writes is up to how nodes are hashed, and
    to the names that it gave in the same process before. Hence a process in which both are the same each time.
    """
    command = [sys.executable, "-m", "stages.train.export", str(keras_file), str(onnx_file)]
    code = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": code, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise StageError((done.stderr.strip() or "the export was killed").splitlines()[-1])


def write_onnx(path: Path, model: keras.Model) -> None:
    """Write a float32 model as ONNX: `photograph` to `gray` (or `colour`), both in [0, 1], sRGB-encoded.

    `photograph` is `(batch, height, width, 1 or 3)`. Of a fully convolutional network, height and width may be any
    multiples of its cell, else they are its patch. The file's metadata say how to run it on whole photographs: `patch`,
    the side that it was trained on, and `cell` and `margin` of `Reach`, if it is fully convolutional. All are pixels.

    Raises:
        StageError: Keras's exporter does not know a layer, or ONNX Runtime computes something else than Keras, beyond
            `TOLERANCE`; nothing is written.
    """
    _, patch, _, channels = model.input_shape
    free = any_size(model)
    sizes = [(patch, patch)] if free is None else [(patch, patch), (2 * patch, 3 * patch)]
    network, facts = (model, {}) if free is None else (free[0], free[1]._asdict())
    images = [np.random.default_rng(0).random((2, *size, channels), np.float32) for size in sizes]
    with keras.device("cpu:0"):  # a GPU may compute with fewer digits; and Keras exports what was called
        expected = [np.asarray(network(image, training=False)) for image in images]
    graph = _canonical(_exported(network), "gray" if model.output_shape[-1] == 1 else "colour")
    onnx.helper.set_model_props(graph, {name: str(value) for name, value in {"patch": patch, **facts}.items()})
    try:
        onnx.checker.check_model(graph, full_check=True)
    except onnx.checker.ValidationError as error:  # an operator that ONNX does not have, such as that of exact GELU
        raise StageError(f"Keras writes this network as wrong ONNX: {str(error).splitlines()[0]}") from error
    content = graph.SerializeToString(deterministic=True)
    _compare(content, images, expected)
    write_bytes(path, content)


def _exported(model: keras.Model) -> onnx.ModelProto:
    """What Keras's own exporter makes of it."""
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "model.onnx")
        try:
            with warnings.catch_warnings(), tensorflow_import():
                warnings.simplefilter("ignore")  # about NumPy's past, from inside the exporter
                model.export(exported, format="onnx", verbose=False)
        except Exception as error:  # as many kinds as there are layers that it does not know
            raise StageError(f"Keras can't write this network as ONNX: {str(error).splitlines()[0]}") from error
        return onnx.load(exported)


def _canonical(model: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """The same graph, free of what differs from process to process: names, the order of nodes, who made it.

    The exporter names things by layers, and by how many there were before. Here nodes stand in the order in which the
    output asks for them, and names are numbers in that order.
    """
    graph = model.graph
    maker = {name: node for node in graph.node for name in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    names = {"": "", graph.input[0].name: "photograph"}
    nodes: list[onnx.NodeProto] = []
    kept: list[onnx.TensorProto] = []
    asked = [graph.output[0].name]
    while asked:  # no recursion, which ends at a chain of some 900 nodes
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
    given, made = (_end(end, names) for end in (graph.input[0], graph.output[0]))
    opsets = [opset for opset in model.opset_import if opset.domain == ""]
    return onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "network", [given], [made], kept),
        opset_imports=opsets,
        ir_version=model.ir_version,
    )


def _end(end: onnx.ValueInfoProto, names: dict[str, str]) -> onnx.ValueInfoProto:
    """The graph's input or output; free axes are called by what they are."""
    dimensions = end.type.tensor_type.shape.dim
    shape = [dim.dim_value or axis for dim, axis in zip(dimensions, AXES, strict=True)]
    return onnx.helper.make_tensor_value_info(names[end.name], end.type.tensor_type.elem_type, shape)


def _compare(content: bytes, images: list[np.ndarray], expected: list[np.ndarray]) -> None:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for image, output in zip(images, expected, strict=True):
        difference = float(np.abs(session.run(None, {"photograph": image})[0] - output).max())
        if not difference <= TOLERANCE:
            raise StageError(
                f"as ONNX the network differs from Keras by {difference:.2g} of full scale, more than {TOLERANCE:g}"
            )


if __name__ == "__main__":
    Node.__hash__ = lambda node: hash(node.name)  # that of an object is its address, which is never the same
    try:
        write_onnx(Path(sys.argv[2]), keras.saving.load_model(sys.argv[1], compile=False))
    except StageError as error:
        raise SystemExit(str(error)) from None
