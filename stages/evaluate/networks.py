"""Runs a trained model and its encoder in float64; scores are then equal on all processors."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from stages.common.artifacts import ArtifactError, read_json
from stages.common.settings import Train, Variant
from stages.train import build, precision

BATCH = 128  # patches; twice as many are 5 % faster and take 130 MB more


def load(path: Path, patch: int) -> keras.Model:
    """The network of a model file for patches of `patch` pixels, or for any size if it has a `reach`, in float64.

    It is built from the recipe in facts.json beside the file, of which only the weights are read: a hostile file can
    name no class and no shape. `ArtifactError`: a file is missing, damaged, or of another network.
    """
    precision.use("float64")
    variant = _recipe(path)
    try:
        model = build.build(variant, patch)
        model = model.inference() if hasattr(model, "inference") else model
        _refuse_larger(path, 8 * model.count_params())
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # of layers that are not in the file
            model.load_weights(path)
    except Exception as error:  # a damaged or hostile file can raise anything
        reason = str(error).partition("\n")[0]
        raise ArtifactError(f"{path}: not the weights of its recipe: {reason}; run `dvc repro`") from error
    return build.any_size(model) if build.reach(variant) else model


def reach(path: Path) -> tuple[int, int] | None:
    """Cell and margin of the network of a model file, see `stages.train.build.reach`; `ArtifactError` as in `load`."""
    return build.reach(_recipe(path))


def _recipe(path: Path) -> Variant:
    facts = path.with_name("facts.json")
    try:
        recipe = read_json(facts)["recipe"]
        return Variant.model_validate({key: recipe[key] for key in recipe if key not in Train.model_fields})
    except (TypeError, LookupError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ArtifactError(f"{facts}: not the facts of a network: {reason}; run `dvc repro`") from error


def _refuse_larger(path: Path, limit: int) -> None:
    """Raise `ValueError` if the weights in a file take more memory than `limit` bytes, however well compressed."""
    sizes: list[int] = []
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as member, h5py.File(member) as weights:
        weights.visititems(lambda _, item: sizes.append(getattr(item, "nbytes", 0)))
    if sum(sizes) > limit:
        raise ValueError(f"they take {sum(sizes):,} bytes, more than {limit:,}")


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Images `(n, height, width, channels)` in [0, 1] → outputs of that size in [0, 1], in the model's dtype."""
    return np.clip(run(model, images), 0, 1)


def run(model: keras.Model, images: np.ndarray) -> Any:
    """The output, an array or a list of arrays, for images `(n, height, width, channels)`, in batches."""
    model.jit_compile = False  # XLA orders sums in another way
    batches = [model.predict_on_batch(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


def encode(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Images `(n, height, width, channels)` in [0, 1] → latent `(n, …)`, and its log-variance or None."""
    if is_variational(model):
        mean, log_variance = run(model.get_layer("encoder"), images)
        return mean, log_variance
    encoder = keras.Model(model.input, model.get_layer("latent").output, name="encoder")
    return run(encoder, images), None


def is_variational(model: keras.Model) -> bool:
    """Does `encode` return a log-variance?"""
    return any(layer.name == "encoder" for layer in model.layers)
