"""Every network has its shape, size, names and gradients, and can be saved; what each promises beyond that."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import scipy.fft

from grayscale import damage
from stages.common import settings
from stages.common.artifacts import ArtifactError, write_json, write_model
from stages.evaluate import networks, probes
from stages.evaluate.networks import predict
from stages.networks import adaptive
from stages.networks.layers import Sampling
from stages.networks.registry import NETWORKS
from stages.train import losses, precision
from stages.train.build import any_size, macs
from tests import samples
from tests.conftest import REPOSITORY

OPTIONS: dict[str, dict[str, Any]] = {
    "bottleneck": {"latent_divisor": 3, "linear": 1},
    "vae": {"latent": 32, "sigma": 0.05},
    "adaptive": {"latent": 261, "sets": 32},
    "denoise": {"channels": 16, "blocks": 1},
}
CHANNELS = {"denoise": 8}  # of the input, if not 3
PARAMETERS = dict(zip(NETWORKS, (12769, 420742, 86561, 1041, 120140, 61193), strict=True))
TRAINABLE = {**PARAMETERS, "adaptive": 3 + 64 * 260, "denoise": 36641}
MACS = dict(zip(NETWORKS, (2822400, 2272032, 1938048, 50176, 147392, 7589120), strict=True))
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
    """The images, with planes of damage if the network sees them."""
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
    """Keras numbers layers and operations without a name by how many were built before."""
    for file, seed in (("a.keras", 1), ("b.keras", 1), ("c.keras", 2)):
        write_model(tmp_path / file, used(build(name, seed=seed)))
    first, same, other = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == same != other
    names = zipfile.ZipFile(tmp_path / "a.keras").namelist()
    assert sorted(names) == ["config.json", "metadata.json", "model.weights.h5"]


def test_every_weight_learns(name: str) -> None:
    model = build(name)
    model.compile("adam", loss=losses.mse, run_eagerly=True)
    before = [np.copy(weight) for weight in model.trainable_variables]
    model.fit(seen(name), np.zeros((5, 28, 28, 1)), epochs=3, verbose=0)  # weights before zeros learn later
    assert not any(np.array_equal(a, b) for a, b in zip(before, model.trainable_variables, strict=True))


def test_a_stored_network_computes_in_float64_and_can_be_converted_back(name: str, tmp_path: Path) -> None:
    stored = used(build(name))
    write_model(tmp_path / "model.keras", stored)
    write_json(tmp_path / "facts.json", facts(name))
    model = networks.load(tmp_path / "model.keras", 28)
    assert {weight.dtype for weight in model.get_weights() if weight.dtype.kind == "f"} == {np.dtype("float64")}
    exact = predict(model, seen(name))
    assert exact.dtype == networks.encode(model, seen(name))[0].dtype == np.float64
    assert exact == pytest.approx(predict(stored, seen(name).astype("float32")), abs=1e-5)
    back = precision.convert(model, "float32")
    assert all(np.array_equal(a, b) for a, b in zip(stored.get_weights(), back.get_weights(), strict=True))


def facts(name: str, **changes: Any) -> dict[str, Any]:
    own = {"input": "colour_damage" if name in CHANNELS else "colour", "network": name, **OPTIONS.get(name, {})}
    recipe = settings.load(REPOSITORY / "params.yaml").train.recipe.model_dump()
    return {"recipe": {**recipe, **own, "device": "cpu", **changes}}


KERNEL, NO_MATCH = "layers/conv2d/vars/0", "no matching group found"  # of `subpixel` in a .keras file


def keras_file(write: Callable[[h5py.File], object]) -> bytes:
    """A .keras file with a hostile config, and weights that a function writes."""
    with io.BytesIO() as content:
        with h5py.File(content, "w") as file:
            write(file)
        with io.BytesIO() as made:
            with zipfile.ZipFile(made, "w") as archive:
                archive.writestr("config.json", b"[" * 100_000)
                archive.writestr("model.weights.h5", content.getvalue())
            return made.getvalue()


@pytest.mark.parametrize(
    ("content", "recipe", "words"),
    [
        (b"PK", {}, "File is not a zip file"),
        (keras_file(lambda file: None), {}, NO_MATCH),
        (keras_file(lambda file: file.create_dataset(KERNEL, data=np.zeros((4, 4, 3, 9)))), {}, NO_MATCH),
        (keras_file(lambda file: file.create_dataset(KERNEL, (10**7, 50), chunks=(99, 50))), {}, "2,000,000,000"),
        (keras_file(lambda file: file.update({KERNEL: h5py.ExternalLink("/etc/passwd", "/")})), {}, NO_MATCH),
        (keras_file(lambda file: file.create_dataset(KERNEL, data=["text"])), {}, NO_MATCH),
        (None, {"network": "vae"}, NO_MATCH),  # a sound file of `subpixel`
        (None, {"input": "gray"}, NO_MATCH),
    ],
)
def test_what_is_not_the_weights_of_its_recipe_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None, recipe: dict[str, str], words: str
) -> None:
    path = tmp_path / "model.keras"
    if content is None:
        write_model(path, build("subpixel"))
    else:
        path.write_bytes(content)
    write_json(tmp_path / "facts.json", facts(recipe.get("network", "subpixel"), **recipe))
    with pytest.raises(ArtifactError, match=f"^{path}: not the weights of its recipe: [^\\n]*{words}[^\\n]*$"):
        networks.load(path, 28)


@pytest.mark.parametrize(
    "wrong", [[], {"recipe": 1}, facts("subpixel", network="os"), facts("denoise", channels=10**9)]
)
def test_wrong_facts_are_refused_in_one_sentence(tmp_path: Path, wrong: Any) -> None:
    write_json(tmp_path / "facts.json", wrong)
    with pytest.raises(ArtifactError, match=f"^{tmp_path}/facts.json: not the facts of a network: [^\\n]*$"):
        networks.load(tmp_path / "model.keras", 28)


LOADING = """
import sys
from pathlib import Path
sys.modules["stages"] = sys.modules["grayscale"] = None  # importing them fails
import keras, numpy as np
images = np.load("images.npy")
for path in sorted(Path().glob("*.keras")):
    model = keras.saving.load_model(path, safe_mode=True)
    found = model(images[..., : model.input_shape[-1]])
    assert np.array_equal(found, np.load(path.with_suffix(".npy"))), path
    print(path.stem)
