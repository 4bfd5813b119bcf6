"""Source `bundled`: photographs inside the packages scikit-image and scikit-learn; no download."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import model_validator

from stages.common.artifacts import ArtifactError
from stages.fetch.photograph import Photograph, Plan
from stages.fetch.settings import Source
from stages.formats import manifest

STEREO = ("motorcycle_left", "motorcycle_right")


class Settings(Source):
    """`inputs` is the list of the photographs; it also holds their split."""

    @model_validator(mode="before")
    @classmethod
    def the_list_holds_the_split(cls, said: Any) -> Any:
        if "split" in said:
            raise ValueError("`inputs` lists each photograph with its split; leave `split` out")
        return said


def plan(settings: Settings, _: Path) -> Plan:
    """The photographs in the list `settings.inputs`, each checked against its row.

    Raises:
        ArtifactError: the list can't be used; at reading, a photograph is missing or not the one in the list.
    """
    rows = manifest.read(Path(settings.inputs), needed=()).to_dict("records")
    return Plan(_listed, rows, [0] * len(rows))


def _listed(row: dict[str, Any]) -> Photograph:
    pixels = read(row["name"], row["source"])
    manifest.verify(row, pixels)
    told = {key: row[key] for key in ("name", "source", "licence", "domain", "split", "scene")}
    return Photograph(pixels=pixels, **told)


def read(name: str, source: str) -> np.ndarray:
    """One photograph as `(height, width, 3)` uint8, sRGB.

    Raises:
        ArtifactError: the package `source` is not one of the two, or has no photograph `name` inside it.
    """
    if source == "scikit-image":
        import skimage.data

        if name in STEREO:
            return skimage.data.stereo_motorcycle()[STEREO.index(name)]
        if name in skimage.data.__all__:
            return getattr(skimage.data, name)()
    elif source == "scikit-learn":
        from sklearn.datasets import load_sample_image

        with suppress(AttributeError, ValueError):
            return load_sample_image(f"{name}.jpg")
    else:
        raise ArtifactError(f"photograph {name!r}: unknown source {source!r}; it must be scikit-image or scikit-learn")
    raise ArtifactError(f"photograph {name!r}: {source} has no image of that name")
