"""The evaluation of one thing, the baselines or a variant, as values in memory: tables, facts and pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from stages.evaluate import baselines, measures, pictures, probes, scores
from stages.targets import patches
from stages.targets.patches import PatchSet, to_unit


@dataclass(frozen=True)
class Photograph:
    """One whole test photograph, colour `(height, width, 3)` and gray `(height, width, 1)` uint8, to be rebuilt."""

    colour: np.ndarray
    gray: np.ndarray

    def cut(self, kind: str, patch: int) -> tuple[np.ndarray, np.ndarray]:
        """All patches side by side `(n, patch, patch, channels)` in [0, 1], and their corners."""
        image = getattr(self, kind)
        corners = patches.grid(image.shape[0], image.shape[1], patch, patch)
        return to_unit(patches.cut(image, corners, patch)), corners


@dataclass
class Evaluation:
    """What an evaluation found: a row per method and test patch, facts for the summary, pictures by file name."""

    test: PatchSet
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, method: str, outputs: np.ndarray) -> None:
        """Score `(n, side, side)`, or `(n, side, side, 3)`, against the gray targets of the test patches."""
        self.tables[method] = scores.per_patch(self.test.index, method, gray_of(self.test), outputs)

    def summary(self) -> dict[str, Any]:
        return {**self.facts, "scores": {name: scores.summarise(table) for name, table in self.tables.items()}}


def gray_of(split: PatchSet) -> np.ndarray:
    """The targets of a patch set as `(n, side, side)` in [0, 1]."""
    return to_unit(split.read("gray"))[..., 0]


def of_baselines(train: PatchSet, test: PatchSet, photograph: Photograph) -> Evaluation:
    """The closed forms and the 1 × 1 convolution fitted on `train`; the pictures are what each variant starts from."""
    conv1x1 = baselines.fit_conv1x1(to_unit(train.read("colour")), gray_of(train))
    colour = to_unit(test.read("colour"))
    result = Evaluation(test)
    for name, method in {**baselines.CLOSED_FORMS, "conv1x1": conv1x1}.items():
        result.add(name, method(colour))
    for kind in ("colour", "gray"):
        cut, corners = photograph.cut(kind, test.patch)
        result.pictures[f"photograph_{kind}"] = pictures.to_levels(patches.join(cut, corners))
    return result


def of_variant(
    name: str,
    model: Any,
    trained: dict[str, Any],
    splits: dict[str, PatchSet],
    photograph: Photograph,
    picture_rows: int,
) -> Evaluation:
    """A trained network beside PCA at its latent size, with the probes that apply to it.

    Args:
        name: of the variant.
        model: its float64 network.
        trained: the facts that training left: recipe, parameters, epochs.
        splits: train (to fit PCA), validation (to choose read-outs) and test.
        photograph: to rebuild as a picture.
        picture_rows: patches per group in the picture of patches.
    """
    from stages.evaluate import networks

    test, kind = splits["test"], trained["recipe"]["input"]
    result = Evaluation(test, facts={key: trained[key] for key in ("parameters", "epochs")})
    output = networks.predict(model, to_unit(test.read(kind)))
    latent, log_variance = networks.encode(model, to_unit(test.read(kind)))
    result.facts["latent"] = int(np.prod(latent.shape[1:]))
    components = min(result.facts["latent"], test.patch**2)  # more than one number per pixel is no code
    to_gray = trained["recipe"]["target"] == "gray"

    result.add(name, output[..., 0] if to_gray else output)
    result.add(f"pca_{components}", baselines.fit_pca(gray_of(splits["train"]), components)(gray_of(test)))
    if log_variance is not None:
        result.facts["kl_nats"] = probes.kl_nats(latent, log_variance)
        result.facts["active_units"] = probes.active_units(latent)
    if not to_gray:
        result.add(f"{name}_luma", baselines.luma(output))
        if latent.ndim == 4:  # (n, rows, columns, channels): the latent is still an image
            validation = splits["validation"]
            seen, _ = networks.encode(model, to_unit(validation.read(kind)))
            result.add(f"{name}_latent_channel", probes.LatentReadOut(seen, gray_of(validation))(latent, test.patch))
        result.facts["chroma_of_input"] = float(measures.chroma(to_unit(test.read("colour"))).mean())
        result.facts["chroma_of_output"] = float(measures.chroma(output).mean())

    shown = output if not to_gray else output[..., 0]
    ssim = result.tables[name]["ssim"].to_numpy()
    colour = to_unit(test.read("colour"))
    result.pictures["patches"] = pictures.patch_sheet(colour, gray_of(test), shown, ssim, picture_rows)
    cut, corners = photograph.cut(kind, test.patch)
    result.pictures["photograph"] = pictures.to_levels(patches.join(networks.predict(model, cut), corners))
    return result
