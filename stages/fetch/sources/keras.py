"""Source `keras`: CIFAR-10 and CIFAR-100, which Keras downloads, checks and caches."""

import socket
import sys
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from stages.common.artifacts import ArtifactError
from stages.common.tensorflow_import import tensorflow_import
from stages.fetch.download import TIMEOUT
from stages.fetch.source import Photograph, Plan, Source, Split


class TrainingHalf(Split):
    """How Keras's training half is split; its test half is always for testing."""

    by: Literal["hash"] = "hash"
    test: float = Field(default=0.0, ge=0, lt=1)


class Settings(Source):
    """`images` is the number from the training half; the test half gives the same share."""

    dataset: Literal["cifar10", "cifar100"]
    images: int = Field(ge=1, le=50_000)
    domain: str = Field(default="everyday", min_length=1)
    split: TrainingHalf | None = TrainingHalf()

    @property
    def origin(self) -> str:
        return self.dataset


def plan(settings: Settings, _: Path) -> Plan:
    """The first `images` of Keras's training half, and the same share of its test half.

    Without a split, it is the first `images` of the test half alone. The plan holds the pixels, at most 184 MB, so that
    workers need no Keras. `ArtifactError` if Keras can't download or read the data set.
    """
    train, test = _load(settings.dataset)
    if settings.split is None:
        halves = {"test": test[: settings.images]}
    else:
        share = max(1, settings.images * len(test) // len(train))
        halves = {"train": train[: settings.images], "test": test[:share]}
    items = [(half, number, image) for half, images in halves.items() for number, image in enumerate(images)]
    return Plan(partial(_photograph, settings), items, [0] * len(items))


def _photograph(settings: Settings, item: tuple[str, int, np.ndarray]) -> Photograph:
    half, number, pixels = item
    return Photograph(
        name=f"{half}-{number:05}",
        pixels=pixels,
        source=f"keras.datasets.{settings.dataset}",
        licence="none stated",
        domain=settings.domain,
        split="test" if half == "test" else None,
    )


def _load(dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Training and test half, `(count, 32, 32, 3)` uint8."""
    with tensorflow_import():
        import keras

    keras.config.set_image_data_format("channels_last")  # keras.json of the user may differ
    if not sys.stdout.isatty():
        keras.config.disable_interactive_logging()  # the progress bar prints a line per step
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # Keras sets none, and would wait forever for a silent server
    try:
        (train, _), (test, _) = getattr(keras.datasets, dataset).load_data()
    except Exception as error:  # Keras raises Exception itself when a download fails
        raise ArtifactError(
            f"{dataset}: Keras can't load it: {error}. Without a network, copy datasets/ of ~/.keras (or KERAS_HOME) "
            "from a machine that has it; where files there are damaged, delete them"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return train, test
