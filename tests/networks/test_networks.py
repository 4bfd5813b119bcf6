"""One harness that every network passes: shape, size, names, gradients, saving and loading."""

import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from grayscale import damage
from stages.common.artifacts import write_model
from stages.evaluate import networks, probes
from stages.evaluate.networks import predict
from stages.networks.layers import Sampling
from stages.networks.registry import NETWORKS
from stages.train import losses, precision
from stages.train.build import macs
from tests import leaves

OPTIONS: dict[str, dict[str, Any]] = {
    "bottleneck": {"latent_divisor": 3, "linear": 1},
    "vae": {"latent": 32, "sigma": 0.05},
    "adaptive": {"latent": 261, "sets": 32},
    "denoise": {"channels": 16, "blocks": 1},
}
CHANNELS = {"denoise": 8}  # that a network sees, if not 3
PARAMETERS = dict(zip(NETWORKS, (12769, 420742, 86561, 1041, 120140, 61033), strict=True))
TRAINABLE = {**PARAMETERS, "adaptive": 3 + 64 * 260, "denoise": 36641}
MACS = dict(zip(NETWORKS, (2822400, 2272032, 1938048, 50176, 147392, 7463680), strict=True))
LATENT = dict(zip(NETWORKS, (784, 261, 32, 784, 261, 7 * 7 * 32), strict=True))
LUMA = np.array([0.299, 0.587, 0.114])
IMAGES = np.random.default_rng(2).random((5, 28, 28, 3))


