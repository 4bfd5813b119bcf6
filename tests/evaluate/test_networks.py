"""A trained model is run in float64, whatever it was stored in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stages.common.artifacts import write_model
from stages.evaluate import networks
from stages.networks import simple, subpixel, vae
from stages.train import precision

BUILDERS = {
    "simple": simple.build,
    "subpixel": subpixel.build,
    "vae": lambda **sizes: vae.build(latent=4, sigma=0.1, **sizes),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_stored_model_computes_in_float64(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "model.keras", BUILDERS[name](patch=12, inputs=3, outputs=1))
    precision._use("float64")  # as the stage does before it loads
    model = networks.load(tmp_path / "model.keras")
    images = np.random.default_rng(3).random((5, 12, 12, 3))
    assert {weight.dtype for weight in model.get_weights() if weight.dtype.kind == "f"} == {np.dtype("float64")}
    assert networks.predict(model, images).dtype == np.float64
    assert networks.encode(model, images)[0].dtype == np.float64
