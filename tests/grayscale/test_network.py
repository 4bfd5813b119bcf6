"""ONNX files are run, or refused with one sentence; none writes, reads other files or crashes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from grayscale import network, onnx_file
from grayscale.models import ModelError
from tests.conftest import REPOSITORY
from tests.grayscale.conftest import graph, node, write_network

IMAGE = np.random.default_rng(1).random((1, 12, 12, 3), np.float32)
SAME = node("Identity", ["x"], ["y"])


def write(folder: Path, content: bytes | onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    return path


def test_a_network_clips_its_output_and_uses_the_given_number_of_threads(tmp_path: Path) -> None:
    for threads in (1, 2):
        found = network.load(write(tmp_path, graph([node("Sqrt", ["x"], ["y"])])), threads)
        assert (found.channels, found.patch, found.reach) == (3, 12, (1, 0))
        np.testing.assert_allclose(found(4 * IMAGE), np.sqrt(4 * IMAGE).clip(0, 1), atol=1e-6)
        assert found.session.get_session_options().intra_op_num_threads == threads


def external() -> onnx.ModelProto:
    """A network that adds a weight from another file."""
    model = graph([node("Add", ["x", "weight"], ["y"])], {"weight": np.zeros(3, np.float32)})
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    return model


def in_attribute() -> onnx.ModelProto:
    """The same with the weight in an operator's attribute."""
    weight = external().graph.initializer[0]
    return graph([node("Constant", [], ["weight"], value=weight), node("Add", ["x", "weight"], ["y"])])


def changed(change: Callable[[onnx.ModelProto], object]) -> onnx.ModelProto:
    model = graph([SAME])
    change(model)
    return model


BODY = helper.make_graph([SAME], "body", [], [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)])
FUNCTION = helper.make_function("mine", "f", ["x"], ["y"], [SAME], [helper.make_opsetid("", 15)])
SETTINGS = '{"session_options": {"enable_profiling": 1}}'
REFUSED: dict[str, tuple[onnx.ModelProto | bytes, str]] = {
    "empty": (b"", "no ONNX file"),
    "text": (b"import os; os.system('true')", "no ONNX file"),
    "pickle": (b"\x80\x04cposix\nsystem\n(S'true'\ntR.", "no ONNX file"),
    "ort format": (b"\x18\0\0\0ORTM" + bytes(200), "no ONNX file"),
    "half": (graph([SAME]).SerializeToString()[:-30], "no ONNX file"),
    "two graphs": (graph([SAME]).SerializeToString() * 2, "no ONNX file"),
    "external": (external(), "weights in another file"),
    "external attribute": (in_attribute(), "weights in another file"),
    "operator": (graph([node("Identity", ["x"], ["y"], domain="com.microsoft")]), "com.microsoft"),
    "opset": (changed(lambda model: model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))), r"ai\.onnx\.ml"),
    "function": (changed(lambda model: model.functions.append(FUNCTION)), "functions of its own"),
    "graph inside": (graph([node("If", ["x"], ["y"], then_branch=BODY, else_branch=BODY)]), "graph inside an operator"),
    "training": (changed(lambda model: model.training_info.add(initialization=BODY)), "training graph"),
    "sparse": (changed(lambda model: model.graph.sparse_initializer.add(dims=[1 << 40])), "sparse weights"),
    "settings": (changed(lambda model: model.metadata_props.add(key="ort_config", value=SETTINGS)), "ort_config"),
    "text weight": (graph([SAME], {"text": np.array(["text"], object)}), "holds text"),
    "text attribute": (graph([node("Constant", [], ["text"], value_string="text"), SAME]), "attribute b'value_string'"),
    "text operator": (graph([node("StringConcat", ["x", "x"], ["y"])]), "operator b'StringConcat'"),
    "no such operator": (graph([node("Nonsense", ["x"], ["y"])]), "can't be loaded"),
    "cycle": (graph([node("Add", ["x", "y"], ["y"])]), "can't be loaded"),
    "no patch": (graph([SAME], other=1, cell=1, margin=0), "other"),
    "odd patch": (graph([SAME], patch=13, cell=1, margin=0), "photographs"),
    "huge patch": (graph([SAME], patch=10**9, cell=1, margin=0), "photographs"),
    "no size": (graph([SAME], patch=0, cell=1, margin=0), "photographs"),
    "no cell": (graph([SAME], patch=12, cell=0, margin=0), "photographs"),
    "negative margin": (graph([SAME], patch=12, cell=1, margin=-4), "photographs"),
    "margin beside the cell": (graph([SAME], patch=12, cell=4, margin=6), "photographs"),
    "bound to another patch": (graph([SAME], shape=["n", 14, 14, 3], patch=12), "photographs"),
    "flat": (graph([SAME], shape=["n", 3]), "photographs"),
    "four channels": (graph([SAME], channels=4), "photographs"),
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_the_training_does_not_write_are_refused(
    tmp_path: Path, content: onnx.ModelProto | bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    path = write(tmp_path, content)
    with pytest.raises(ModelError, match=message) as caught:
        network.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "weights.bin"]


