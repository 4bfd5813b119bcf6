"""Instead of a stage, for tests of what git and DVC do with results: writes a few bytes that follow from its settings.

Started as `python -m tests.team.stand_in STAGE [NAME]`, by a map that conftest.py wrote; nothing of it is imported.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PAGE = 300_000  # bytes of the report page, about as many as of a real one
PHOTOS = ("leaves-000", "leaves-001")


def main() -> None:
    """Write the outputs that dvc.yaml names for a stage."""
    stage, *item = sys.argv[1:]
    stages: dict[str, Callable[..., None]] = {
        "fetch": fetch,
        "targets": targets,
        "train": train,
        "evaluate": evaluate,
        "report": report,
    }
    stages[stage](*item)


def fetch() -> None:
    write("data/photos/settings.json", settings("fetch"))


def targets() -> None:
    for split in ("train", "validation", "test"):
        write(f"data/pairs/{split}/settings.json", settings("targets"))
    write_rows("data/pairs/counts.csv", [{"photo": photo, "kept": 1} for photo in PHOTOS])


def train(variant: str) -> None:
    """The settings are the model."""
    write(f"data/models/{variant}/settings.json", settings("variants")[variant])


def evaluate(variant: str) -> None:
    """Scores by lot, the same for the same model."""
    model = read(f"data/models/{variant}/settings.json") if variant != "baselines" else None
    lot = random.Random(json.dumps(model))
    scores: list[dict[str, Any]] = [
        {"method": variant, "photo": photo, "domain": "leaves", "row": 0, "column": 28 * column}
        | {"psnr": round(lot.uniform(20, 60), 3), "ssim": round(lot.uniform(0.1, 0.8), 3)}
        for photo in PHOTOS
        for column in range(4)
    ]
    write_rows(f"data/evaluations/{variant}/scores.csv", scores)
    means = {measure: sum(score[measure] for score in scores) / len(scores) for measure in ("psnr", "ssim")}
    write(f"data/evaluations/{variant}/summary.json", {**means, "settings": model})


def report() -> None:
    variants = list(settings("variants"))
    rows = {name: read(f"data/evaluations/{name}/summary.json") for name in variants}
    write("metrics/summary.json", {"variants": rows, "baselines": {}})
    write_rows("metrics/probes.csv", [{"method": name, "isoluma_contrast": rows[name]["psnr"]} for name in variants])
    Path("metrics/result.png").write_bytes(json.dumps(rows).encode() + bytes(1))  # not a text, to git
    write_rows("data/report/curves.csv", [{"variant": name, "epoch": 1, "val_psnr": 20} for name in variants])
    write_rows("data/report/scores.csv", [{"method": name, "ssim": rows[name]["ssim"]} for name in variants])
    page = Path("stages/report/page.html").read_text()
    Path("data/report/index.html").write_text(f"{page}\n<h2>Scores</h2>\n{json.dumps(rows)}\n{'.' * PAGE}\n")


def settings(section: str) -> Any:
    return YAML(typ="safe").load(Path("params.yaml"))[section]


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


def write(path: str, content: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content, indent=2) + "\n")


def write_rows(path: str, rows: list[dict[str, Any]]) -> None:
    """A table, of at least one row."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
