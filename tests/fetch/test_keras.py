"""CIFAR, read by Keras's loaders from files in the published layout; nothing is downloaded."""

import pickle
import socket
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import install_opener

import numpy as np
import pytest

from stages.common.artifacts import ArtifactError
from stages.fetch.source import Photograph
from stages.fetch.sources import keras as source
from tests.fetch import files
from tests.fetch.files import serving, tarred


@pytest.fixture(scope="module")
def file_utils() -> Any:
    with source.tensorflow_import():
        from keras.src.utils import file_utils
    return file_utils


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_utils: Any) -> Path:
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


@pytest.fixture
def cifar100(cache: Path, monkeypatch: pytest.MonkeyPatch, file_utils: Any) -> dict[str, np.ndarray]:
    """50 random images for training and 10 for testing, in the cache as pickles of planar pixels."""
    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)
    rng = np.random.default_rng(3)
    halves = {
        half: rng.integers(0, 256, (count, 32, 32, 3), np.uint8) for half, count in {"train": 50, "test": 10}.items()
    }
    pickles = []
    for half, images in halves.items():
        content = {b"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1), b"fine_labels": [0] * len(images)}
        pickles.append((f"cifar-100-python/{half}", pickle.dumps(content)))
    (cache / "cifar-100-python-target_archive").write_bytes(tarred(*pickles))
    return halves


def photographs(dataset: Any, images: int, **split: Any) -> dict[str, Photograph]:
    settings = source.Settings(source="keras", inputs="unused", dataset=dataset, images=images, **split)
    with tempfile.TemporaryDirectory() as keep:
        plan = source.plan(settings, Path(keep))
        return {found.name: found for found in files.given(plan) if isinstance(found, Photograph)}


def test_the_test_half_is_the_test_split_and_the_training_half_is_split_later(cifar100: dict[str, np.ndarray]) -> None:
    import keras

    keras.config.set_image_data_format("channels_first")  # as in a user's keras.json
    found = photographs("cifar100", 20)
    assert list(found) == [f"train-{number:05}" for number in range(20)] + [f"test-{number:05}" for number in range(4)]
    for name, photograph in found.items():
        half, _, number = name.partition("-")
        assert np.array_equal(photograph.pixels, cifar100[half][int(number)])
        assert photograph.split == ("test" if half == "test" else None)
        assert photograph.source == "keras.datasets.cifar100"


def test_the_test_half_is_cut_in_proportion(cifar100: object) -> None:
    for images, train, test in [(1, 1, 1), (9, 9, 1), (49, 49, 9), (50, 50, 10), (50_000, 50, 10)]:
        found = photographs("cifar100", images)
        assert [sum(name.startswith(half) for name in found) for half in ("train", "test")] == [train, test]
    # a test set has nothing of the training half
    assert list(photographs("cifar100", 3, split=None)) == ["test-00000", "test-00001", "test-00002"]


def test_a_failed_download_is_reported_and_a_silent_server_times_out(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras downloads through a proxy here, which refuses CONNECT."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(source, "TIMEOUT", 0.3)
    before = socket.getdefaulttimeout()
    with serving() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        for port, words in ((server.server_port, "URL fetch failure on .*501"), (silent.getsockname()[1], "timed out")):
            install_opener(None)  # it caches the proxy
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
            with pytest.raises(ArtifactError, match=f"cifar10: Keras can't load it: .*{words}"):
                photographs("cifar10", 5)
    install_opener(None)
    assert list(cache.iterdir()) == []
    assert socket.getdefaulttimeout() == before
