"""Probes: spatial frequencies of the error, the code of equal error, the latent, noise and smoothness."""

import cv2
import numpy as np
import pytest

from stages.evaluate import baselines, measures, noise, probes
from stages.evaluate.chunks import Moments, of_all
from tests import samples

RNG = np.random.default_rng(17)
TARGETS = np.random.default_rng(3).integers(0, 256, (5, 12, 12)) / 255


# === Spatial frequency ===


def errors(targets: np.ndarray, outputs: np.ndarray) -> list[float]:
    error, target = probes.energies(outputs - targets), probes.energies(targets)
    return probes.bands("m", error, target, targets.size)["relative_error_db"].tolist()


def test_a_wave_is_in_the_band_of_its_frequency_and_a_checkerboard_in_the_last() -> None:
    side, pixel = 28, np.arange(28) + 0.5
    for halves in (1, 5, 10, 27):  # half waves per patch: a basis function of the DCT-II
        wave = np.tile(np.cos(np.pi * halves * pixel / side), (side, 1))
        energies = probes.energies(wave[None])
        band = int(energies.argmax())
        assert probes.EDGES[band] <= halves / (2 * side) < probes.EDGES[band + 1]
        assert energies[band] == pytest.approx(np.square(wave).sum())
        assert np.delete(energies, band) == pytest.approx(np.zeros(7), abs=1e-9)
        assert probes.energies(wave.T[None]) == pytest.approx(energies, abs=1e-9)
    checkerboard = np.indices((12, 12)).sum(axis=0)[None] % 2
    assert int(probes.energies(checkerboard).argmax()) == 7


def test_errors_are_relative_to_the_target_and_finite() -> None:
    targets, flat = RNG.random((5, 12, 12)), np.full((5, 12, 12), 0.5)
    assert errors(targets, 0.9 * targets) == pytest.approx([-20] * 8)  # a tenth of the amplitude
    for same in (targets, targets + 0.2):  # the mean does not count
        assert errors(targets, same) == [probes.FLOOR] * 8
    assert errors(flat, flat) == [probes.FLOOR] * 8
    assert np.isfinite(errors(flat, targets)).all()
    table = probes.bands("m", np.ones(8), np.ones(8), 1)
    assert (table["low"][1:].to_numpy() == table["high"][:-1].to_numpy()).all()


# === The code of equal error ===


def test_sizes_of_codes_are_powers_of_two_below_the_pixels_and_outputs_are_rounded() -> None:
    assert len(probes.codes_of(np.zeros((1, 16, 16)))) == 8  # 1 … 128, not 256
    found = probes.codes_of(TARGETS)
    assert found.shape == (8, 5, 12, 12)
    assert 255 * found[0] == pytest.approx(np.rint(255 * TARGETS.mean(axis=(1, 2)))[:, None, None] + 0 * TARGETS)
    code = np.clip(baselines.dct(TARGETS, 64, radial=True), 0, 1)
    assert found[6] == pytest.approx(code, abs=0.51 / 255)
    errors = [measures.mse(TARGETS, plane).mean() for plane in found]
    assert errors == sorted(errors, reverse=True)


def test_values_are_interpolated_at_the_root_mean_squared_error() -> None:
    errors, values = np.array([0.16, 0.04, 0.01]), np.array([8.0, 6.0, 1.0])  # roots 0.4, 0.2 and 0.1
    expected = {0: 0.5, 0.0025: 0.75, 0.01: 1, 0.0225: 3.5, 0.09: 7, 0.16: 8, 1: 8}
    assert {mse: probes.at_error(mse, errors, values, exact=0.5) for mse in expected} == pytest.approx(expected)


# === Latents ===


def test_moments_of_chunks_are_those_of_all_rows_far_from_zero() -> None:
    rows = 1e6 + RNG.normal(0, 1e-2, (500, 3)) @ RNG.normal(0, 1, (3, 3))
    found = of_all(Moments.of(part) for part in np.split(rows, [1, 2, 300]))
    assert found.count == 500
    assert found.mean == pytest.approx(rows.mean(axis=0), rel=1e-14)
    assert found.scatter / 500 == pytest.approx(np.cov(rows.T, ddof=0), rel=1e-6)


def test_kl_is_zero_at_the_prior_and_known_elsewhere_and_a_collapsed_unit_is_not_active() -> None:
    assert probes.kl_nats(np.zeros((4, 3)), np.zeros((4, 3))).tolist() == [0] * 4
    assert probes.kl_nats(np.full((4, 2), 2.0), np.zeros((4, 2))) == pytest.approx(np.full(4, 4.0))  # ½ μ² per unit
    mean = np.stack([np.linspace(-1, 1, 50), np.zeros(50), np.full(50, 3.0)], axis=1)
    assert probes.active_units(Moments.of(mean)) == 1


