"""Lost detail is told at the spatial frequency where it is lost."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate import frequency

RNG = np.random.default_rng(17)


def errors(targets: np.ndarray, outputs: np.ndarray) -> list[float]:
    error, target = frequency.energies(outputs - targets), frequency.energies(targets)
    return frequency.bands("m", error, target, targets.size)["relative_error_db"].tolist()


@pytest.mark.parametrize("side", [12, 28, 36])
def test_bands_add_up_to_the_energy_of_the_images_without_their_means(side: int) -> None:
    images = RNG.random((7, side, side))
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    assert frequency.energies(images).sum() == pytest.approx(np.square(centred).sum())
    assert (frequency.energies(images) > 0).all()  # no band is empty


def test_a_wave_lies_in_the_band_of_its_frequency() -> None:
    side, pixel = 28, np.arange(28) + 0.5
    for halves in (1, 5, 10, 27):  # half waves per patch: a basis function of the DCT-II
        wave = np.tile(np.cos(np.pi * halves * pixel / side), (side, 1))
        energies = frequency.energies(wave[None])
        band = int(energies.argmax())
        assert frequency.EDGES[band] <= halves / (2 * side) < frequency.EDGES[band + 1]
        assert energies[band] == pytest.approx(np.square(wave).sum())
        assert np.delete(energies, band) == pytest.approx(np.zeros(7), abs=1e-9)


def test_rows_and_columns_count_alike_and_a_checkerboard_is_beyond_both() -> None:
    images = RNG.random((3, 12, 12))
    assert frequency.energies(images) == pytest.approx(frequency.energies(images.transpose(0, 2, 1)))
    checkerboard = np.indices((12, 12)).sum(axis=0)[None] % 2
    assert int(frequency.energies(checkerboard).argmax()) == 7
    assert frequency.radial_frequency(28)[3, 4] == pytest.approx(5 / 56)


def test_errors_are_relative_to_the_detail_and_finite() -> None:
    targets, flat = RNG.random((5, 12, 12)), np.full((5, 12, 12), 0.5)
    assert errors(targets, 0.9 * targets) == pytest.approx([-20] * 8)  # a tenth of the amplitude
    for same in (targets, targets + 0.2):  # another mean loses no detail
        assert errors(targets, same) == [frequency.FLOOR] * 8
    assert errors(flat, flat) == [frequency.FLOOR] * 8
    assert np.isfinite(errors(flat, targets)).all()
    table = frequency.bands("m", np.ones(8), np.ones(8), 1)
    assert (table["low"][1:].to_numpy() == table["high"][:-1].to_numpy()).all()
