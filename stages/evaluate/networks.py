"""Runs a trained model and its encoder in float64, so that scores agree between processors."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from grayscale.networks import predict, run
from stages.train import precision

__all__ = ["encode", "is_variational", "load", "predict"]


def load(path: Path) -> keras.Model:
    """A model file as a float64 model; Keras's safe mode stays on, so that no code in the file can run."""
    return precision.convert(keras.saving.load_model(path, compile=False), "float64")


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
