"""Read the photographs of any source's plan and pack them, shard by shard.

The shards depend on the plan alone, not on the number of workers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stages.common import shards
from stages.common.artifacts import ArtifactError, write_table
from stages.common.engine import Engine
from stages.fetch import split
from stages.fetch.source import ImageFiles, Photograph, Plan, Skipped, Source
from stages.formats import manifest
from stages.formats.container import MANIFEST, join, write

SKIPPED = "skipped.csv"
LISTED = 20  # faults in a message
SHARD_BYTES = 32 << 20  # of image files; as PNG, JPEG photographs take four to eight times as much
SHARD_ITEMS = 4096  # small files, about ten seconds of work


@dataclass(frozen=True)
class Packed:
    """The manifest of what was packed, the faults, and the number of files without an image extension."""

    table: pd.DataFrame
    skipped: list[Skipped]
    ignored: int

    def lines(self) -> str:
        """The result in one line, followed by the first skipped files."""
        megapixels = (self.table["height"] * self.table["width"]).sum() / 1e6
        line = f"{len(self.table)} photographs, {megapixels:.1f} megapixels"
        copies = int(self.table["sha256"].duplicated().sum())
        line += f"; {copies} have the same pixels as another" if copies else ""
        line += f"; {self.ignored} other files ignored" if self.ignored else ""
        return line + (f"\n{_listing(self.skipped)}" if self.skipped else "")


def pack(folder: Path, plan: Plan, settings: Source, keep: Path, engine: Engine) -> Packed:
    """Write the photographs of a plan, their manifest, and skipped.csv (file, reason) into `folder`.

    Without `settings.split` all photographs are for testing. Photographs without a scene form one with their copies.
    `keep` holds finished shards.

    Raises:
        ArtifactError: a split has no photograph; there are faults and `settings.strict` is set.
        StageError: a worker was killed.
    """
    parts, table, skipped = _read_all(plan, keep, engine)
    skipped += plan.skipped
    if settings.split is None:
        table["split"] = "test"
    else:
        table["split"] = split.assign(table["split"].tolist(), table["sha256"].tolist(), settings.split)
    copies = split.copies_across(table)
    table = table[~table["name"].isin([copy.name for copy in copies])]
    faults = sorted([*(found for found in skipped if found.fault), *copies], key=lambda fault: fault.name)
    if isinstance(settings, ImageFiles) and settings.strict and faults:
        raise ArtifactError(
            f"{settings.origin}: `strict` is set, and there are faults\n{_listing(faults, len(faults))}"
        )
    packed = Packed(table.drop(columns="part"), faults, sum(not found.fault for found in skipped))
    _refuse_empty(packed, settings)
    join(folder, [(parts[part], rows.drop(columns="part")) for part, rows in table.groupby("part")])
    if isinstance(settings, ImageFiles) or faults:
        listed = pd.DataFrame([(fault.name, fault.reason) for fault in faults], columns=["file", "reason"])
        write_table(folder / SKIPPED, listed)
    return packed


def _read_all(plan: Plan, keep: Path, engine: Engine) -> tuple[list[Path], pd.DataFrame, list[Skipped]]:
    """The folder of each shard, the manifest with the number of the shard as `part`, and what was skipped."""
    tasks = [plan.items[shard] for shard in grouped(plan.sizes)]
    done = list(shards.run(partial(_read, plan.read), tasks, keep, engine))
    tables = [manifest.rows(shard.folder / MANIFEST).assign(part=number) for number, shard in enumerate(done)]
    filled = [table for table in tables if not table.empty] or [pd.DataFrame(columns=[*manifest.COLUMNS, "part"])]
    skipped = [Skipped(*found) for shard in done for found in shard.facts]
    return [shard.folder for shard in done], pd.concat(filled, ignore_index=True), skipped


def grouped(sizes: Sequence[int]) -> list[slice]:
    """The items of each shard, from the sizes of all: a shard ends at SHARD_BYTES or SHARD_ITEMS."""
    found: list[slice] = []
    start = held = 0
    for stop, size in enumerate(sizes, 1):
        held += size
        if held >= SHARD_BYTES or stop - start == SHARD_ITEMS or stop == len(sizes):
            found.append(slice(start, stop))
            start, held = stop, 0
    return found


def _read(read: Callable[[Any], Photograph | Skipped], items: Sequence[Any], folder: Path) -> list[tuple[Any, ...]]:
    """Write the photographs of a shard as a container; return the fields of what was skipped."""
    skipped: list[tuple[Any, ...]] = []

    def photographs() -> Iterator[tuple[dict[str, object], np.ndarray]]:
        for item in items:
            found = read(item)
            if isinstance(found, Photograph):
                yield _row(found), found.pixels
            else:
                skipped.append(astuple(found))
            del found  # or two photographs would be in memory

    write(folder, photographs())
    return skipped


def _listing(skipped: list[Skipped], most: int = LISTED) -> str:
    lines = [f"{len(skipped)} files skipped:", *(f"  {fault.name}: {fault.reason}" for fault in skipped[:most])]
    return "\n".join(lines + ([f"  … and {len(skipped) - most} more"] if len(skipped) > most else []))


def _row(photograph: Photograph) -> dict[str, object]:
    """The manifest row of a photograph."""
    height, width, _ = photograph.pixels.shape
    sha256 = manifest.hash_pixels(photograph.pixels)
    row = {name: getattr(photograph, name) for name in ("name", "source", "licence", "domain")}
    row |= {"height": height, "width": width, "sha256": sha256}
    return {**row, "scene": photograph.scene or sha256[:16], "split": photograph.split or ""}


def _refuse_empty(packed: Packed, settings: Source) -> None:
    if packed.table.empty:
        found = f"; {packed.ignored} files are no images by their extension" if packed.ignored else ""
        found += f"\n{_listing(packed.skipped)}" if packed.skipped else ""
        raise ArtifactError(f"{settings.origin}: no photograph in it; docs/sources.md says what is read{found}")
    manifest.check(packed.table, settings.origin, ("test",) if settings.split is None else manifest.SPLITS)
