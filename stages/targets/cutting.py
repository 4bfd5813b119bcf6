"""From whole photographs to patch sets, a shard at a time: which photographs make a shard, and how one is cut.

How patches are read again stands in formats/patches.py, how gray is made in conversion.py.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common import shards
from stages.common.artifacts import ArtifactError, sha256_of
from stages.common.engine import Engine
from stages.common.settings import Targets
from stages.formats import patches
from stages.formats.container import Container
from stages.targets import conversion
from stages.targets.packing import Growing, pack

PIXELS = 1 << 18  # of patches that are cut at a time; they stay in the cache of a core
NAMED = 20  # photographs in a message


@dataclass(frozen=True)
class Group:
    """The photographs of one shard: the folder of their container, and their manifest rows."""

    photos: Path
    rows: pd.DataFrame
    settings: Targets


def cut_photographs(
    photos: Path, settings: Targets, outs: Mapping[str, Path], keep: Path, engine: Engine
) -> pd.DataFrame:
    """Make the gray target of every photograph, cut both, and write a patch set for each split.

    Near-empty patches are left out, and photographs that are smaller than a patch. Memory holds one photograph at a
    time in every process.

    Args:
        photos: the folder of a container.
        settings: what gray is, and what a patch.
        outs: split → folder for its patch set; what it holds is replaced.
        keep: folder for finished shards, from which a later try goes on; the sets share files with it.

    Returns:
        A row per photograph, as in the manifest: photo, split, patches, and kept, the number that are not near-empty.

    Raises:
        ArtifactError: a photograph can't be read, or no patch is left in a split.
    """
    manifest = Container(photos, needed=tuple(outs)).manifest
    sizes = patches.count(manifest["height"], manifest["width"], settings.patch, settings.stride)
    groups: list[tuple[str, np.ndarray]] = []  # split, and numbers of manifest rows
    for split in outs:
        members = np.flatnonzero(manifest["split"] == split)
        limits = plan(sizes.iloc[members].tolist(), settings.shard_patches)
        groups += [(split, members[start:stop]) for start, stop in limits]
    tasks = [Group(photos, manifest.iloc[numbers], settings) for _, numbers in groups]
    cut = list(shards.run(cut_group, tasks, keep, engine))

    kept = np.zeros(len(manifest), int)
    for (_, numbers), shard in zip(groups, cut, strict=True):
        kept[numbers] = shard.facts["kept"]
    counts = pd.DataFrame({"photo": manifest["name"], "split": manifest["split"], "patches": sizes, "kept": kept})
    left = counts.groupby("split")["kept"].sum()
    if empty := [split for split in outs if not left[split]]:
        raise ArtifactError(
            f"no patch is left in split {', '.join(empty)}; lower targets.min_contrast or targets.patch"
        )
    for split, folder in outs.items():
        pack([shard for (side, _), shard in zip(groups, cut, strict=True) if side == split], folder)
    return counts


def plan(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Groups (start, stop) of consecutive photographs with at most `most` patches together, or of a larger one alone.

    Args:
        sizes: patches of each photograph, near-empty ones among them, so that the plan is known before any is read.
    """
    starts, together = [0], 0
    for number, size in enumerate(sizes):
        if together + size > most and number > starts[-1]:
            starts.append(number)
            together = 0
        together += size
    return list(zip(starts, [*starts[1:], len(sizes)], strict=True))


def left_out(counts: pd.DataFrame) -> str:
    """A line that names the first photographs that are smaller than a patch; empty if there is none.

    Args:
        counts: as `cut_photographs` gives them.
    """
    small = counts.loc[counts["patches"] == 0, "photo"].tolist()
    more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
    return f"left out as smaller than a patch: {', '.join(small[:NAMED])}{more}" if small else ""


# === One shard ===


def cut_group(group: Group, folder: Path) -> dict[str, Any]:
    """Cut the photographs of a group: a shard of both kinds, colour.npy and gray.npy, and its rows of index.csv.

    Returns:
        `kept`, how many patches of each photograph; and the `sha256` of the file of each kind.

    Raises:
        ArtifactError: a photograph can't be read.
    """
    photos, settings = _opened(group.photos), group.settings
    kept = []
    with ExitStack() as files:
        rows = files.enter_context((folder / "index.csv").open("w", encoding="utf-8", newline=""))
        index = csv.writer(rows, lineterminator="\n")
        arrays = {
            kind: files.enter_context(Growing(folder / f"{kind}.npy", (settings.patch, settings.patch, channels)))
            for kind, channels in patches.KINDS.items()
        }
        for row in group.rows.itertuples():
            before = len(arrays["gray"])
            if patches.count(row.height, row.width, settings.patch, settings.stride):
                for corners, colour, gray in _cut(photos.read(row.name), settings):
                    index.writerows(zip(repeat(row.name), repeat(row.domain), *corners.T.tolist()))
                    arrays["colour"].append(colour)
                    arrays["gray"].append(gray)
            kept.append(len(arrays["gray"]) - before)
    return {"kept": kept, "sha256": {kind: sha256_of(folder / f"{kind}.npy") for kind in arrays}}


@lru_cache(maxsize=1)
def _opened(photos: Path) -> Container:
    """The container in the folder `photos`, whose manifest is read once for all groups that a process cuts."""
    return Container(photos, needed=())


def _cut(colour: np.ndarray, settings: Targets) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Corners `(n, 2)`, colour `(n, patch, patch, 3)` and gray `(n, patch, patch, 1)` of what is kept, some at a time.

    Args:
        colour: `(height, width, 3)` uint8, not smaller than a patch.
    """
    gray = conversion.gray(colour, settings.conversion)[
        ..., None
    ]  # of the whole first: a global method needs all of it
    height, width = gray.shape[:2]
    across = (width - settings.patch) // settings.stride + 1
    count = patches.count(height, width, settings.patch, settings.stride)
    step = max(1, PIXELS // settings.patch**2)
    for start in range(0, count, step):
        numbers = np.arange(start, min(start + step, count))
        corners = np.stack(np.divmod(numbers, across), axis=1) * settings.stride
        pieces = patches.cut(gray, corners, settings.patch)
        wanted = patches.contrast(pieces) >= settings.min_contrast
        yield corners[wanted], patches.cut(colour, corners[wanted], settings.patch), pieces[wanted]
