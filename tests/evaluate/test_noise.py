"""Noise has the kind and strength that it is asked for; smoothness compares total variation."""

import cv2
import numpy as np
import pytest

from stages.evaluate import measures, noise
from tests import leaves

RNG = np.random.default_rng(19)
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
    patches = np.stack([leaves.photograph(seed, 28, 28) for seed in range(3)])
    found = 255 * noise.noisy(patches / 255, "jpeg", quality, [1, 0])
    for patch, compressed in zip(patches, found, strict=True):
        _, data = cv2.imencode(".jpg", patch[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        assert compressed == pytest.approx(decoded[..., ::-1], abs=1)


def smoothness(targets: np.ndarray, planes: np.ndarray) -> float:
    return noise.smoothness(noise.variation(planes) / len(targets), noise.variation(targets[None]) / len(targets))


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
