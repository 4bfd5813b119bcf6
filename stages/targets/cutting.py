"""Cuts whole photographs into patch sets, one shard at a time. formats/patches.py has the format."""

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from grayscale import conversions
from stages.common import shards
from stages.common.artifacts import ArtifactError, sha256_of, write_table
from stages.common.engine import Engine
from stages.common.settings import PARAMS, SettingsError, Targets
from stages.common.shards import Shard
from stages.formats import patches
from stages.formats.container import Container
from stages.formats.patches import KINDS

PIXELS = 1 << 18  # of patches cut at a time; they fit into the cache of a core


def require_known(conversion: str) -> None:
    """Raise `SettingsError` if there is no such conversion."""
    if conversion not in conversions.CONVERSIONS:
        raise SettingsError(
            f"{PARAMS}: targets.conversion: unknown conversion {conversion!r}; "
            f"known are {', '.join(conversions.CONVERSIONS)}"
        )


def cut_photographs(
    photos: Path, settings: Targets, outs: Mapping[str, Path], keep: Path, engine: Engine
) -> pd.DataFrame:
    """Make the gray target of every photograph of a container, cut both, and write a patch set for each split.

    Near-empty patches and photographs smaller than a patch are left out. Each process holds one photograph at a time.
    `outs` has a folder for each split, whose content is replaced; `keep` holds finished shards for an interrupted run.

    Returns a row per photograph of the manifest: photo, split, patches, and kept, the number that are not near-empty.
    `ArtifactError`: a photograph can't be read, or no patch is left in a split.
    """
    manifest = Container(photos, needed=tuple(outs)).manifest
    sizes = patches.count(manifest["height"], manifest["width"], settings.patch, settings.stride)
    groups: list[pd.DataFrame] = []  # rows of the manifest
    for split in outs:
        members = manifest[manifest["split"] == split]
        limits = plan(sizes[members.index].tolist(), settings.shard_patches)
        groups += [members[start:stop] for start, stop in limits]
    cut = list(shards.run(partial(cut_group, photos, settings), groups, keep, engine))

    counts = pd.DataFrame({"photo": manifest["name"], "split": manifest["split"], "patches": sizes, "kept": 0})
    for rows, shard in zip(groups, cut, strict=True):
        counts.loc[rows.index, "kept"] = shard.facts["kept"]
    left = counts.groupby("split")["kept"].sum()
    if empty := [split for split in outs if not left[split]]:
        raise ArtifactError(
            f"no patch is left in split {', '.join(empty)}; lower targets.min_contrast or targets.patch"
        )
    for split, folder in outs.items():
        _pack([shard for rows, shard in zip(groups, cut, strict=True) if rows["split"].iloc[0] == split], folder)
    return counts


def plan(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Groups (start, stop) of consecutive photographs with at most `most` patches together, or a larger one alone.

    `sizes` include near-empty patches, so the plan needs no pixels.
    """
    starts, together = [0], 0
    for number, size in enumerate(sizes):
        if together + size > most and number > starts[-1]:
            starts.append(number)
            together = 0
        together += size
    return list(zip(starts, [*starts[1:], len(sizes)], strict=True))


def left_out(counts: pd.DataFrame) -> str:
    """A line with the number of photographs smaller than a patch, or an empty string."""
    small = (counts["patches"] == 0).sum()
    return f"{small} of {len(counts)} photographs are smaller than a patch; see data/pairs/counts.csv" if small else ""


def _pack(filled: Sequence[Shard], folder: Path) -> None:
    """Replace `folder` by a patch set of the shards of `cut_group` that have patches; large files are linked."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    with (folder / "index.csv").open("wb") as index:
        index.write(b"photo,domain,row,column\n")
        for number, shard in enumerate(shard for shard in filled if any(shard.facts["kept"])):
            index.write((shard.folder / "index.csv").read_bytes())
            for kind in KINDS:
                shards.place(shard.folder / f"{kind}.npy", folder / f"{kind}-{number:05}.npy")
            hashes = {f"{kind}_sha256": shard.facts["sha256"][kind] for kind in KINDS}
            rows.append({"shard": number, "patches": sum(shard.facts["kept"]), **hashes})
    write_table(folder / "shards.csv", pd.DataFrame(rows))


# === One shard ===


def cut_group(photos: Path, settings: Targets, rows: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """Cut the photographs of some manifest rows into colour.npy, gray.npy and index.csv.

    Returns `kept`, the number of patches of each photograph, and the `sha256` of the file of each kind.
    """
    container = _opened(photos)
    kept = []
    with ExitStack() as files:
        index = files.enter_context((folder / "index.csv").open("w", encoding="utf-8", newline=""))
        table = csv.writer(index, lineterminator="\n")
        arrays = {kind: files.enter_context((folder / f"{kind}.npy").open("wb")) for kind in KINDS}
        _write_headers(arrays, settings.patch, 0)
        for row in rows.itertuples():
            kept.append(0)
            if patches.count(row.height, row.width, settings.patch, settings.stride):
                for corners, colour, gray in _cut(container.read(row.name), settings):
                    table.writerows(zip(repeat(row.name), repeat(row.domain), *corners.T.tolist()))
                    arrays["colour"].write(colour.tobytes())
                    arrays["gray"].write(gray.tobytes())
                    kept[-1] += len(corners)
        _write_headers(arrays, settings.patch, sum(kept))
    return {"kept": kept, "sha256": {kind: sha256_of(folder / f"{kind}.npy") for kind in KINDS}}


def _write_headers(arrays: Mapping[str, BinaryIO], patch: int, rows: int) -> None:
    """Write the headers of `.npy` files; NumPy leaves room for a number of rows that is known later."""
    for kind, file in arrays.items():
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, patch, patch, KINDS[kind])}
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header)


@lru_cache(maxsize=1)
def _opened(photos: Path) -> Container:
    """The container, opened once in a process."""
    return Container(photos, needed=())


def _cut(colour: np.ndarray, settings: Targets) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Corners `(n, 2)`, colour `(n, patch, patch, 3)` and gray `(…, 1)` of the patches that are kept, in blocks."""
    height, width = colour.shape[:2]
    rows = conversions.stripes(settings.conversion, lambda top, bottom: colour[top:bottom], height, width)
    gray = np.concatenate([stripe for _, stripe in rows])[..., None]  # a conversion may need all rows
    step = max(1, PIXELS // settings.patch**2)
    for start in range(0, patches.count(height, width, settings.patch, settings.stride), step):
        corners = patches.grid(height, width, settings.patch, settings.stride, start, start + step)
        pieces = patches.cut(gray, corners, settings.patch)
        wanted = patches.contrast(pieces) >= settings.min_contrast
        yield corners[wanted], patches.cut(colour, corners[wanted], settings.patch), pieces[wanted]