def test_a_missing_or_too_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="no such file"):
        network.load(tmp_path / "none.onnx")
    path = write(tmp_path, graph([SAME]))
    for name in ("MAX_BYTES", "MAX_FIELDS"):
        with monkeypatch.context() as context, pytest.raises(ModelError, match="more than"):
            context.setattr(onnx_file, name, 10)
            network.load(path)


def large(*numbers: int) -> dict[str, np.ndarray]:
    return {"shape": np.array(numbers)}


DOUBLED = [node("Concat", [f"v{n}" if n else "x"] * 2, [f"v{n + 1}" if n < 39 else "y"], axis=0) for n in range(40)]
TOTAL = [node("ReduceSum", ["large"], ["total"], keepdims=0), node("Add", ["x", "total"], ["y"])]
GREEDY: dict[str, onnx.ModelProto] = {
    "ConstantOfShape": graph([node("ConstantOfShape", ["shape"], ["large"]), *TOTAL], large(1 << 36)),
    "overflow": graph([node("ConstantOfShape", ["shape"], ["large"]), *TOTAL], large(1 << 40, 1 << 40)),
    "Expand": graph([node("Expand", ["x", "shape"], ["y"])], large(1 << 24, 12, 12, 3)),
    "Tile": graph([node("Tile", ["x", "shape"], ["y"])], large(1 << 24, 1, 1, 1)),
    "Pad": graph([node("Pad", ["x", "shape"], ["y"])], large(0, 0, 0, 0, 0, 0, 0, 1 << 40)),
    "doubled again and again": graph(DOUBLED),
}


@pytest.mark.parametrize("model", GREEDY.values(), ids=GREEDY)
def test_memory_is_bounded(tmp_path: Path, model: onnx.ModelProto) -> None:
    path = write(tmp_path, model)
    program = r"""
import re, sys
from pathlib import Path
import numpy as np
from grayscale import network
network.MAX_MEMORY = 256 << 20
try:
    network.load(Path(sys.argv[1]))(np.zeros((1, 12, 12, 3), np.float32))
except network.ModelError as error:
    print(error)
assert int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) < 600 << 10  # KiB
"""
    result = subprocess.run([sys.executable, "-c", program, str(path)], cwd=REPOSITORY, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{path}: can't be run: ")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (node("Concat", ["x", "x"], ["y"], axis=1), r"model\.onnx: makes"),
        (node("Flatten", ["x"], ["y"]), r"model\.onnx"),
        (node("Div", ["x", "x"], ["y"]), "NaN"),
    ],
)
def test_an_output_that_is_no_image_of_the_same_size_is_refused(
    tmp_path: Path, made: onnx.NodeProto, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        network.load(write(tmp_path, graph([made])))(np.zeros_like(IMAGE))


MUTATE = """
import sys
from pathlib import Path
import numpy as np
from grayscale import network
content, path = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
rng = np.random.default_rng(1)
network.MAX_MEMORY = 256 << 20
ran = 0
for _ in range(300):
    mutated = bytearray(content)
    for place in rng.integers(0, len(content), rng.integers(1, 4)):
        mutated[place] = rng.integers(0, 256)
    if rng.random() < 0.1:
        del mutated[rng.integers(0, len(mutated)) :]
    path.write_bytes(mutated)
    try:
        found = network.load(path)
        side = found.patch if found.reach is None else min(found.reach[0] * 3, 96)
        found(np.zeros((1, side, side, found.channels), np.float32))
        ran += 1
    except network.ModelError as error:
        assert str(error).startswith(str(path))
print(ran)
"""


@pytest.mark.parametrize("variant", ["subpixel", pytest.param("adaptive", marks=pytest.mark.long)])
def test_a_damaged_file_is_refused_or_runs_but_never_crashes(tmp_path: Path, variant: str) -> None:
    model = write_network(tmp_path, variant)
    command = [sys.executable, "-c", MUTATE, str(model), str(tmp_path / "mutated.onnx")]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    assert 0 < int(result.stdout) < 300
