"""Stage `targets`: the gray target of every photograph, and both cut into patches, by split, in data/pairs."""

from __future__ import annotations

from pathlib import Path

from stages.artifacts import write_table
from stages.fetch.container import Container
from stages.fetch.manifest import SPLITS
from stages.stage import stage
from stages.targets.cutting import cut_photographs, left_out
from stages.targets.patches import PatchWriter


def main() -> None:
    with stage("targets") as work:
        settings = work["targets"]
        writers = {split: PatchWriter(work.out(f"data/pairs/{split}"), settings.shard_patches) for split in SPLITS}
        counts = cut_photographs(Container(Path("data/photos")), settings, writers)
        write_table(work.out("data/pairs/counts.csv"), counts)
    print("targets: " + ", ".join(f"{len(writer)} {split}" for split, writer in writers.items()) + " patches")
    if line := left_out(counts):
        print(f"targets: {line}")


if __name__ == "__main__":
    main()
