"""From whole photographs to patches, colour and gray, by split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stages.artifacts import ArtifactError
from stages.fetch.container import Container
from stages.settings import Targets
from stages.targets import patches
from stages.targets.conversions import CONVERSIONS
from stages.targets.patches import PatchWriter

PIXELS = 1 << 22  # whose contrast is computed at a time: it takes 16 bytes for each
NAMED = 20  # photographs in a message


def cut_photographs(photos: Container, settings: Targets, writers: Mapping[str, PatchWriter]) -> pd.DataFrame:
    """Make the gray target of every photograph, cut both, and hand the patches to the writer of its split.

    Near-empty patches are left out, and photographs that are smaller than a patch.

    Returns:
        A row per photograph: photo, split, patches, and kept, the number that are not near-empty.

    Raises:
        ArtifactError: a photograph can't be read, or a writer got no patch.
    """
    counts = []
    for _, row in photos.manifest.iterrows():
        corners = patches.grid(row["height"], row["width"], settings.patch, settings.stride)
        kept = _cut(photos, row, corners, settings, writers[row["split"]]) if len(corners) else 0
        counts.append({"photo": row["name"], "split": row["split"], "patches": len(corners), "kept": kept})
    empty = [split for split, writer in writers.items() if len(writer) == 0]
    if empty:
        raise ArtifactError(
            f"no patch is left in split {', '.join(empty)}; lower targets.min_contrast or targets.patch"
        )
    for writer in writers.values():
        writer.close()
    return pd.DataFrame(counts)


def left_out(counts: pd.DataFrame) -> str:
    """A line that names the first photographs that are smaller than a patch; empty if there is none.

    Args:
        counts: as `cut_photographs` gives them.
    """
    small = counts.loc[counts["patches"] == 0, "photo"].tolist()
    more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
    return f"left out as smaller than a patch: {', '.join(small[:NAMED])}{more}" if small else ""


def _cut(photos: Container, row: pd.Series, corners: np.ndarray, settings: Targets, writer: PatchWriter) -> int:
    """Hand the patches of one photograph that are not near-empty to its writer and let go of it; gives their count."""
    colour = photos.read(row["name"])
    gray = CONVERSIONS[settings.conversion](colour)[..., None]  # the whole first: a global method needs all of it
    pieces = patches.cut(gray, corners, settings.patch)
    wanted = _contrast(pieces) >= settings.min_contrast
    if wanted.any():
        index = pd.DataFrame(corners[wanted], columns=["row", "column"])
        index.insert(0, "photo", row["name"])
        index.insert(1, "domain", row["domain"])
        writer.add(index, patches.cut(colour, corners[wanted], settings.patch), pieces[wanted])
    return int(wanted.sum())


def _contrast(pieces: np.ndarray) -> np.ndarray:
    """`patches.contrast`, in memory that does not grow with the photograph."""
    step = max(1, PIXELS // pieces[0].size)
    return np.concatenate([patches.contrast(pieces[start : start + step]) for start in range(0, len(pieces), step)])
