"""`grayscale.convert`: arrays of any size through networks and closed forms."""

import os
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

import grayscale
from grayscale import damage, models, network, tiles
from grayscale import photograph as module
from grayscale.conversions import CONVERSIONS
from grayscale.core.levels import levels
from tests import samples
from tests.grayscale.conftest import clouds, compressed, node, with_noise, write_graph, write_network


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (500, 333)])
def test_photographs_of_any_size_become_gray_of_that_size(tmp_path: Path, size: tuple[int, int]) -> None:
    mean = [node("ReduceMean", ["x"], ["y"], axes=[3])]
    for name, facts in {"any.onnx": {}, "bound.onnx": {"shape": ["n", 12, 12, 3], "patch": 12}}.items():
        photograph = clouds(*size)
        gray = grayscale.convert(photograph, model=str(write_graph(tmp_path / name, mean, **facts)))
        assert (gray.shape, gray.dtype) == (size, np.uint8)
        np.testing.assert_array_equal(gray, (photograph.sum(axis=-1, dtype=int) + 1) // 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_input_is_luma_and_colour_output_is_reduced_to_luma(tmp_path: Path, channels: int) -> None:
    model = write_graph(tmp_path / "same.onnx", [node("Identity", ["x"], ["y"])], channels=channels)
    photograph = np.eye(3, dtype=np.uint8)[None].repeat(15, axis=0) * np.uint8(255)  # red, green and blue
    assert grayscale.convert(photograph, model=model).tolist() == [[76, 150, 29]] * 15


@pytest.mark.parametrize("variant", ["simple", "denoise"])  # denoise gets the damage of the whole photograph
def test_photographs_larger_than_a_tile_have_no_seams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    monkeypatch.setattr(tiles, "TILE", 60)
    model = write_network(tmp_path, variant)
    used = network.load(model)
    assert used.reach
    margin = used.reach[1]
    height, width = 2 * margin + 80, 2 * margin + 100
    photograph = with_noise(clouds(height, width)).astype(np.float32) / 255
    seen = photograph
    if used.channels > 3:
        levels = damage.estimate_read(lambda top, bottom: photograph[top:bottom], height, width)
        seen = damage.beside(photograph, levels)
    inner = np.s_[margin:-margin, margin:-margin]  # the library mirrors edges, the network pads them with zeros
    at_once = used(seen[None])[0, ..., 0]
    np.testing.assert_allclose(grayscale.convert(photograph, model=model)[inner], at_once[inner], atol=1e-5)


def test_a_user_may_state_how_strong_noise_is(
    tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = [node("Gather", ["x", "place"], ["y"], axis=3)]
    model = write_graph(tmp_path / "x.onnx", plane, {"place": np.array([3])}, channels=8)
    monkeypatch.setattr(models, "find", {"denoise": model}.__getitem__)
    photograph = clouds(40, 50) / 255
    for sigma in (0, 10, 20):
        told = damage.beside(photograph[:1, :1], damage.of_noise(sigma))[0, 0, 3]
        np.testing.assert_allclose(grayscale.convert(photograph, sigma=sigma), told, rtol=1e-6)
    assert damage.of_noise(30) == pytest.approx(
        damage.estimate(with_noise(np.full((240, 240, 3), 128, np.uint8), 30)), rel=0.1, abs=0.6
    )
    with pytest.raises(models.ModelError, match="is not told"):
        grayscale.convert(photograph, model=model_file, sigma=10)


def test_only_damaged_photographs_get_the_variant_for_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in {"clean": "ReduceMean", "noisy": "ReduceMin"}.items():
        write_graph(tmp_path / name / "model.onnx", [node(kind, ["x"], ["y"], axes=[3])])
    monkeypatch.setattr(models, "find", lambda name: tmp_path / name / "model.onnx")
    monkeypatch.setattr(models, "best", lambda: ("clean", "noisy"))
    photograph = samples.leaves(1, 224, 280)
    for damaged in (with_noise(photograph, 5.5), compressed(photograph, quality=10)):  # above 2.5 levels
        np.testing.assert_array_equal(grayscale.convert(damaged), damaged.min(axis=-1))
    for clean in (photograph, with_noise(photograph, 2.5)):
        np.testing.assert_array_equal(grayscale.convert(clean), (clean.sum(axis=-1, dtype=int) + 1) // 3)
    monkeypatch.setattr(models, "best", lambda: ("clean", None))
    assert not np.array_equal(grayscale.convert(with_noise(photograph)), with_noise(photograph).min(axis=-1))


@pytest.mark.parametrize("method", ["bt601", "gradient_correlation"])
def test_closed_forms_are_those_of_the_targets_on_the_whole_photograph(method: str) -> None:
    photograph = clouds(600, 1000)  # more than one stripe
    expected = CONVERSIONS[method](photograph)
    forms: list[Any] = [photograph, Image.fromarray(photograph)]
    for given in forms:
        np.testing.assert_array_equal(grayscale.convert(given, method=method), expected)
    fractions = grayscale.convert((photograph / 255).astype(np.float32), method=method)
    assert fractions.dtype == np.float32
    np.testing.assert_allclose(fractions, expected / 255, atol=1e-7)


def test_a_model_is_loaded_once_and_again_when_its_file_changes(
    tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Mock(wraps=module.network)
    monkeypatch.setattr(module, "network", network)
    file = tmp_path / "model.onnx"
    shutil.copy(model_file, file)
    photograph = np.zeros((12, 12, 3), np.uint8)
    for _ in range(3):
        grayscale.convert(photograph, model=file)
    assert network.call_count == 1
    os.utime(file, (1, 1))
    grayscale.convert(photograph, model=file)
    assert network.call_count == 2


def test_levels_are_rounded_and_clipped() -> None:
    gray = np.array([-0.01, 0, 0.4999 / 255, 0.5001 / 255, 1, 1.01])
    assert levels(gray, bits=8).tolist() == [0, 0, 0, 1, 255, 255]
    assert levels(np.array([0.4, 0.6, 65535]) / 65535, bits=16).tolist() == [0, 1, 65535]


@pytest.mark.parametrize(
    ("photograph", "choice", "message"),
    [
        (np.zeros((4, 4), np.uint8), {}, "height, width, 3"),
        (np.zeros((0, 4, 3), np.uint8), {}, "at least 1 × 1"),
        (np.zeros((4, 4, 3), np.int32), {}, "int32"),
        (Image.new("L", (4, 4)), {}, "height, width, 3"),
        (np.full((4, 4, 3), np.nan), {"method": "bt601"}, "NaN"),
        (np.full((4, 4, 3), np.inf), {}, "infinity"),
        (np.zeros((4, 4, 3), np.uint8), {"method": "bt601", "variant": "simple"}, "exclude"),
        (np.zeros((4, 4, 3), np.uint8), {"method": "bt601", "sigma": 5.0}, "for a network"),
        (np.zeros((4, 4, 3), np.uint8), {"method": "luma"}, "no closed form 'luma'; there are average, bt601"),
    ],
)
def test_invalid_arguments_are_refused(photograph: Any, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grayscale.convert(photograph, **choice)