"""


def test_a_trained_model_loads_and_predicts_the_same_with_keras_alone(tmp_path: Path) -> None:
    everything = seen("denoise").astype("float32")
    np.save(tmp_path / "images.npy", everything)
    for name in NETWORKS:
        model = build(name)
        trained, images = used(model), everything[..., : CHANNELS.get(name, 3)]
        write_model(tmp_path / f"{name}.keras", trained)
        assert np.asarray(trained(images)) == pytest.approx(np.asarray(model(images, training=False)), abs=1e-5)
        np.save(tmp_path / f"{name}.npy", trained(images))
    command = [sys.executable, "-I", "-c", LOADING]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout.split() == sorted(NETWORKS), ended.stderr[-2000:]


# === Images of any size ===


@pytest.mark.parametrize(("name", "options"), [*((name, {}) for name in NETWORKS), ("denoise", {"blocks": 3})])
def test_a_network_for_any_size_declares_its_cell_and_margin(name: str, options: dict[str, int]) -> None:
    precision.use("float64")
    model = build(name, **options)
    shapes = [[weight.shape for weight in each.weights] for each in (model, build(name, patch=36, **options))]
    module = import_module(f"stages.networks.{name}")
    assert hasattr(module, "reach") == (shapes[0] == shapes[1])
    if not hasattr(module, "reach"):
        return
    cell, margin = module.reach(**{**OPTIONS.get(name, {}), **options})
    assert margin % cell == 0
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(weight if np.any(weight) else rng.normal(0, 0.1, weight.shape))  # zeros would hide an influence
    free, side = any_size(model), 2 * margin + 6 * cell
    image = rng.random((1, side, side, CHANNELS.get(name, 3)))
    output, middle = predict(free, image), slice(margin + cell, side - margin - cell)
    other = rng.random(image.shape)
    other[:, cell:-cell, cell:-cell] = image[:, cell:-cell, cell:-cell]
    assert np.array_equal(predict(free, other)[:, middle, middle], output[:, middle, middle])
    tile = predict(free, image[:, cell:-cell, cell:-cell])[:, margin:-margin, margin:-margin]
    np.testing.assert_allclose(tile, output[:, middle, middle], atol=1e-12)
    patch = image[:, :28, :28]
    np.testing.assert_array_equal(predict(free, patch), predict(model, patch))


# === Latents ===


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("bottleneck", {"latent_divisor": 145}, "latent_divisor is 145; for patches of 12 it must be at most 144"),
        ("adaptive", {"latent": 1}, "latent is 1; for patches of 12 it must be 2 to 144"),
        ("adaptive", {"latent": 145}, "latent is 145; for patches of 12 it must be 2 to 144"),
    ],
)
def test_an_impossible_latent_is_refused(name: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(name, patch=12, **options)


@pytest.mark.parametrize("linear", [0, 1])
def test_only_a_linear_latent_has_negative_numbers(linear: int) -> None:
    model = build("bottleneck", linear=linear)
    assert (networks.encode(model, IMAGES)[0].min() < 0) == bool(linear)


# === adaptive ===

KEEP, SETS, SIDE = 20, 6, 12


def small_adaptive(sets: int = SETS) -> adaptive.Adaptive:
    precision.use("float64")
    return build("adaptive", patch=SIDE, latent=KEEP + 1, sets=sets, seed=3)


def test_each_patch_sends_the_coefficients_of_the_set_that_keeps_most_energy() -> None:
    model = small_adaptive()
    scores = model.get_layer("choice").scores
    scores.assign(np.random.default_rng(8).random(scores.shape))  # sets as different as possible
    images = np.random.default_rng(4).random((40, SIDE, SIDE, 3))
    found, wanted = (
        scipy.fft.dctn(gray, norm="ortho", axes=(1, 2)).reshape(40, -1)
        for gray in (np.asarray(model(images))[..., 0], images.mean(axis=3))
    )
    kept = np.asarray(model.get_layer("choice").kept()).astype(bool)
    assert kept.shape == (2 * SETS, SIDE * SIDE)
    assert (kept.sum(axis=1) == KEEP).all()
    turned = kept.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(2, SETS, -1)
    assert np.array_equal(turned[::-1].reshape(kept.shape), kept)  # transposes are also sets
    best = np.argmax(wanted.reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(40, -1) ** 2 @ kept.T, axis=1)
    assert len(set(best)) > SETS
    rows_last = kept[best].reshape(-1, SIDE, SIDE).transpose(0, 2, 1).reshape(40, -1)
    np.testing.assert_allclose(found, wanted * rows_last, atol=1e-12)

    code, _ = networks.encode(model.inference(), images)
    assert code.shape == (40, KEEP + 1)
    assert np.array_equal(code[:, -1], best)
    sent = np.sort(np.take_along_axis(found, np.argsort(-np.abs(found), axis=1)[:, :KEEP], axis=1), axis=1)
    np.testing.assert_allclose(np.sort(code[:, :-1], axis=1), sent, atol=1e-12)
    np.testing.assert_allclose(model.inference()(images), model(images, training=True), atol=1e-12)


def test_sets_learn_to_keep_what_their_patches_miss() -> None:
    """All patches are waves along rows that no set keeps before training."""
    spectrum = np.zeros((64, SIDE, SIDE))
    spectrum[:, 0, 0] = 6
    spectrum[:, 1, 6:] = np.random.default_rng(6).normal(0, 0.3, (64, SIDE - 6))
    gray = scipy.fft.idctn(spectrum, norm="ortho", axes=(1, 2))[..., None]
    colour, model = gray.repeat(3, axis=3), small_adaptive(sets=1)
    model.compile(keras.optimizers.Adam(0.01), loss=losses.log_mse)
    before = float(np.mean(losses.mse(gray, model(colour))))
    model.fit(colour, gray, batch_size=16, epochs=20, verbose=0)
    assert float(np.mean(losses.mse(gray, model(colour)))) < before / 100


# === denoise ===


def test_the_correction_fades_faster_than_the_damage() -> None:
    """A clean photograph is not changed, whatever the network has learned, and a weakly damaged one hardly."""
    model = build("denoise")
    last = model.get_layer("residual")
    last.set_weights([np.random.default_rng(1).normal(0, 0.1, weight.shape) for weight in last.get_weights()])
    ends = [model.get_layer(name).output for name in ("luma", "output", "correction")]
    clean, weak, strong = (
        keras.Model(model.input, ends)(damage.beside(IMAGES, np.array([level, level, 0.0]))) for level in (0, 1, 20)
    )
    luma, output, _ = (np.asarray(image)[..., 0] for image in clean)
    assert luma == pytest.approx(IMAGES @ LUMA, abs=1e-6)
    np.testing.assert_array_equal(output, luma)
    little, much = (np.abs(found[2]).mean() for found in (weak, strong))
    assert 0 < little < 0.02 * much


def test_the_untrained_denoiser_is_far_better_than_luma() -> None:
    rng = np.random.default_rng(1)
    for sigma, gain in ((10, 1.5), (25, 3)):
        photograph = samples.leaves(2, 112, 112)
        noisy = np.rint(np.clip(photograph + rng.normal(0, sigma, photograph.shape), 0, 255)).astype(np.uint8)
        seen = damage.beside(noisy[None] / 255, damage.estimate(noisy))
        target, luma = photograph @ LUMA / 255, noisy @ LUMA / 255
        found = predict(build("denoise", patch=112), seen)[0, ..., 0]
        assert np.square(found - target).mean() < np.square(luma - target).mean() / 10 ** (gain / 10)  # gain in dB


# === vae ===


def test_a_sample_has_the_deviation_of_the_log_variance() -> None:
    keras.utils.set_random_seed(1)
    mean, log_variance = np.full((20000, 2), 3.0), np.log([[4.0, 0.25]]).repeat(20000, axis=0)
    sampling = Sampling()
    drawn = np.asarray(sampling((mean, log_variance), training=True))
    assert drawn.std(axis=0) == pytest.approx([2, 0.5], rel=0.05)
    assert drawn.mean(axis=0) == pytest.approx([3, 3], abs=0.1)
    assert np.array_equal(sampling((mean, log_variance), training=False), mean.astype("float32"))


def test_the_vae_reports_loss_reconstruction_and_kl_weighted_by_batch_size() -> None:
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
