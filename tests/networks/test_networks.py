"""One harness that every network passes: shape, size, names, gradients, saving and loading."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from grayscale.networks import predict
from stages.common.artifacts import write_model
from stages.evaluate import networks, probes
from stages.networks.layers import Sampling
from stages.networks.registry import NETWORKS
from stages.train import losses, precision

OPTIONS: dict[str, dict[str, Any]] = {
    "bottleneck": {"latent_divisor": 3},
    "vae": {"latent": 32, "sigma": 0.05},
    "subpixel_bottleneck": {"latent_divisor": 3},
    "subpixel_vae": {"latent": 32, "sigma": 0.05},
}
PARAMETERS = dict(zip(NETWORKS, (12769, 420742, 86561, 3665, 412913, 97473), strict=True))
LATENT = dict(zip(NETWORKS, (784, 261, 32, 784, 261, 32), strict=True))
IMAGES = np.random.default_rng(2).random((5, 28, 28, 3))


def build(name: str, *, patch: int = 28, inputs: int = 3, outputs: int = 1, seed: int = 1) -> keras.Model:
    keras.utils.set_random_seed(seed)
    module = import_module(f"stages.networks.{name}")
    return module.build(patch=patch, inputs=inputs, outputs=outputs, **OPTIONS.get(name, {}))


@pytest.fixture(params=list(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_network_has_its_shape_and_its_size(name: str) -> None:
    model = build(name)
    output = np.asarray(model(IMAGES))
    assert output.shape == (5, 28, 28, 1)
    assert np.isfinite(output).all()
    assert output.std() > 0
    assert model.count_params() == PARAMETERS[name]
    latent, _ = networks.encode(model, IMAGES)
    assert latent.reshape(5, -1).shape[1] == LATENT[name]
    assert predict(build(name, patch=36), np.zeros((1, 36, 36, 3))).shape == (1, 36, 36, 1)
    for channels in (1, 3):  # the controls
        images = IMAGES[..., :channels]
        assert predict(build(name, inputs=channels, outputs=channels), images).shape == images.shape


def test_the_seed_and_it_alone_decides_the_bytes_that_are_saved(name: str, tmp_path: Path) -> None:
    """A layer without a name would be called by how many were built before."""
    for file, seed in (("a.keras", 1), ("b.keras", 1), ("c.keras", 2)):
        write_model(tmp_path / file, build(name, seed=seed))
    first, same, other = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == same != other
    names = zipfile.ZipFile(tmp_path / "a.keras").namelist()
    assert sorted(names) == ["config.json", "metadata.json", "model.weights.h5"]


def test_every_weight_learns(name: str) -> None:
    model = build(name)
    model.compile("sgd", loss=losses.mse)
    before = [np.copy(weight) for weight in model.trainable_variables]
    model.fit(IMAGES, np.zeros((5, 28, 28, 1)), epochs=2, verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True))


def test_settled_weights_lie_on_the_grid_hardly_move_the_output_and_fit_into_float32(name: str) -> None:
    model = precision.convert(build(name), "float64")
    assert {weight.dtype for weight in model.get_weights() if weight.dtype.kind == "f"} == {np.dtype("float64")}
    before = predict(model, IMAGES)
    precision.settle(model)
    weights = [weight for weight in model.get_weights() if weight.dtype.kind == "f"]
    assert all(np.array_equal(weight, np.rint(weight * 2**18) / 2**18) for weight in weights)
    after = predict(model, IMAGES)
    assert not np.array_equal(after, before)
    assert after == pytest.approx(before, abs=1 / 255 / 50)  # of one gray level
    stored = precision.convert(model, "float32")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), stored.get_weights(), strict=True))
    assert predict(stored, IMAGES) == pytest.approx(after, abs=1e-5)


LOADING = """
import sys
from pathlib import Path
sys.modules["stages"] = sys.modules["grayscale"] = None  # `import` of them fails
import keras, numpy as np
images = np.load("images.npy")
for path in sorted(Path().glob("*.keras")):
    found = keras.saving.load_model(path, safe_mode=True)(images)
    assert np.array_equal(found, np.load(path.with_suffix(".npy"))), path
    print(path.stem)
"""


def test_a_trained_model_loads_and_predicts_the_same_where_only_keras_is(tmp_path: Path) -> None:
    images = IMAGES.astype("float32")
    np.save(tmp_path / "images.npy", images)
    for name in NETWORKS:
        model = build(name)
        trained = model.inference() if hasattr(model, "inference") else model
        write_model(tmp_path / f"{name}.keras", trained)
        assert np.array_equal(trained(images), model(images, training=False))
        np.save(tmp_path / f"{name}.npy", trained(images))
    ended = subprocess.run(
        [sys.executable, "-I", "-c", LOADING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stdout.split() == sorted(NETWORKS), ended.stderr[-2000:]


@pytest.mark.parametrize("name", ["bottleneck", "subpixel_bottleneck"])
def test_a_divisor_leaves_at_least_one_number(name: str) -> None:
    network = import_module(f"stages.networks.{name}")
    assert network.build(patch=12, inputs=3, outputs=1, latent_divisor=144).get_layer("latent").output.shape[1] == 1
    with pytest.raises(ValueError, match="latent_divisor is 145; for patches of 12 it must be at most 144"):
        network.build(patch=12, inputs=3, outputs=1, latent_divisor=145)


# === Variational ===


def test_a_sample_has_the_deviation_that_the_log_variance_says() -> None:
    keras.utils.set_random_seed(1)
    mean, log_variance = np.full((20000, 2), 3.0), np.log([[4.0, 0.25]]).repeat(20000, axis=0)
    sampling = Sampling()
    samples = np.asarray(sampling((mean, log_variance), training=True))
    assert samples.std(axis=0) == pytest.approx([2, 0.5], rel=0.05)
    assert samples.mean(axis=0) == pytest.approx([3, 3], abs=0.1)
    assert np.array_equal(sampling((mean, log_variance), training=False), mean.astype("float32"))


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
