"""Source `bundled`: photographs inside the packages scikit-image and scikit-learn; no download."""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import model_validator

from stages.common.artifacts import ArtifactError
from stages.fetch.photograph import Photograph, Plan
from stages.fetch.settings import Source
from stages.formats import manifest


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
    readers = {"scikit-image": _from_scikit_image, "scikit-learn": _from_scikit_learn}
    if source not in readers:
        raise ArtifactError(f"photograph {name!r}: unknown source {source!r}; it must be {' or '.join(readers)}")
    try:
        return readers[source](name)
    except (AttributeError, ValueError) as error:
        raise ArtifactError(f"photograph {name!r}: {source} has no image of that name") from error


def _from_scikit_image(name: str) -> np.ndarray:
    import skimage.data

    sides = ("motorcycle_left", "motorcycle_right")
    if name in sides:
        return skimage.data.stereo_motorcycle()[sides.index(name)]
    if name not in skimage.data.__all__:
        raise ValueError(name)
    return getattr(skimage.data, name)()


def _from_scikit_learn(name: str) -> np.ndarray:
    from sklearn.datasets import load_sample_image

    return load_sample_image(f"{name}.jpg")
