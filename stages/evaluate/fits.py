"""What an evaluation fits on training and validation patches, chunk by chunk, before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.evaluate import baselines, leakage, methods, probes
from stages.evaluate.chunks import grays, opened, pair, pairs
from stages.evaluate.methods import Subject
from stages.evaluate.moments import of_all

FITS = "fits.npz"


def fit(subject: Subject, folder: Path) -> dict[str, Any]:
    """Fit what the methods of `subject` need into `folder`, and see what they draw where there is nothing to draw.

    Returns:
        `isoluma_contrast` by method; of a variant `latent`, the size of its code, too.
    """
    train = opened(subject.train)
    facts: dict[str, Any] = {}
    if subject.model is None:
        fits = {"conv1x1": baselines.fit_conv1x1(pairs(train))}
    else:
        latent = _encode(subject, *pair(train, np.arange(1)))
        facts["latent"] = int(np.prod(latent.shape[1:]))
        components = min(facts["latent"], train.patch**2, len(train))  # what PCA can give of them
        mean, directions = baselines.fit_pca(grays(train), len(train), components)
        fits = {"components": np.array(components), "pca_mean": mean, "pca_directions": directions}
        if subject.makes == "colour" and latent.ndim == 4:  # (n, rows, columns, channels): it is still an image
            seen = pairs(opened(subject.validation))
            moments = (probes.latent_and_gray(_encode(subject, colour, gray), gray) for colour, gray in seen)
            fits["read_out"] = probes.fit_read_out(of_all(moments))
    np.savez(folder / FITS, allow_pickle=False, **fits)
    facts["isoluma_contrast"] = {
        name: leakage.isoluma_contrast(methods.on_colour(method), train.patch)
        for name, method in methods.of(subject, fits).items()
    }
    return facts


def load(folder: Path) -> Mapping[str, np.ndarray]:
    """What `fit` left in `folder`."""
    with np.load(folder / FITS) as fits:
        return dict(fits)


def _encode(subject: Subject, colour: np.ndarray, gray: np.ndarray) -> np.ndarray:
    assert subject.model
    networks, model = methods.loaded(subject.model, subject.settings.threads)
    return networks.encode(model, subject.see(colour, gray))[0]
