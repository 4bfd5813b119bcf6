"""The estimate follows from the measured rates, and the page says what the code says."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import estimate
from benchmarks.estimate import Rates
from tests.conftest import REPOSITORY

SECOND = Rates(fetch=1, targets=2, train=0.001, evaluate=3, packed=1e6, memory=1e9)


def growth(per_photograph: float) -> dict[str, Any]:
    """As benchmarks/results.json holds it: a start of 5 seconds, then so many for each photograph."""
    numbers = {"1": 10, "10": 100, "100": 1000}
    at = {key: {"cpu_seconds": 5 + per_photograph * n, "mib": 100.0 + n} for key, n in numbers.items()}
    stages = ("fetch", "targets", "train", "baselines", "evaluate", "report")
    return {"photographs": numbers, "stages": dict.fromkeys(stages, at)}


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)


def test_the_page_says_what_the_code_says() -> None:
    page = estimate.PAGE.read_text()
    assert estimate.filled(page) == page


def test_the_start_of_a_stage_is_no_part_of_its_rate() -> None:
    once, twice = estimate.rates(growth(0.5), 28), estimate.rates(growth(1.0), 28)
    assert twice.fetch == pytest.approx(2 * once.fetch)
    assert twice.train == pytest.approx(2 * once.train)
    assert once.evaluate > 2 * once.fetch  # per megapixel of the test photographs alone, for two stages
    assert once.memory == 1100 * 2**20


def test_hours_follow_from_the_rates() -> None:
    found = estimate.estimate(SECOND, 1_000_000, 28, 28, 8, 32768)
    assert found["`fetch`, core hours"] == "3,300"  # 12 million megapixels at 1 s
    assert found["`targets`, core hours"] == "6,700"
    assert found["`evaluate` and baselines, core hours"] == "100"  # 10,000 photographs, 12 megapixels, 3 s
    assert found["patches"] == "15,000,000,000"  # 107 × 142 a photograph
    assert found["`train`, 8 epochs, core hours"] == "33,000"
    assert found["stored, TB"] == "60"  # 12 of photographs, 48 of patches


def test_a_hundred_times_as_many_photographs_take_a_hundred_times_as_long() -> None:
    small, large = (estimate.estimate(SECOND, n, 280, 28, 8, 32768) for n in (1_000_000, 100_000_000))
    for row in ("`fetch`, core hours", "stored, TB", "memory of the patch index, GB", "storing, USD a month"):
        assert amount(large[row]) == pytest.approx(100 * amount(small[row]), rel=0.1)
    assert small["`evaluate` and baselines, core hours"] == large["`evaluate` and baselines, core hours"]
    assert small["memory of a stage as measured, GB"] == large["memory of a stage as measured, GB"]


def test_without_a_measurement_the_page_says_how_to_make_one() -> None:
    assert "python -m benchmarks growth" in estimate.section({"scoring": {}})


def amount(text: str) -> float:
    return float(text.replace(",", ""))
