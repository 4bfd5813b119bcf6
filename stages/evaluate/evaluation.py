"""The evaluation of one thing, the baselines or a variant, as values in memory: tables, facts and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from stages.evaluate import (
    baselines,
    decolorization,
    frequency,
    intervals,
    leakage,
    measures,
    noise,
    pictures,
    probes,
    scores,
    tiles,
)
from stages.evaluate.baselines import Method
from stages.evaluate.decolorization import Pairs
from stages.fetch.container import Container
from stages.settings import Evaluate, Targets
from stages.targets import patches
from stages.targets.conversions import CONVERSIONS
from stages.targets.patches import PatchSet, to_unit


@dataclass(frozen=True)
class Photograph:
    """One whole test photograph.

    Attributes:
        name: in the manifest, as is `domain`.
        colour: `(height, width, 3)` uint8.
        conversion: the key of `CONVERSIONS` that makes its target.
    """

    name: str
    domain: str
    colour: np.ndarray
    conversion: str

    @cached_property
    def gray(self) -> np.ndarray:
        """The target, `(height, width, 1)` uint8."""
        return CONVERSIONS[self.conversion](self.colour)[..., None]

    def cut(self, kind: str, patch: int) -> tuple[np.ndarray, np.ndarray]:
        """All patches side by side `(n, patch, patch, channels)` in [0, 1], and their corners."""
        image = getattr(self, kind)
        corners = patches.grid(image.shape[0], image.shape[1], patch, patch)
        return to_unit(patches.cut(image, corners, patch)), corners


@dataclass
class Evaluation:
    """What an evaluation found: tables by method, facts for the summary, pictures by file name.

    Attributes:
        test: the test patches.
        settings: levels of noise, resamples of the intervals, and the seed of both and of random pairs of pixels.
        methods: how each converts, from patch to patch.
        tables: a row per test patch.
        bands: a row per band of spatial frequency.
        contrast: rows, one per method and whole test photograph.
        conversions: rows, one per standard conversion and whole test photograph, for the baselines alone.
        probes: interval and probes, what the summary says of a method beside its scores.
        facts: what it says beside the methods.
        pictures: `(height, width, channels)` uint8.
    """

    test: PatchSet
    settings: Evaluate
    methods: dict[str, Method] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    bands: dict[str, pd.DataFrame] = field(default_factory=dict)
    contrast: list[dict[str, Any]] = field(default_factory=list)
    conversions: list[dict[str, Any]] = field(default_factory=list)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, method: str, outputs: np.ndarray, convert: Method) -> None:
        """Score and probe a method against the gray targets of the test patches.

        Args:
            method: its name.
            outputs: of the test patches: `(n, side, side)`, or `(n, side, side, 3)`, which scores and probes take
                channel by channel and average.
            convert: the method itself, for input that is noisy, synthetic or a whole photograph: colour
                `(n, side, side, 3)` in [0, 1] to the shape of `outputs`.
        """
        index, settings = self.test.index, self.settings
        colour, targets = to_unit(self.test.read("colour")), gray_of(self.test)
        table = scores.per_patch(index, method, targets, outputs)
        planes = scores.planes(targets, outputs)
        residuals = planes - targets
        self.methods[method] = convert
        self.tables[method] = table
        self.bands[method] = frequency.bands(method, targets, residuals)
        self.probes[method] = {
            "interval": intervals.of_means(table, settings.bootstrap, settings.seed),
            "probes": {
                **leakage.of_residuals(index["photo"].to_numpy(), colour, residuals),
                "isoluma_contrast": leakage.isoluma_contrast(convert, self.test.patch),
                "smoothness": noise.smoothness(targets, planes),
                "noise": noise.under_noise(convert, index, colour, targets, settings.noise_levels, settings.seed),
            },
        }

    def add_photograph(self, photograph: Photograph, pairs: Pairs) -> None:
        """Convert a whole photograph by every method, and tell how much of its contrast each keeps."""
        for method, convert in self.methods.items():
            output = tiles.whole(convert, photograph.colour, self.test.patch)
            self.contrast.append({"method": method, **of_whole(photograph, pairs, output)})

    def summary(self) -> dict[str, Any]:
        found = {name: {**scores.summarise(table), **self.probes[name]} for name, table in self.tables.items()}
        return {**self.facts, "scores": found}


def gray_of(split: PatchSet) -> np.ndarray:
    """The targets of a patch set as `(n, side, side)` in [0, 1]."""
    return to_unit(split.read("gray"))[..., 0]


def whole_photographs(photos: Container, settings: Targets, megapixels: float) -> Iterator[Photograph]:
    """The first test photographs that hold a patch, as many as have `megapixels` and at least one; one at a time."""
    large = photos.manifest[["height", "width"]].min(axis=1) >= settings.patch
    table = photos.manifest[large].query("split == 'test'")
    before = (table["height"] * table["width"]).cumsum().shift(fill_value=0)
    table = table[before < megapixels * 1e6]
    for _, row in tqdm(table.iterrows(), "whole photographs", len(table), leave=False, disable=None):
        yield Photograph(row["name"], row["domain"], photos.read(row["name"]), settings.conversion)


def of_whole(photograph: Photograph, pairs: Pairs, output: np.ndarray) -> dict[str, Any]:
    """Scores of an output of a whole photograph: PSNR and SSIM against its target, and what contrast it keeps.

    Args:
        photograph: its colour gave `pairs`.
        output: `(height, width)`, or `(height, width, 3)` whose channels are averaged, in [0, 1].
    """
    target = to_unit(photograph.gray)[None, ..., 0]
    found = [
        {
            "whole_psnr": float(measures.psnr(target, plane)[0]),
            "whole_ssim": float(measures.ssim(target, plane)[0]),
            **decolorization.contrast(pairs, plane[0]),
        }
        for plane in scores.planes(target, output[None])
    ]
    return {"photo": photograph.name, "domain": photograph.domain, **pd.DataFrame(found).mean()}


def of_baselines(train: PatchSet, test: PatchSet, photographs: Iterable[Photograph], settings: Evaluate) -> Evaluation:
    """The closed forms, the 1 × 1 convolution fitted on `train`, and on whole photographs the standard conversions.

    The pictures, of the first of the `photographs`, are what each variant starts from.
    """
    conv1x1 = baselines.fit_conv1x1(to_unit(train.read("colour")), gray_of(train))
    colour = to_unit(test.read("colour"))
    result = Evaluation(test, settings)
    for name, method in {**baselines.CLOSED_FORMS, "conv1x1": conv1x1}.items():
        result.add(name, method(colour), method)
    for number, photograph in enumerate(photographs):
        pairs = decolorization.pairs_of(photograph.colour, settings.seed)
        result.contrast.append({"method": "target", **of_whole(photograph, pairs, to_unit(photograph.gray)[..., 0])})
        result.add_photograph(photograph, pairs)
        for name, conversion in CONVERSIONS.items():
            gray = to_unit(conversion(photograph.colour))
            result.conversions.append({"conversion": name, **of_whole(photograph, pairs, gray)})
        if number == 0:
            for kind in ("colour", "gray"):
                cut, corners = photograph.cut(kind, test.patch)
                result.pictures[f"photograph_{kind}"] = pictures.to_levels(patches.join(cut, corners))
    return result


def of_variant(
    name: str,
    model: Any,
    trained: dict[str, Any],
    splits: dict[str, PatchSet],
    photographs: Iterable[Photograph],
    settings: Evaluate,
) -> Evaluation:
    """A trained network beside PCA at its latent size, with the probes that apply to it.

    For noisy and synthetic colour, and for whole photographs, PCA and a network that sees gray are handed its luma,
    unrounded.

    Args:
        name: of the variant.
        model: its float64 network.
        trained: the facts that training left: recipe, parameters, epochs.
        splits: train (to fit PCA), validation (to choose read-outs) and test.
        photographs: all whole test photographs; the first is rebuilt as a picture, too.
        settings: of the probes and pictures.
    """
    from stages.evaluate import networks

    test, kind = splits["test"], trained["recipe"]["input"]
    result = Evaluation(test, settings, facts={key: trained[key] for key in ("parameters", "epochs")})
    output = networks.predict(model, to_unit(test.read(kind)))
    latent, log_variance = networks.encode(model, to_unit(test.read(kind)))
    result.facts["latent"] = int(np.prod(latent.shape[1:]))
    components = min(result.facts["latent"], test.patch**2, len(splits["train"]))  # what PCA can give of them
    to_gray = trained["recipe"]["target"] == "gray"

    def see(colour: np.ndarray) -> np.ndarray:
        return colour if kind == "colour" else baselines.luma(colour)[..., None]

    def convert(colour: np.ndarray) -> np.ndarray:
        converted = networks.predict(model, see(colour))
        return converted[..., 0] if to_gray else converted

    shown = output[..., 0] if to_gray else output
    result.add(name, shown, convert)
    pca = baselines.fit_pca(gray_of(splits["train"]), components)
    result.add(f"pca_{components}", pca(gray_of(test)), lambda colour: pca(baselines.luma(colour)))
    if log_variance is not None:
        result.facts["kl_nats"] = probes.kl_nats(latent, log_variance)
        result.facts["active_units"] = probes.active_units(latent)
    if not to_gray:
        result.add(f"{name}_luma", baselines.luma(output), lambda colour: baselines.luma(convert(colour)))
        if latent.ndim == 4:  # (n, rows, columns, channels): the latent is still an image
            validation = splits["validation"]
            seen, _ = networks.encode(model, to_unit(validation.read(kind)))
            read_out = probes.LatentReadOut(seen, gray_of(validation))
            result.add(
                f"{name}_latent_channel",
                read_out(latent, test.patch),
                lambda colour: read_out(networks.encode(model, see(colour))[0], test.patch),
            )
        result.facts["chroma_of_input"] = float(measures.chroma(to_unit(test.read("colour"))).mean())
        result.facts["chroma_of_output"] = float(measures.chroma(output).mean())

    ssim = result.tables[name]["ssim"].to_numpy()
    colour = to_unit(test.read("colour"))
    result.pictures["patches"] = pictures.patch_sheet(colour, gray_of(test), shown, ssim, settings.picture_rows)
    for number, photograph in enumerate(photographs):
        result.add_photograph(photograph, decolorization.pairs_of(photograph.colour, settings.seed))
        if number == 0:
            cut, corners = photograph.cut(kind, test.patch)
            result.pictures["photograph"] = pictures.to_levels(patches.join(networks.predict(model, cut), corners))
    return result
