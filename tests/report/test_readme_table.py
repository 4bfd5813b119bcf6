"""The table of README.md says what metrics/scores says."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from tests.conftest import REPOSITORY

COLUMNS = {"PSNR dB": "psnr", "before its first step": "start_psnr", "SSIM": "ssim", "latent": "latent"}


def rows() -> dict[str, dict[str, str]]:
    """Method → title of a column → text, of the table whose rows begin with a name as code."""
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    lines = lines[next(number for number, line in enumerate(lines) if "| PSNR dB |" in line) :]
    table = itertools.takewhile(lambda line: line.startswith("|"), lines)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    named = [row for row in cells if re.fullmatch(r"`\w+`", row[0])]
    return {row[0].strip("`"): dict(zip(cells[0], row, strict=True)) for row in named}


def test_the_table_has_the_rows_that_matter() -> None:
    assert len(rows()) == 7


@pytest.mark.parametrize("method", rows())
def test_every_number_is_that_of_metrics_to_its_last_digit(method: str) -> None:
    score = json.loads((REPOSITORY / f"metrics/scores/{method}.json").read_text())
    for title, key in COLUMNS.items():
        text = rows()[method][title]
        decimals = len(text.partition(".")[2])
        if key in score:
            assert float(text) == pytest.approx(score[key], abs=0.500001 * 10**-decimals), title
        else:
            assert text == "", title
