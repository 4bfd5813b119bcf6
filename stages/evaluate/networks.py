"""Runs a trained model and its encoder in float64, so that scores agree between processors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import keras
import numpy as np

from grayscale.networks import predict as _predict
from grayscale.networks import run
from stages.common.artifacts import ArtifactError
from stages.train import precision
from stages.train.anysize import Reach, any_size


def load(path: Path) -> keras.Model:
    """A model file as a float64 model; Keras's safe mode stays on, so that no code in the file can run."""
    return precision.convert(keras.saving.load_model(path, compile=False), "float64")


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Images `(n, height, width, channels)` in [0, 1] → outputs in [0, 1]; of any size, if the model can be for any."""
    return _predict(model if images.shape[1:3] == model.input_shape[1:3] else _for_any_size(model)[0], images)


def margin(model: keras.Model) -> int:
    """How far a model for images of any size sees, at most, in pixels: a multiple of its cell."""
    return _for_any_size(model)[1].margin


@lru_cache(maxsize=1)
def _for_any_size(model: keras.Model) -> tuple[keras.Model, Reach]:
    found = any_size(model)
    if found is None:
        raise ArtifactError(f"the network {model.name} is bound to images of {model.input_shape[1:3]} pixels")
    return found


def encode(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The latent `(n, …)` of each image, and for a variational autoencoder its log-variance, else None."""
    if is_variational(model):
        mean, log_variance = run(model.get_layer("encoder"), images)
        return mean, log_variance
    encoder = keras.Model(model.input, model.get_layer("latent").output, name="encoder")
    return run(encoder, images), None


def is_variational(model: keras.Model) -> bool:
    """Does `encode` give a log-variance, too?"""
    return any(layer.name == "encoder" for layer in model.layers)
