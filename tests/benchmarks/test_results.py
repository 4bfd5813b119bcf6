"""results.json is whole, and what the README and its picture say is what stands there."""

from __future__ import annotations

import pytest

from benchmarks import measure, results, watch
from tests.conftest import REPOSITORY

COMMITTED = results.read(REPOSITORY / results.RESULTS)


def test_all_seven_benchmarks_were_run_on_a_machine_that_is_described() -> None:
    assert list(COMMITTED)[:7] == list(results.SEVEN)
    for found in COMMITTED.values():
        assert {"processor", "cores", "memory_gib", "system", "python", "packages"} <= set(found["machine"])


def test_every_goal_says_whether_it_is_reached() -> None:
    asked = {name: row for name, row in results.goals(COMMITTED).items() if "goal" in row}
    assert set(asked) >= {
        "quality_subpixel",
        "training",
        "scoring",
        "contrast",
        "no_op",
        "growth_time",
        "growth_memory",
    }
    for name, row in asked.items():
        middle = row["ratio"]["median"]
        met = middle >= row["goal"]["least"] if "least" in row["goal"] else middle <= row["goal"]["most"]
        assert row["reached"] in (met, False), name


def test_a_goal_is_reached_only_with_all_of_its_conditions() -> None:
    half = {"median": 0.5, "low": 0.4, "high": 0.6, "rounds": 5}
    reached = [
        measure.goal("", "", "", half, least=0.5)["reached"],
        measure.goal("", "", "", half, least=0.6)["reached"],
        measure.goal("", "", "", half, most=0.5)["reached"],
        measure.goal("", "", "", half, most=0.4)["reached"],
        measure.goal("", "", "", half, least=0.5, also=False)["reached"],
    ]
    assert reached == [True, False, True, False, False]


def test_pairs_are_measured_by_turns_and_compared_within_their_round() -> None:
    order: list[str] = []
    speeds = iter([1.0, 2.0, 10.0, 30.0])  # the machine becomes ten times slower

    def take(name: str) -> float:
        order.append(name)
        return next(speeds)

    found = measure.by_turns({"ours": lambda: take("ours"), "peer": lambda: take("peer")}, rounds=2)
    assert order == ["ours", "peer", "ours", "peer"]
    assert measure.ratio(found["peer"], found["ours"]) == {"median": 2.5, "low": 2.0, "high": 3.0, "rounds": 2}


def test_a_quality_counts_as_reached_only_from_where_it_stays() -> None:
    curve = [(0.0, 0.1), (1.0, 0.9), (2.0, 0.5), (3.0, 0.8), (4.0, 0.9)]
    assert watch.reached(curve, 0.7) == 3.0
    assert watch.reached(curve, 0.05) == 0.0
    assert watch.reached(curve, 0.95) is None


def test_a_command_is_measured_with_all_its_children_and_its_failure_is_told() -> None:
    grows = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'b = [0] * (40 << 20)'])"
    assert measure.run(["python", "-c", grows]).mib > 300
    with pytest.raises(measure.BenchmarkError, match="exit code 3"):
        measure.run(["python", "-c", "raise SystemExit(3)"])


def test_the_picture_of_the_readme_is_that_of_the_results() -> None:
    assert (REPOSITORY / results.PICTURE).read_bytes() == results.picture(COMMITTED)
