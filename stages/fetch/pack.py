"""From what a source gives to the container: sides of the split, equal pixels, faults. No source is known here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from stages.artifacts import ArtifactError, write_table
from stages.fetch import manifest, split
from stages.fetch.address import origin
from stages.fetch.container import Writer, faults_named
from stages.fetch.photograph import Photograph, Skipped
from stages.settings import Files, Source

SKIPPED = "skipped.csv"
LISTED = 20  # faults in a message


@dataclass(frozen=True)
class Packed:
    """What came of a source.

    Attributes:
        table: the manifest.
        skipped: the faults, as in skipped.csv.
        ignored: how many files were not meant to be photographs.
    """

    table: pd.DataFrame
    skipped: list[Skipped]
    ignored: int

    def lines(self) -> str:
        """The result for a person: one line, and, where files were skipped, the first of them."""
        megapixels = (self.table["height"] * self.table["width"]).sum() / 1e6
        line = f"{len(self.table)} photographs, {megapixels:.1f} megapixels"
        copies = int(self.table["sha256"].duplicated().sum())
        line += f"; {copies} have the same pixels as another" if copies else ""
        line += f"; {self.ignored} other files ignored" if self.ignored else ""
        return line + (f"\n{listing(self.skipped)}" if self.skipped else "")


def pack(folder: Path, given: Iterable[Photograph | Skipped], settings: Source, *, test_set: bool) -> Packed:
    """Write the photographs that a source gives, their manifest, and skipped.csv (file, reason) into `folder`.

    The split is `split.choose`'s; of a further test set, all is test. Where a source does not name scenes, equal pixels
    are one; see `split.copies_across` for those on several sides. Without files or faults there is no skipped.csv.

    Raises:
        ArtifactError: there is no photograph, or a split has none; `settings.strict` is set and there are faults, which
            it lists; something can't be written.
    """
    rows: list[dict[str, object]] = []
    skipped: list[Skipped] = []
    ignored = 0
    with Writer(folder) as writer:
        for item in given:
            if isinstance(item, Photograph):
                rows.append(_row(item, settings, test_set=test_set))
                writer.add(item.name, item.pixels)
            elif item.fault:
                skipped.append(item)
            else:
                ignored += 1
            del item  # or it would be in memory beside the next one
        table = pd.DataFrame(rows, columns=manifest.COLUMNS)
        copies = split.copies_across(table[["name", "split", "sha256"]].itertuples(index=False, name=None))
        table = table[~table["name"].isin([copy.name for copy in copies])]
        skipped = sorted([*skipped, *copies], key=lambda fault: fault.name)
        if isinstance(settings, Files) and settings.strict and skipped:
            raise ArtifactError(
                f"{origin(settings)}: `strict` is set, and there are faults\n{listing(skipped, len(skipped))}"
            )
        packed = Packed(table, skipped, ignored)
        _refuse_empty(packed, settings, test_set=test_set)
        writer.close(table)
    if isinstance(settings, Files) or skipped:
        faults = pd.DataFrame([(fault.name, fault.reason) for fault in skipped], columns=["file", "reason"])
        with faults_named(folder / SKIPPED):
            write_table(folder / SKIPPED, faults)
    return packed


def listing(skipped: list[Skipped], most: int = LISTED) -> str:
    """How many faults there are, and a line for each of the first."""
    lines = [f"{len(skipped)} files skipped:", *(f"  {fault.name}: {fault.reason}" for fault in skipped[:most])]
    return "\n".join(lines + ([f"  … and {len(skipped) - most} more"] if len(skipped) > most else []))


def _row(photograph: Photograph, settings: Source, *, test_set: bool) -> dict[str, object]:
    height, width, _ = photograph.pixels.shape
    sha256 = manifest.hash_pixels(photograph.pixels)
    return {
        "name": photograph.name,
        "source": photograph.source,
        "licence": photograph.licence,
        "domain": photograph.domain,
        "scene": photograph.scene or sha256[:16],
        "split": "test" if test_set else split.choose(photograph, sha256, settings.split),
        "height": height,
        "width": width,
        "sha256": sha256,
    }


def _refuse_empty(packed: Packed, settings: Source, *, test_set: bool) -> None:
    if packed.table.empty:
        found = f"; {packed.ignored} files are no images by their extension" if packed.ignored else ""
        found += f"\n{listing(packed.skipped)}" if packed.skipped else ""
        raise ArtifactError(f"{origin(settings)}: no photograph in it; docs/sources.md says what is read{found}")
    counts = packed.table["split"].value_counts()
    if settings.split is not None and len(counts) < len(manifest.SPLITS):
        told = ", ".join(f"{counts.get(side, 0)} {side}" for side in manifest.SPLITS)
        raise ArtifactError(
            f"{origin(settings)}: each split needs a photograph, there are {told}; add some, or change `split`"
        )
    manifest.check(packed.table, origin(settings), ("test",) if test_set else manifest.SPLITS)
