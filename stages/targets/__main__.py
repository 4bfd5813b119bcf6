"""Stage `targets`: the gray target of every photograph, and both cut into patches, by split, in data/pairs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from stages.artifacts import ArtifactError, write_table
from stages.fetch.container import Container
from stages.fetch.manifest import SPLITS
from stages.stage import stage
from stages.targets import patches
from stages.targets.conversions import CONVERSIONS


def main() -> None:
    with stage("targets") as work:
        settings = work["targets"]
        convert = CONVERSIONS[settings.conversion]
        photos = Container(Path("data/photos"))
        writers = {
            split: patches.PatchWriter(work.out(f"data/pairs/{split}"), settings.shard_patches) for split in SPLITS
        }
        counts = []
        for _, row in photos.manifest.iterrows():
            if min(row["height"], row["width"]) < settings.patch:
                small = f"{row['height']} × {row['width']}, smaller than targets.patch"
                print(f"targets: photograph {row['name']!r} is left out: {small}")
                counts.append({"photo": row["name"], "split": row["split"], "patches": 0, "kept": 0})
                continue
            colour = photos.read(row["name"])
            gray = convert(colour)[..., None]  # the whole photograph first: a global method needs all of it
            corners = patches.grid(colour.shape[0], colour.shape[1], settings.patch, settings.stride)
            pieces = patches.cut(gray, corners, settings.patch)
            kept = patches.contrast(pieces) >= settings.min_contrast
            counts.append({"photo": row["name"], "split": row["split"], "patches": len(kept), "kept": int(kept.sum())})
            if kept.any():
                index = pd.DataFrame(corners[kept], columns=["row", "column"])
                index.insert(0, "photo", row["name"])
                index.insert(1, "domain", row["domain"])
                writers[row["split"]].add(index, patches.cut(colour, corners[kept], settings.patch), pieces[kept])
        empty = [split for split, writer in writers.items() if len(writer) == 0]
        if empty:
            raise ArtifactError(
                f"no patch is left in split {', '.join(empty)}; lower targets.min_contrast or targets.patch"
            )
        for writer in writers.values():
            writer.close()
        write_table(work.out("data/pairs/counts.csv"), pd.DataFrame(counts))
    print("targets: " + ", ".join(f"{len(writer)} {split}" for split, writer in writers.items()) + " patches")


if __name__ == "__main__":
    main()
