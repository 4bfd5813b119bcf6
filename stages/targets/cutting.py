"""From whole photographs to patches, colour and gray, by split."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from stages.artifacts import ArtifactError
from stages.fetch.container import Container
from stages.settings import Targets
from stages.targets import patches
from stages.targets.conversions import CONVERSIONS
from stages.targets.patches import PatchWriter


def cut_photographs(photos: Container, settings: Targets, writers: Mapping[str, PatchWriter]) -> pd.DataFrame:
    """Make the gray target of every photograph, cut both, and hand the patches to the writer of its split.

    Near-empty patches are left out, and photographs that are smaller than a patch.

    Returns:
        A row per photograph: photo, split, patches, and kept, the number that are not near-empty.

    Raises:
        ArtifactError: a photograph can't be read, or a writer got no patch.
    """
    convert = CONVERSIONS[settings.conversion]
    counts = []
    for _, row in photos.manifest.iterrows():
        kept = 0
        corners = patches.grid(row["height"], row["width"], settings.patch, settings.stride)
        if len(corners):
            colour = photos.read(row["name"])
            gray = convert(colour)[..., None]  # the whole photograph first: a global method needs all of it
            pieces = patches.cut(gray, corners, settings.patch)
            wanted = patches.contrast(pieces) >= settings.min_contrast
            kept = int(wanted.sum())
            if kept:
                index = pd.DataFrame(corners[wanted], columns=["row", "column"])
                index.insert(0, "photo", row["name"])
                index.insert(1, "domain", row["domain"])
                writers[row["split"]].add(index, patches.cut(colour, corners[wanted], settings.patch), pieces[wanted])
        counts.append({"photo": row["name"], "split": row["split"], "patches": len(corners), "kept": kept})
    empty = [split for split, writer in writers.items() if len(writer) == 0]
    if empty:
        raise ArtifactError(
            f"no patch is left in split {', '.join(empty)}; lower targets.min_contrast or targets.patch"
        )
    for writer in writers.values():
        writer.close()
    return pd.DataFrame(counts)
