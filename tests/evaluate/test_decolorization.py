"""CCPR, CCFR and E-score are those of Lu, Xu and Jia 2014, computed pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_cie76, rgb2lab

from stages.evaluate import decolorization
from stages.evaluate.decolorization import MEASURES, contrast, pairs_of


def test_colours_that_differ_by_a_threshold_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = np.array([[40.0, 3.0, 1.0], [40.0, 3.0, 9.0]])  # no two 8-bit colours are a whole number apart
    monkeypatch.setattr(decolorization, "_lab", lambda photograph: (lab, np.array([[0, 1]])))
    pairs = pairs_of(np.zeros((1, 2, 3), np.uint8), seed=1)
    flat, bold = (contrast(pairs, np.array([gray])) for gray in ([0.5, 0.5], [0.2, 0.8]))
    assert flat["ccpr_neighbours"] == pytest.approx(7 / 15)  # lost for τ = 1 … 8
    assert bold["ccfr_neighbours"] == pytest.approx(7 / 15)  # made up for τ = 8 … 15


def shares(delta: np.ndarray, gamma: np.ndarray) -> list[float]:
    """CCPR, CCFR and E of δ and 10 γ, as the paper writes them."""
    found = []
    for tau in range(1, 16):
        seen, drawn = gamma[delta >= tau], delta[gamma > 10 * tau]
        ccpr = float(np.mean(seen >= 10 * tau)) if len(seen) else 1.0
        ccfr = 1 - float(np.mean(drawn <= tau)) if len(drawn) else 1.0
        found.append([ccpr, ccfr, 2 * ccpr * ccfr / (ccpr + ccfr) if ccpr + ccfr else 0.0])
    return list(np.mean(found, axis=0))


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of a few close colours, and gray in whole thousandths, so that many pairs meet a threshold."""
    height, width, seed = draw(st.integers(1, 6)), draw(st.integers(1, 6)), draw(st.integers(0, 9999))
    generator = np.random.default_rng(seed)
    spread = draw(st.sampled_from([1, 6, 40, 255]))
    photograph = generator.integers(0, spread + 1, (height, width, 3)).astype(np.uint8) + (255 - spread) // 2
    step = draw(st.sampled_from([1, 10]))
    return photograph.astype(np.uint8), generator.integers(0, 300 // step, (height, width)) * step


@given(images(), st.sampled_from([7, decolorization.STRIPE]))
def test_counting_pair_by_pair_gives_the_same(image: tuple[np.ndarray, np.ndarray], stripe: int) -> None:
    photograph, thousandths = image
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decolorization, "STRIPE", stripe)
        pairs = pairs_of(photograph, seed=3)
        found = contrast(pairs, thousandths / 1000)
    lab = rgb2lab(photograph).reshape(-1, 3)
    place = np.arange(thousandths.size).reshape(thousandths.shape)
    one = np.concatenate([place[:, :-1].ravel(), place[:-1].ravel()])
    other = np.concatenate([place[:, 1:].ravel(), place[1:].ravel()])

    def measured(one: np.ndarray, other: np.ndarray) -> list[float]:
        return shares(deltaE_cie76(lab[one], lab[other]), np.abs(np.subtract(*thousandths.ravel()[[one, other]])))

    expected = [*measured(one, other), *measured(pairs.first, pairs.second)]
    assert list(found.values()) == pytest.approx(expected, abs=1e-12)
    assert list(found) == list(MEASURES)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


def test_random_pairs_are_different_pixels_of_the_whole_photograph_and_depend_on_the_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photograph = noise(7, 11, 3)
    pairs = pairs_of(photograph, seed=1)
    assert len(pairs.random) == len(pairs.first) == len(pairs.second) == 2 * 77
    assert (pairs.first != pairs.second).all()
    assert (pairs.first == pairs_of(photograph, seed=1).first).all()
    assert (pairs.first != pairs_of(photograph, seed=2).first).any()
    many = pairs_of(noise(100, 30, 3), seed=1)
    for chosen in (many.first, many.second):
        assert chosen.mean() == pytest.approx(1500, rel=0.05)
        assert 2990 < chosen.max() < 3000
    monkeypatch.setattr(decolorization, "RANDOM_AT_MOST", 50)
    assert len(pairs_of(photograph, seed=1).random) == 50
