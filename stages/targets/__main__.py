"""Stage `targets`: the gray target of every photograph, and both cut into patches, by split, in data/pairs."""

from pathlib import Path

from stages.common import engine
from stages.common.artifacts import write_table
from stages.common.stage import stage
from stages.formats.manifest import SPLITS
from stages.targets.cutting import cut_photographs, left_out, require_known


def main() -> None:
    with stage("targets") as work:
        require_known(work["targets"].conversion)
        outs = {split: work.out(f"data/pairs/{split}") for split in SPLITS}
        counts = cut_photographs(Path("data/photos"), work["targets"], outs, work.keep, engine.load())
        write_table(work.out("data/pairs/counts.csv"), counts)
    kept = counts.groupby("split")["kept"].sum()
    print("targets: " + ", ".join(f"{kept[split]} {split}" for split in SPLITS) + " patches")
    if line := left_out(counts):
        print(f"targets: {line}")


if __name__ == "__main__":
    main()
