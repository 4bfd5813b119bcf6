"""Checks a .keras file before Keras loads it: only plain layers of limited size are allowed.

Keras's safe mode stops code in a file, but a `Lambda` of a Keras function can still write files, and a layer can be
declared larger than memory.
"""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.common.artifacts import ArtifactError

MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
MAX_CONFIG = 4 << 20  # bytes
MAX_WEIGHTS = 1 << 30  # bytes
MAX_SIZE = 1 << 26  # product of the numbers of a layer, such as 784 × 261; 512 MB as float64
LAYERS = {
    "Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D",
    "Conv2DTranspose", "Cropping2D", "Dense", "DepthwiseConv2D", "Dropout", "Embedding", "Flatten", "GaussianNoise",
    "GlobalAveragePooling2D", "InputLayer", "LayerNormalization", "LeakyReLU", "MaxPooling2D", "Maximum", "Minimum",
    "Multiply", "PReLU", "Permute", "ReLU", "Rescaling", "Reshape", "SeparableConv2D", "Softmax", "Subtract",
    "UpSampling2D", "ZeroPadding2D",
}  # fmt: skip  # of keras.layers
OTHERS = ("keras.initializers", "keras.src.ops.")  # modules without side effects


def check(path: Path) -> None:
    """Raise `ArtifactError` unless the file is a graph of plain layers."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != [*MEMBERS]:
                raise ArtifactError(f"{path}: its members are not {', '.join(MEMBERS)}")
            config, _, weights = (archive.getinfo(name).file_size for name in MEMBERS)
            if config > MAX_CONFIG or weights > MAX_WEIGHTS:
                raise ArtifactError(f"{path}: larger than any network of this project")
            found = json.loads(archive.read("config.json"))
        for known in _objects(found):
            _check_object(known, path)
    except (OSError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path}: not a .keras file, or damaged: {error}; run `dvc repro`") from error


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every part of a config that Keras would turn into an object."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _objects(part)


def _check_object(known: dict[str, Any], path: Path) -> None:
    name, module = str(known["class_name"]), str(known.get("module"))
    values = known.get("config")
    plain = (
        (module == "keras.layers" and name in LAYERS)
        or (module == "keras.src.models.functional" and name == "Functional")
        or (module == "keras" and name == "DTypePolicy")
        or (known.keys() == {"class_name", "config"} and name == "__keras_tensor__")
        or module.startswith(OTHERS)
    )
    if not plain or known.get("registered_name") not in (None, name):
        raise ArtifactError(
            f"{path}: contains {name!r} of {module!r}, which is not allowed; add a plain layer to "
            "stages/evaluate/model_file.py"
        )
    numbers = [abs(number) for number in _numbers(values)] if module == "keras.layers" else []
    if math.prod(number for number in numbers if number > 1) > MAX_SIZE:
        raise ArtifactError(f"{path}: {name} is larger than any layer of this project")


def _numbers(values: Any) -> Iterator[float]:
    """The numbers of a layer, without those of the objects in its config."""
    if isinstance(values, dict):
        values = [] if "class_name" in values else list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from _numbers(value)
    elif isinstance(values, int | float) and not isinstance(values, bool):
        yield values
