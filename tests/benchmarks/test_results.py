"""How ratios are taken, and that the committed results are whole. No test times code."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import BenchmarkError, by_turns, denoising, row, run
from benchmarks import __main__ as command
from stages.common.artifacts import read_json, write_text
from stages.report.collect import peers
from tests.conftest import REPOSITORY

COMMITTED = read_json(REPOSITORY / command.RESULTS)


def test_the_committed_ratios_are_whole_and_each_goal_says_whether_it_is_reached() -> None:
    assert command.text(COMMITTED) == (REPOSITORY / command.RESULTS).read_text()
    assert "cores of" in COMMITTED["machine"]
    for line in COMMITTED["rows"]:
        assert line["ratio"][1] <= line["ratio"][0] <= line["ratio"][2]
        assert ("goal" in line) == ("reached" in line)


def test_a_goal_is_reached_only_with_all_of_its_conditions() -> None:
    ones = [1.0, 1.0, 1.0]

    def reached(goal: str, **also: bool) -> bool:
        return bool(row("", "s", [0.4, 0.5, 0.6], ones, goal, **also)["reached"])

    assert [reached(goal) for goal in ("≥ 0.5", "≥ 0.6", "≤ 0.5", "≤ 0.4")] == [True, False, True, False]
    assert not reached("≥ 0.5", also=False)


def test_pairs_are_measured_by_turns_and_compared_within_their_round() -> None:
    order: list[str] = []
    speeds = iter([1.0, 2.0, 10.0, 30.0])  # the machine becomes ten times slower

    def take(name: str) -> float:
        order.append(name)
        return next(speeds)

    found = by_turns({"ours": lambda: take("ours"), "peer": lambda: take("peer")}, rounds=2)
    assert order == ["ours", "peer", "ours", "peer"]
    assert row("", "s", found["ours"], found["peer"])["ratio"] == [0.4167, 0.3333, 0.5]


def test_the_rows_of_other_photographs_and_of_filters_that_are_not_installed_stay_in_the_table_of_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_text(denoising.MODEL, "network")
    rows = pd.DataFrame({"kind": "jpeg", "level": 10, "method": "luma", "photo": ["NA", "b"], "psnr": 30.0})
    for name, psnr in [("mine", 30.0), ("yours", 30.0), ("mine", 20.0), ("yours", 10.0)]:
        denoising.write(name, rows.assign(psnr=psnr))
        if psnr == 30:
            denoising.write(name, rows.assign(method="bm3d", psnr=5.0))
    found = {name: table.groupby("method")["psnr"].first().to_dict() for name, table in peers().items()}
    assert found == {"mine": {"luma": 20, "bm3d": 5}, "yours": {"luma": 10, "bm3d": 5}}
    write_text(denoising.MODEL, "another network")
    denoising.write("mine", rows)
    assert {name: set(table["method"]) for name, table in peers().items()} == {"mine": {"luma", "bm3d"}}
    denoising.MODEL.unlink()
    assert peers() == {}


def test_a_command_is_measured_with_its_children_and_its_failure_is_told() -> None:
    grows = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'b = [0] * (40 << 20)'])"
    assert run([sys.executable, "-c", grows]).mib > 300
    with pytest.raises(BenchmarkError, match="exit code 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])
