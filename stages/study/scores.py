"""What a run is measured by: the scores of its network and of PCA on every split, and what its latent holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from stages.common.settings import Variant
from stages.evaluate import baselines, probes, scores
from stages.evaluate.chunks import grays, pairs
from stages.evaluate.moments import Moments, of_all
from stages.formats.patches import PatchSet


def measured(model: Any, variant: Variant, splits: Mapping[str, PatchSet]) -> dict[str, Any]:
    """Latent size, scores of a float64 network and of PCA at that size on every split, and probes of a VAE's latent.

    Args:
        model: the network.
        variant: its `input` says what it sees.
        splits: train, on which PCA is fitted, validation and test; the latent is that of test.
    """
    from stages.evaluate import networks

    def see(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return colour if variant.input == "colour" else gray[..., None]

    train = splits["train"]
    size = int(np.prod(networks.encode(model, see(*next(pairs(train)))[:1])[0].shape[1:]))
    components = min(size, train.patch**2, len(train))  # more than fit_pca can give are no code
    mean, directions = baselines.fit_pca(grays(train), len(train), components)

    def network(colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return networks.predict(model, see(colour, gray))

    def pca(_: np.ndarray, gray: np.ndarray) -> np.ndarray:
        return baselines.pca(gray, mean, directions)

    return {
        "latent": size,
        "scores": {split: _means(network, patches) for split, patches in splits.items()},
        "pca": {"components": components, **{split: _means(pca, patches) for split, patches in splits.items()}},
        **(_of_latent(model, see, splits["test"]) if networks.is_variational(model) else {}),
    }


def _means(method: Callable[[np.ndarray, np.ndarray], np.ndarray], split: PatchSet) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM of a method over the patches of a split."""
    chunks = (scores.measure(gray, scores.planes(gray, method(colour, gray))) for colour, gray in pairs(split))
    averages = np.concatenate(list(chunks)).mean(axis=0)
    return {measure: float(averages[scores.MEASURES.index(measure)]) for measure in ("psnr", "ssim")}


def _of_latent(model: Any, see: Callable[[np.ndarray, np.ndarray], np.ndarray], split: PatchSet) -> dict[str, Any]:
    from stages.evaluate import networks

    nats, moments = [], []
    for colour, gray in pairs(split):
        mean, log_variance = networks.encode(model, see(colour, gray))
        assert log_variance is not None
        nats.append(probes.kl_nats(mean, log_variance))
        moments.append(Moments.of(mean))
    return {"kl_nats": float(np.concatenate(nats).mean()), "active_units": probes.active_units(of_all(moments))}