def test_the_latent_read_out_is_the_least_squares_line_through_pixels() -> None:
    latent, targets = RNG.random((30, 3, 4, 2)), RNG.random((30, 12, 12))
    latent[..., 1] += 5 * targets.reshape(30, 3, 4, 4, 3).mean(axis=(2, 4))
    parts = (probes.latent_and_gray(latent[part], targets[part]) for part in (slice(3), slice(3, None)))
    channel, *line = probes.fit_read_out(of_all(parts))
    lines = [
        np.polyfit(plane.repeat(4, 1).repeat(3, 2).ravel(), targets.ravel(), 1) for plane in np.moveaxis(latent, 3, 0)
    ]
    assert channel == 1
    assert line == pytest.approx(lines[1])


# === Noise, and how smooth an output is ===

GRAY = np.full((200, 28, 28, 3), 128 / 255)
EDGES = np.tile([0.0, 1.0], (4, 12, 6))[..., None].repeat(3, axis=3)


@pytest.mark.parametrize(
    ("kind", "level", "deviation"),
    [("gaussian", 10, 10), ("correlated", 10, 10), ("poisson", 100, 255 * np.sqrt(128 / 255 / 100))],
)
def test_noise_has_its_strength_and_kind_and_depends_on_seed_and_chunk(kind: str, level: int, deviation: float) -> None:
    noisy, same, *others = (noise.noisy(GRAY, kind, level, seed) for seed in ([1, 0], [1, 0], [1, 1], [2, 0]))
    found = 255 * (noisy - GRAY)
    assert found.std() == pytest.approx(deviation, rel=0.01)
    assert found.mean() == pytest.approx(0, abs=0.1)
    channels = np.corrcoef(found.reshape(-1, 3).T)[np.triu_indices(3, 1)]
    assert channels == pytest.approx(np.full(3, float(kind == "correlated")), abs=0.02)
    for near, far in ((found[:, 1:], found[:, :-1]), (found[:, :, 1:], found[:, :, :-1])):
        assert np.corrcoef(near.ravel(), far.ravel())[0, 1] == pytest.approx(0, abs=0.02)
    if kind == "gaussian":
        assert np.mean(np.abs(found) < 10.5) == pytest.approx(0.7063, abs=0.005)
        expected = np.rint(128 + 10 * np.random.default_rng([1, 0]).standard_normal(GRAY.shape))
        assert 255 * noisy == pytest.approx(expected)  # rounded to 8 bits
    assert (noisy == same).all()
    assert all(abs(np.corrcoef(noisy.ravel(), other.ravel())[0, 1]) < 0.1 for other in others)
    clipped = noise.noisy(EDGES, kind, 50, [1, 0])
    assert (clipped.min(), clipped.max()) == (0, 1)
    assert (clipped[EDGES == 0] == 0).all() == (kind == "poisson")  # black has no photons


@pytest.mark.parametrize("quality", [10, 30])
def test_jpeg_agrees_with_another_encoder(quality: int) -> None:
    patches = np.stack([samples.leaves(seed, 28, 28) for seed in range(3)])
    found = 255 * noise.noisy(patches / 255, "jpeg", quality, [1, 0])
    for patch, compressed in zip(patches, found, strict=True):
        _, data = cv2.imencode(".jpg", patch[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        assert compressed == pytest.approx(decoded[..., ::-1], abs=1)


def smoothness(targets: np.ndarray, planes: np.ndarray) -> float:
    return probes.smoothness(probes.variation(planes) / len(targets), probes.variation(targets[None]) / len(targets))


def test_smoothness_is_a_ratio_of_means_over_patches_and_finite_for_flat_images() -> None:
    targets = RNG.random((6, 12, 12)) * np.linspace(0.1, 1, 6)[:, None, None]
    assert smoothness(targets, 0.25 * targets[None] + 0.5) == pytest.approx(0.25)
    assert smoothness(targets, np.stack([targets, targets, 0 * targets])) == pytest.approx(2 / 3)
    last_only = targets * (np.arange(6) == 5)[:, None, None]
    expected = measures.total_variation(targets)[5] / measures.total_variation(targets).sum()
    assert smoothness(targets, last_only[None]) == pytest.approx(expected)
    flat = np.full((6, 12, 12), 0.5)
    assert smoothness(targets, flat[None] + RNG.uniform(0, 1e-12, (1, 6, 12, 12))) == 0
    assert smoothness(flat, flat[None]) == 0
    assert np.isfinite(smoothness(flat, RNG.random((1, 6, 12, 12))))
