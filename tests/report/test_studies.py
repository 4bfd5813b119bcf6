"""Results of studies stand only beside the data that they were made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.report import studies

SPLITS = ("train", "validation", "test")
INPUTS = {f"data/pairs/{split}": digit * 64 for split, digit in zip(SPLITS, "123", strict=True)}


@pytest.mark.parametrize("other", SPLITS)
def test_runs_on_other_patches_are_left_out(other: str, tmp_path: Path) -> None:
    own = ["1" * 12, "2" * 12, "3" * 12]
    others = ["4" * 12 if split == other else start for split, start in zip(SPLITS, own, strict=True)]
    lines = ["run,psnr,train,validation,test,made_from"]
    lines += [",".join([run, "30", *data, "1e2345678901"]) for run, data in {"a": own, "b": others}.items()]
    (tmp_path / "studies.csv").write_text("\n".join(lines) + "\n")
    found = studies.of_these_data(INPUTS, tmp_path / "studies.csv")
    assert found.index.tolist() == ["a"]
    assert found.to_dict("records") == [{"run": "a", "psnr": 30, "made_from": "1e2345678901"}]
