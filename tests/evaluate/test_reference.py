"""What is expected of a method of some error is what the DCT of that error has."""

from __future__ import annotations

import numpy as np
import pytest

from stages.evaluate import baselines, measures, reference

TARGETS = np.random.default_rng(3).integers(0, 256, (5, 12, 12)) / 255


def test_codes_are_powers_of_two_below_the_pixels_and_rounded() -> None:
    assert reference.sizes(144) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert reference.sizes(256)[-1] == 128
    found = reference.outputs(TARGETS)
    assert found.shape == (8, 5, 12, 12)
    assert 255 * found[0] == pytest.approx(np.rint(255 * TARGETS.mean(axis=(1, 2)))[:, None, None] + 0 * TARGETS)
    code = np.clip(baselines.dct(TARGETS, 64, radial=True), 0, 1)
    assert found[6] == pytest.approx(code, abs=0.51 / 255)
    errors = [measures.mse(TARGETS, plane).mean() for plane in found]
    assert errors == sorted(errors, reverse=True)


def test_values_are_read_at_the_same_root_mean_squared_error() -> None:
    errors, values = np.array([0.16, 0.04, 0.01]), np.array([8.0, 6.0, 1.0])  # roots 0.4, 0.2 and 0.1
    expected = {0: 0.5, 0.0025: 0.75, 0.01: 1, 0.0225: 3.5, 0.09: 7, 0.16: 8, 1: 8}
    assert {mse: reference.at(mse, errors, values, exact=0.5) for mse in expected} == pytest.approx(expected)
