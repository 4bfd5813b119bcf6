"""What a million photographs would take: `python -m benchmarks.estimate` writes the table of docs/scale.md.

Rates are those that `make bench` has measured, sizes those of dvc.lock. What nobody measured here is a constant below.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.common.artifacts import read_json, write_text
from stages.common.settings import load
from stages.formats import manifest
from stages.formats.patches import count

PAGE, BEGIN, END = Path("docs/scale.md"), "<!-- estimate -->\n", "<!-- end -->"
RESULTS = Path("benchmarks/results.json")
LIST = Path("stages/fetch/bundled.csv")

HEIGHT, WIDTH = 3000, 4000  # pixels of each photograph
TESTED = 10_000  # photographs in the test split; the rest trains
CORES = 256  # of the cluster
CORE_HOUR = 0.04  # USD; assumed, as servers of general purpose were listed in 2025
TB_MONTH = 23.0  # USD; assumed, as object storage was listed in 2025
HASHED = 0.5e9  # bytes/s; assumed, of DVC on one machine, which hashes every output once
INDEX_ROW = 150  # bytes of a patch in memory: two numbers and two texts

CASES = ((1_000_000, 28), (1_000_000, 280), (100_000_000, 280))  # photographs, and pixels between patches


@dataclass(frozen=True)
class Rates:
    """CPU seconds on one core, and bytes.

    Attributes:
        fetch, targets: seconds per megapixel of all photographs.
        train: seconds per patch and epoch, of the variant that is measured.
        evaluate: seconds per megapixel of test photographs, of that variant and the baselines.
        packed: bytes per megapixel of photographs as `fetch` packs them.
        memory: bytes, the most that a process took at the largest number of photographs.
    """

    fetch: float
    targets: float
    train: float
    evaluate: float
    packed: float
    memory: float


def main() -> None:
    """Write the table into docs/scale.md."""
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8")))


def filled(text: str) -> str:
    """The page's text with its table written anew."""
    before, _, rest = text.partition(BEGIN)
    return (
        before + BEGIN + section(read_json(RESULTS) if RESULTS.exists() else {}) + "\n" + END + rest.partition(END)[2]
    )


def section(results: dict[str, Any]) -> str:
    """The table for what has been measured, or a line that says that nothing has."""
    if "growth" not in results:
        return "Nothing is measured yet: `python -m benchmarks growth`, then `python -m benchmarks.estimate`."
    settings = load()
    found = rates(results["growth"], settings.targets.patch)
    columns = [
        estimate(found, photographs, stride, settings.targets.patch, settings.train.recipe.epochs,
                 settings.targets.shard_patches)
        for photographs, stride in CASES
    ]  # fmt: skip
    lines = [
        "| | " + " | ".join(f"{photographs:,} photographs, stride {stride}" for photographs, stride in CASES) + " |",
        "|---|" + "---:|" * len(CASES),
        *("| " + " | ".join([name, *(column[name] for column in columns)]) + " |" for name in columns[0]),
    ]
    return "\n".join(lines)


def rates(growth: dict[str, Any], patch: int) -> Rates:
    """What each further photograph took between the two largest numbers of photographs of the benchmark `growth`."""
    before, last = sorted(growth["photographs"], key=int)[-2:]
    photographs = growth["photographs"][last] - growth["photographs"][before]
    table = manifest.read(LIST)
    megapixels = table["height"] * table["width"] / 1e6
    share = megapixels.groupby(table["split"]).sum() / megapixels.sum()

    def seconds(stage: str) -> float:
        at = growth["stages"][stage]
        return (at[last]["cpu_seconds"] - at[before]["cpu_seconds"]) / photographs / megapixels.mean()

    packed = YAML(typ="safe").load(Path("dvc.lock"))["stages"]["fetch"]["outs"][0]["size"]
    return Rates(
        fetch=seconds("fetch"),
        targets=seconds("targets"),
        train=seconds("train") / share["train"] * patch**2 / 1e6,
        evaluate=(seconds("evaluate") + seconds("baselines")) / share["test"],
        packed=packed / megapixels.sum(),
        memory=max(at[last]["mib"] for at in growth["stages"].values()) * 2**20,
    )


def estimate(
    found: Rates, photographs: int, stride: int, patch: int, epochs: int, shard_patches: int
) -> dict[str, str]:
    """Rows of the table for so many photographs of 12 megapixels.

    A stage takes rate × amount of CPU time, and on the cluster that divided by its cores, if nothing but the processor
    limits it. A patch is kept as colour and gray, 4 bytes a pixel.
    """
    megapixels = photographs * HEIGHT * WIDTH / 1e6
    per_photograph = int(count(HEIGHT, WIDTH, patch, stride))
    patches = photographs * per_photograph
    hours = {
        "`fetch`": found.fetch * megapixels / 3600,
        "`targets`": found.targets * megapixels / 3600,
        f"`train`, {epochs} epochs": found.train * (photographs - TESTED) * per_photograph * epochs / 3600,
        "`evaluate` and baselines": found.evaluate * TESTED * HEIGHT * WIDTH / 1e6 / 3600,
    }
    spread = {name: value for name, value in hours.items() if "train" not in name}
    stored = (found.packed * megapixels + 4 * patch**2 * patches) / 1e12
    return {
        "patches": number(patches),
        "shards of patches": number(patches / shard_patches),
        "stored, TB": number(stored),
        **{f"{name}, core hours": number(value) for name, value in hours.items()},
        f"without `train`, days on {CORES} cores": number(sum(spread.values()) / CORES / 24),
        "DVC hashing what is stored, days": number(stored * 1e12 / HASHED / 86400),
        "memory of a stage as measured, GB": number(found.memory / 1e9),
        "memory of the patch index, GB": number(patches * INDEX_ROW / 1e9),
        "computing, USD": number(sum(hours.values()) * CORE_HOUR),
        "storing, USD a month": number(stored * TB_MONTH),
    }


def number(value: float) -> str:
    """Two significant digits, since no more is known."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


if __name__ == "__main__":
    main()
