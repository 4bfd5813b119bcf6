"""A model file of plain layers is accepted; others are refused before Keras loads them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.common.artifacts import ArtifactError
from stages.evaluate.model_file import check

DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 261, "activation": "relu"}}
LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": "keras.utils.get_file"}}
FUNCTION = {"module": "keras.utils", "class_name": "function", "config": "save_img", "registered_name": "function"}


def write(path: Path, *layers: dict[str, Any], **members: bytes) -> Path:
    model = {"module": "keras.src.models.functional", "class_name": "Functional", "config": {"layers": list(layers)}}
    with zipfile.ZipFile(path, "w") as archive:
        contents = {"config.json": json.dumps(model).encode(), "metadata.json": b"{}", "model.weights.h5": b""}
        for name, content in {**contents, **members}.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (LAMBDA, "'Lambda' of 'keras.layers', which is not allowed"),
        ({**DENSE, "config": {"units": 9, "activation": FUNCTION}}, "'function' of 'keras.utils'"),
        ({**DENSE, "module": "os"}, "'Dense' of 'os'"),
        ({**DENSE, "registered_name": "evil>Dense"}, "which is not allowed"),
        ({**DENSE, "class_name": "TFSMLayer"}, "'TFSMLayer'"),
        ({**DENSE, "config": {"units": 10**9}}, "Dense is larger than any layer"),
        ({**DENSE, "config": {"units": 9000, "build_config": {"input_shape": [None, 9000]}}}, "is larger than any"),
    ],
)
def test_anything_but_a_plain_layer_is_refused(tmp_path: Path, layer: dict[str, Any], words: str) -> None:
    check(write(tmp_path / "model.keras", DENSE))
    with pytest.raises(ArtifactError, match=words):
        check(write(tmp_path / "model.keras", DENSE, layer))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"assets/x": b""}, "its members are not"),
        ({"config.json": b" " * (5 << 20)}, "larger than any"),
        ({"config.json": b"{"}, "damaged"),
        ({"config.json": b"[" * 100_000}, "damaged"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    with pytest.raises(ArtifactError, match=words):
        check(write(tmp_path / "model.keras", **members))
    (tmp_path / "none.keras").write_bytes(b"PK")
    with pytest.raises(ArtifactError, match=r"not a \.keras file"):
        check(tmp_path / "none.keras")
