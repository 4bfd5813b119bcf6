"""CIFAR as Keras's own loaders read it from files of the true layout; nothing is downloaded."""

from __future__ import annotations

import io
import pickle
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import install_opener

import numpy as np
import pytest

from stages.common.artifacts import ArtifactError
from stages.fetch.photograph import Photograph
from stages.fetch.sources import keras as source
from stages.fetch.sources.keras import TrainingHalf
from tests.fetch import files
from tests.fetch.server import serving

SPLIT = TrainingHalf(validation=0.1)


@pytest.fixture(scope="module")
def file_utils() -> Any:
    with source.tensorflow_import():
        from keras.src.utils import file_utils
    return file_utils


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_utils: Any) -> Path:
    """Where Keras looks for data sets: an empty folder."""
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


@pytest.fixture
def any_hash(monkeypatch: pytest.MonkeyPatch, file_utils: Any) -> None:
    """Take the archive in the cache for the published one, whose sha256 no other has."""
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)


def photographs(dataset: Any, images: int, split: TrainingHalf | None = SPLIT) -> dict[str, Photograph]:
    settings = source.Settings(
        source="keras", inputs="unused", dataset=dataset, images=images, domain="everyday", split=split
    )
    with tempfile.TemporaryDirectory() as keep:
        plan = source.plan(settings, Path(keep))
        return {found.name: found for found in files.given(plan) if isinstance(found, Photograph)}


def archive(path: Path, halves: dict[str, dict[bytes, Any]]) -> None:
    """The published layout: pickles of planar pixels, red first, `(count, 3072)`, and labels."""
    with tarfile.open(path, "w") as tar:
        for name, content in halves.items():
            pickled = pickle.dumps(content)
            member = tarfile.TarInfo(name)
            member.size = len(pickled)
            tar.addfile(member, io.BytesIO(pickled))


def planar(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


@pytest.fixture
def cifar100(cache: Path, any_hash: None) -> dict[str, np.ndarray]:
    """50 random images to train and 10 to test: Keras takes any number of this set."""
    rng = np.random.default_rng(3)
    halves = {
        "train": rng.integers(0, 256, (50, 32, 32, 3), np.uint8),
        "test": rng.integers(0, 256, (10, 32, 32, 3), np.uint8),
    }
    archive(
        cache / "cifar-100-python-target_archive",
        {f"cifar-100-python/{half}": {b"data": planar(x), b"fine_labels": [0] * len(x)} for half, x in halves.items()},
    )
    return halves


def test_keras_test_half_is_the_test_split_and_its_training_half_is_left_to_the_rule(
    cifar100: dict[str, np.ndarray],
) -> None:
    found = photographs("cifar100", 20)
    assert list(found) == [f"train-{number:05}" for number in range(20)] + [f"test-{number:05}" for number in range(4)]
    for name, photograph in found.items():
        half, _, number = name.partition("-")
        assert np.array_equal(photograph.pixels, cifar100[half][int(number)])
        assert photograph.split == ("test" if half == "test" else None)
        assert photograph.source == "keras.datasets.cifar100"


@pytest.mark.parametrize(
    ("images", "train", "test"), [(1, 1, 1), (9, 9, 1), (49, 49, 9), (50, 50, 10), (50_000, 50, 10)]
)
def test_the_test_half_is_cut_in_proportion(cifar100: object, images: int, train: int, test: int) -> None:
    found = photographs("cifar100", images)
    assert [sum(name.startswith(half) for name in found) for half in ("train", "test")] == [train, test]


def test_a_test_set_holds_nothing_of_the_training_half(cifar100: object) -> None:
    assert list(photographs("cifar100", 3, split=None)) == ["test-00000", "test-00001", "test-00002"]


def test_the_order_of_channels_is_not_left_to_the_users_keras_json(cifar100: dict[str, np.ndarray]) -> None:
    import keras

    keras.config.set_image_data_format("channels_first")
    found = photographs("cifar100", 1)
    assert np.array_equal(found["train-00000"].pixels, cifar100["train"][0])


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Keras asks for its files through a server here, as behind a firewall; it can't pass them on (no CONNECT)."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    install_opener(None)  # it remembers an earlier proxy
    with serving() as server:
        monkeypatch.setenv("https_proxy", server.url(""))
        yield server.url("")
    install_opener(None)


def test_a_failed_download_is_said_and_leaves_nothing(cache: Path, proxy: str) -> None:
    with pytest.raises(ArtifactError, match=r"cifar10: Keras can't load it: URL fetch failure on .*501"):
        photographs("cifar10", 5)
    assert list(cache.iterdir()) == []


def test_a_silent_server_is_not_waited_for_without_end(
    cache: Path, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "TIMEOUT", 0.3)
    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ArtifactError, match="timed out"):
            photographs("cifar100", 5)
    assert socket.getdefaulttimeout() == before
