"""Running a trained model: in float64, so that scores agree between processors, and its latent beside its output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

import stages.train.layers  # noqa: F401  # registers the layers that a model file may hold
from stages.train import precision

BATCH = 128  # patches; memory depends on it: twice as many are 5 % faster and take 130 MB more


def load(path: Path) -> keras.Model:
    """A model file as a float64 model; Keras's safe mode stays on, so that no code in the file can run."""
    return precision.convert(keras.saving.load_model(path, compile=False), "float64")


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Images `(n, side, side, channels)` in [0, 1] → outputs `(n, side, side, channels)` float64, clipped to [0, 1]."""
    return np.clip(_run(model, images), 0, 1)


def encode(model: keras.Model, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The latent `(n, …)` of each image, and for a variational autoencoder its log-variance, else None."""
    if is_variational(model):
        mean, log_variance = _run(model.encoder, images)
        return mean, log_variance
    encoder = keras.Model(model.input, model.get_layer("latent").output, name="encoder")
    return _run(encoder, images), None


def is_variational(model: keras.Model) -> bool:
    """Does `encode` give a log-variance, too?"""
    return hasattr(model, "encoder")


def _run(model: keras.Model, images: np.ndarray) -> Any:
    """The output of a model, an array or a list of arrays, batch by batch."""
    batches = [model(images[first : first + BATCH], training=False) for first in range(0, len(images), BATCH)]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
