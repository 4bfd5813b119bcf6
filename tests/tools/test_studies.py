"""The table of the studies: a row per run, with the digits that matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stages.common.artifacts import write_json, write_table
from stages.study import runs
from tests.conftest import REPOSITORY
from tools import studies

FACTS: dict[str, Any] = {
    "study": "sigma",
    "run": "sigma_vae_0_1",
    "variant": "vae",
    "recipe": {
        "loss": "mse",
        "seed": 1,
        "input": "colour",
        "flips": True,
        "quarter_turns": True,
        "patience": 4,
        "sigma": 0.1,
    },
    "photographs": 6,
    "patches": 3111,
    "parameters": 250_000,
    "epochs": 8,
    "best_epoch": 7,
    "patches_seen": 24888,
    "latent": 32,
    "scores": {
        "train": {"psnr": 23.123456, "ssim": 0.5123456},
        "validation": {"psnr": 22.5, "ssim": 0.5},
        "test": {"psnr": 21.98765, "ssim": 0.4987654},
    },
    "pca": {
        "components": 32,
        "train": {"psnr": 29.5, "ssim": 0.7},
        "validation": {"psnr": 29.0, "ssim": 0.68},
        "test": {"psnr": 28.8123, "ssim": 0.6691234},
    },
    "kl_nats": 12.34567,
    "active_units": 30,
}


def written(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    write_json(folder / "facts.json", facts)
    curve = pd.DataFrame({"epoch": [7, 8], "psnr": [23.0, 24.12345], "val_psnr": [22.5, 22.25]})
    write_table(folder / "curve.csv", curve)
    return studies.row(folder)


def test_a_row_says_what_was_run_and_what_it_scored(tmp_path: Path) -> None:
    row = written(tmp_path, FACTS)
    assert row["run"] == "sigma_vae_0_1"
    assert (row["sigma"], row["loss"], row["photographs"], row["latent"]) == (0.1, "mse", 6, 32)
    assert (row["train_psnr"], row["val_psnr"], row["psnr"], row["ssim"]) == (23.123, 22.5, 21.988, 0.49877)
    assert (row["pca_psnr"], row["pca_ssim"], row["kl_nats"], row["active_units"]) == (28.812, 0.66912, 12.346, 30)
    assert (row["end_train_psnr"], row["end_val_psnr"]) == (24.123, 22.25)


def test_what_a_network_has_not_stays_empty(tmp_path: Path) -> None:
    plain = {key: value for key, value in FACTS.items() if key not in ("kl_nats", "active_units")}
    plain["recipe"] = {key: value for key, value in FACTS["recipe"].items() if key != "sigma"}
    row = written(tmp_path, plain)
    assert [key for key, value in row.items() if value is None] == ["sigma", "kl_nats", "active_units"]
    assert list(row) == list(written(tmp_path, FACTS))


def test_the_committed_table_is_that_of_the_committed_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    if not studies.TABLE.exists():
        pytest.skip("no study was done yet")
    write_table(tmp_path / "table.csv", studies.collected(list(runs.load())))
    assert (tmp_path / "table.csv").read_text() == studies.TABLE.read_text()
