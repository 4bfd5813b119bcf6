"""Source `bundled`: photographs in the packages scikit-image and scikit-learn, without download."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import model_validator

from stages.common.artifacts import ArtifactError
from stages.fetch.source import Photograph, Plan, Source
from stages.formats import manifest

STEREO = ("motorcycle_left", "motorcycle_right")


class Settings(Source):
    """`inputs` lists the photographs and their split."""

    @model_validator(mode="before")
    @classmethod
    def refuse_split(cls, given: Any) -> Any:
        if "split" in given:
            raise ValueError("`inputs` lists each photograph with its split; leave `split` out")
        return given


def plan(settings: Settings, _: Path) -> Plan:
    """The photographs in the list; `ArtifactError` if it is invalid, or if a photograph is not the one in its row."""
    rows = manifest.read(Path(settings.inputs), needed=()).to_dict("records")
    return Plan(_listed, rows, [0] * len(rows))


def _listed(row: dict[str, Any]) -> Photograph:
    pixels = read(row["name"], row["source"])
    manifest.verify(row, pixels)
    return Photograph(
        pixels=pixels, **{key: row[key] for key in ("name", "source", "licence", "domain", "split", "scene")}
    )


def read(name: str, source: str) -> np.ndarray:
    """One photograph as `(height, width, 3)` uint8, sRGB; `ArtifactError` for another package or an unknown name."""
    if source == "scikit-image":
        import skimage.data

        if name in STEREO:
            return skimage.data.stereo_motorcycle()[STEREO.index(name)]
        if name in skimage.data.__all__:
            return getattr(skimage.data, name)()
    if source == "scikit-learn":
        from sklearn.datasets import load_sample_image

        with suppress(AttributeError, ValueError):
            return load_sample_image(f"{name}.jpg")
    raise ArtifactError(f"{source!r} has no photograph {name!r}; a source is scikit-image or scikit-learn")
