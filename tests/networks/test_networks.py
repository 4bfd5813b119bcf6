"""One harness that every network passes: shape, size, names, gradients, saving and loading."""

from __future__ import annotations

import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from stages.common.artifacts import write_model
from stages.evaluate import networks, probes
from stages.networks.registry import NETWORKS
from stages.train import losses, precision

OPTIONS: dict[str, dict[str, Any]] = {
    "bottleneck": {"latent_divisor": 3},
    "vae": {"latent": 32, "sigma": 0.05},
    "subpixel_bottleneck": {"latent_divisor": 3},
    "subpixel_vae": {"latent": 32, "sigma": 0.05},
}
PARAMETERS = {
    "simple": 12769,
    "bottleneck": 420742,
    "vae": 86561,
    "subpixel": 3665,
    "subpixel_bottleneck": 412913,
    "subpixel_vae": 97473,
}
LATENT = {"simple": 784, "bottleneck": 261, "vae": 32, "subpixel": 784, "subpixel_bottleneck": 261, "subpixel_vae": 32}
IMAGES = np.random.default_rng(2).random((5, 28, 28, 3))


def build(name: str, *, patch: int = 28, inputs: int = 3, outputs: int = 1, seed: int = 1) -> keras.Model:
    keras.utils.set_random_seed(seed)
    module = import_module(f"stages.networks.{name}")
    return module.build(patch=patch, inputs=inputs, outputs=outputs, **OPTIONS.get(name, {}))


@pytest.fixture(params=list(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_gray_comes_out(name: str) -> None:
    output = np.asarray(build(name)(IMAGES))
    assert output.shape == (5, 28, 28, 1)
    assert output.std() > 0
    assert np.isfinite(output).all()


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 3), (1, 1)])
def test_controls_have_other_channels(name: str, inputs: int, outputs: int) -> None:
    images = IMAGES[..., :inputs]
    assert networks.predict(build(name, inputs=inputs, outputs=outputs), images).shape == (5, 28, 28, outputs)


def test_any_patch_that_divides_by_four_works(name: str) -> None:
    model = build(name, patch=36)
    assert networks.predict(model, np.zeros((1, 36, 36, 3))).shape == (1, 36, 36, 1)


def test_the_number_of_parameters_is_known(name: str) -> None:
    assert build(name).count_params() == PARAMETERS[name]


def test_the_latent_has_the_size_that_params_say(name: str) -> None:
    latent, _ = networks.encode(build(name), IMAGES)
    assert latent.reshape(5, -1).shape[1] == LATENT[name]


@pytest.mark.parametrize(("divisor", "latent"), [(1, 784), (2, 392), (3, 261), (784, 1)])
def test_the_bottleneck_divides_the_latent(divisor: int, latent: int) -> None:
    from stages.networks import bottleneck

    model = bottleneck.build(patch=28, inputs=3, outputs=1, latent_divisor=divisor)
    assert model.get_layer("latent").output.shape == (None, latent)


def test_a_divisor_that_leaves_no_latent_is_refused() -> None:
    from stages.networks import bottleneck

    with pytest.raises(ValueError, match="latent_divisor is 784; for patches of 12 it must be at most 144"):
        bottleneck.build(patch=12, inputs=3, outputs=1, latent_divisor=784)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(name: str) -> None:
    first, second, other = build(name).get_weights(), build(name).get_weights(), build(name, seed=2).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_every_weight_learns(name: str) -> None:
    model = build(name)
    model.compile("sgd", loss=losses.mse)
    before = [np.copy(weight) for weight in model.trainable_variables]
    model.fit(IMAGES, np.zeros((5, 28, 28, 1)), epochs=2, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True)]
    assert all(moved)


def test_a_saved_model_is_the_same_model_and_the_same_bytes(name: str, tmp_path: Path) -> None:
    model = build(name)
    for file in ("a.keras", "b.keras"):
        write_model(tmp_path / file, build(name))
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    loaded = keras.saving.load_model(tmp_path / "a.keras", compile=False, safe_mode=True)
    assert np.array_equal(networks.predict(loaded, IMAGES), networks.predict(model, IMAGES))
    assert sorted(zipfile.ZipFile(tmp_path / "a.keras").namelist()) == [
        "config.json",
        "metadata.json",
        "model.weights.h5",
    ]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.keras", "b.keras"]


def test_moving_to_float64_and_back_keeps_every_weight(name: str) -> None:
    model = build(name)
    double = precision.convert(model, "float64")
    single = precision.convert(double, "float32")
    assert {weight.dtype for weight in double.get_weights() if weight.dtype.kind == "f"} == {np.dtype("float64")}
    assert networks.predict(double, IMAGES) == pytest.approx(networks.predict(model, IMAGES), abs=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), single.get_weights(), strict=True))


def test_settled_weights_lie_on_the_grid_and_hardly_move_the_output(name: str) -> None:
    model = precision.convert(build(name), "float64")
    before = networks.predict(model, IMAGES)
    precision.settle(model)
    weights = [weight for weight in model.get_weights() if weight.dtype.kind == "f"]
    assert all(np.array_equal(weight, np.rint(weight * 2**18) / 2**18) for weight in weights)
    after = networks.predict(model, IMAGES)
    assert not np.array_equal(after, before)
    assert after == pytest.approx(before, abs=1 / 255 / 50)  # of one gray level
    stored = precision.convert(model, "float32")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), stored.get_weights(), strict=True))


def test_the_vae_samples_in_training_and_uses_the_mean_otherwise() -> None:
    model = build("vae")
    assert np.array_equal(model(IMAGES, training=False), model(IMAGES, training=False))
    assert not np.array_equal(model(IMAGES, training=True), model(IMAGES, training=True))


def test_the_vae_tracks_total_reconstruction_and_kl_weighing_partial_batches() -> None:
    model = build("vae")
    model.compile("sgd", loss=losses.mse)
    whole = model.evaluate(IMAGES, IMAGES[..., :1], batch_size=5, verbose=0, return_dict=True)
    partial = model.evaluate(IMAGES, IMAGES[..., :1], batch_size=2, verbose=0, return_dict=True)
    assert set(whole) == {"loss", "reconstruction", "kl"}
    assert whole == pytest.approx(partial, rel=1e-5)
    latent, log_variance = networks.encode(model, IMAGES)
    assert log_variance is not None
    assert whole["kl"] == pytest.approx(probes.kl_nats(latent, log_variance).mean(), rel=1e-5)
    assert whole["loss"] == pytest.approx(whole["reconstruction"] + 2 * 0.05**2 / 784 * whole["kl"], rel=1e-5)