def build(
    name: str, *, patch: int = 28, inputs: int | None = None, outputs: int = 1, seed: int = 1, **options: Any
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    module = import_module(f"stages.networks.{name}")
    inputs = inputs or CHANNELS.get(name, 3)
    return module.build(patch=patch, inputs=inputs, outputs=outputs, **{**OPTIONS.get(name, {}), **options})


def seen(name: str, images: np.ndarray = IMAGES) -> np.ndarray:
    """The images, and how damaged they are if the network is told."""
    return damage.beside(images, np.array([20.0, 15.0, 1.0])) if name in CHANNELS else images


def used(model: keras.Model) -> keras.Model:
    return precision.convert(model.inference() if hasattr(model, "inference") else model, model.variable_dtype)


@pytest.fixture(params=list(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_network_has_its_shape_and_its_size(name: str) -> None:
    model = used(build(name))
    output = np.asarray(model(seen(name)))
    assert output.shape == (5, 28, 28, 1)
    assert np.isfinite(output).all()
    assert output.std() > 0
    assert model.count_params() == PARAMETERS[name]
    assert sum(weight.numpy().size for weight in model.trainable_weights) == TRAINABLE[name]
    assert macs(model) == MACS[name]
    latent, _ = networks.encode(model, seen(name))
    assert latent.reshape(5, -1).shape[1] == LATENT[name]
    assert predict(build(name, patch=36), seen(name, np.zeros((1, 36, 36, 3)))).shape == (1, 36, 36, 1)
    for channels in (1, 3) if name not in CHANNELS else ():  # the controls
        images = IMAGES[..., :channels]
        assert predict(build(name, inputs=channels, outputs=channels), images).shape == images.shape


def test_the_seed_and_it_alone_decides_the_bytes_that_are_saved(name: str, tmp_path: Path) -> None:
    """A layer or an operation without a name would be called by how many were built before."""
    for file, seed in (("a.keras", 1), ("b.keras", 1), ("c.keras", 2)):
        write_model(tmp_path / file, used(build(name, seed=seed)))
    first, same, other = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == same != other
    names = zipfile.ZipFile(tmp_path / "a.keras").namelist()
    assert sorted(names) == ["config.json", "metadata.json", "model.weights.h5"]


def test_every_weight_learns(name: str) -> None:
    model = build(name)
    model.compile("adam", loss=losses.mse, run_eagerly=True)  # sgd would lose its first steps, from zeros, in rounding
    before = [np.copy(weight) for weight in model.trainable_variables]
    model.fit(seen(name), np.zeros((5, 28, 28, 1)), epochs=3, verbose=0)  # what follows zeros learns later
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True))


def test_a_stored_network_computes_in_float64_and_can_be_moved_back(name: str, tmp_path: Path) -> None:
    stored = used(build(name))
    write_model(tmp_path / "model.keras", stored)
    precision._use("float64")  # as the stage does before it loads
    model = networks.load(tmp_path / "model.keras")
    assert {weight.dtype for weight in model.get_weights() if weight.dtype.kind == "f"} == {np.dtype("float64")}
    exact = predict(model, seen(name))
    assert exact.dtype == networks.encode(model, seen(name))[0].dtype == np.float64
    assert exact == pytest.approx(predict(stored, seen(name).astype("float32")), abs=1e-5)
    back = precision.convert(model, "float32")
    assert all(np.array_equal(a, b) for a, b in zip(stored.get_weights(), back.get_weights(), strict=True))


LOADING = """
import sys
from pathlib import Path
sys.modules["stages"] = sys.modules["grayscale"] = None  # `import` of them fails
import keras, numpy as np
images = np.load("images.npy")
for path in sorted(Path().glob("*.keras")):
    model = keras.saving.load_model(path, safe_mode=True)
    found = model(images[..., : model.input_shape[-1]])
    assert np.array_equal(found, np.load(path.with_suffix(".npy"))), path
    print(path.stem)
"""


def test_a_trained_model_loads_and_predicts_the_same_where_only_keras_is(tmp_path: Path) -> None:
    everything = seen("denoise").astype("float32")
    np.save(tmp_path / "images.npy", everything)
    for name in NETWORKS:
        model = build(name)
        trained, images = used(model), everything[..., : CHANNELS.get(name, 3)]
        write_model(tmp_path / f"{name}.keras", trained)
        assert np.asarray(trained(images)) == pytest.approx(np.asarray(model(images, training=False)), abs=1e-5)
        np.save(tmp_path / f"{name}.npy", trained(images))
    ended = subprocess.run(
        [sys.executable, "-I", "-c", LOADING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.stdout.split() == sorted(NETWORKS), ended.stderr[-2000:]


def test_a_divisor_leaves_at_least_one_number() -> None:
    assert build("bottleneck", patch=12, latent_divisor=144).get_layer("latent").output.shape[1] == 1
    with pytest.raises(ValueError, match="latent_divisor is 145; for patches of 12 it must be at most 144"):
        build("bottleneck", patch=12, latent_divisor=145)


@pytest.mark.parametrize("linear", [0, 1])
def test_only_a_linear_latent_has_negative_numbers(linear: int) -> None:
    model = build("bottleneck", linear=linear)
    assert (networks.encode(model, IMAGES)[0].min() < 0) == bool(linear)


# === Damage ===


def test_denoise_corrects_luma_in_proportion_to_the_damage_it_is_told() -> None:
    """So a clean photograph can not be harmed, whatever the network has learned."""
    model = build("denoise")
    last = model.get_layer("residual")
    last.set_weights([np.random.default_rng(1).normal(0, 0.1, weight.shape) for weight in last.get_weights()])
    luma = np.asarray(keras.Model(model.input, model.get_layer("luma").output)(seen("denoise")))
    assert luma[..., 0] == pytest.approx(IMAGES @ LUMA, abs=1e-6)
    sizes = []
    for level in (0, 0.1, 10):
        found = np.asarray(model(damage.beside(IMAGES, np.array([level, level, 0.0]))))
        sizes.append(np.abs(found - luma).max())
    assert sizes[0] == 0
    assert sizes[1] < 0.05 * sizes[2]


def test_denoise_begins_as_a_filter_that_is_far_better_than_luma() -> None:
    rng = np.random.default_rng(1)
    for sigma, gain in ((10, 1.5), (25, 3)):
        photograph = leaves.photograph(2, 112, 112)
        noisy = np.rint(np.clip(photograph + rng.normal(0, sigma, photograph.shape), 0, 255)).astype(np.uint8)
        seen = damage.beside(noisy[None] / 255, damage.estimate(noisy))
        target, luma = photograph @ LUMA / 255, noisy @ LUMA / 255
        found = predict(build("denoise", patch=112), seen)[0, ..., 0]
        assert np.square(found - target).mean() < np.square(luma - target).mean() / 10 ** (gain / 10)  # gain in dB


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
