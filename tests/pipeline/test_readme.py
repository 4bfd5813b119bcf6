"""README.md and docs/scale.md: numbers are those of metrics, and commands work in their order."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests import samples
from tests.conftest import INSTALLED, REPOSITORY, Workspace

README = (REPOSITORY / "README.md").read_text()
ENDLESS = ("make test", "make test-all", "make ci", "make study", "make bench")  # too long


FENCE = re.compile(r"^```([^\n]+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
BLOCKS = FENCE.findall(README)  # language and text
LINES = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
COMMANDS = [command for line in LINES if (command := re.split(r"(?:^|\s{2,})#", line)[0].strip())]

# Method, and the cells with its numbers.
ROWS = re.findall(r"^\| `(\w+)` \|[^|]*" + r"\|([^|]*)" * 4 + r"\|$", README, flags=re.MULTILINE)
KEYS = ("psnr", "start_psnr", "ssim", "latent")


def test_the_table_of_scores_is_that_of_metrics() -> None:
    assert "| PSNR dB | before its first step | SSIM | latent |" in README
    assert len(ROWS) == 7
    for method, *cells in ROWS:
        score = json.loads((REPOSITORY / f"metrics/scores/{method}.json").read_text())
        for key, text in zip(KEYS, map(str.strip, cells), strict=True):
            assert bool(text) == (key in score), (method, key)
            half_a_digit = 0.500001 * 10 ** -len(text.partition(".")[2])
            assert not text or float(text) == pytest.approx(score[key], abs=half_a_digit), (method, key)
    shown = re.findall(r"^(metrics/scores/\S+) +(\S+) +(\S+) +(\S+) +(\S+)$", README, flags=re.MULTILINE)
    assert len(shown) == len(list((REPOSITORY / "metrics/scores").iterdir()))
    for file, *cells in shown:  # as `dvc metrics show` prints them
        score = json.loads((REPOSITORY / file).read_text())
        assert cells == [str(score.get(key, "-")) for key in ("latent", "psnr", "ssim", "start_psnr")], file


def test_the_table_of_noise_is_that_of_the_results() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]*" + r"\| ([\d.]+) " * 3 + r"\|$", README, flags=re.MULTILINE)
    assert [row[0] for row in rows] == ["luma", "nl_means", "sliding_dct", "denoise_start", "denoise"]
    table = (REPOSITORY / "metrics/results.md").read_text().partition("## Damage undone")[2]
    head, *_ = re.findall(r"^\| `method` .*|^\| method .*", table, flags=re.MULTILINE)
    columns = [cell.strip() for cell in head.split("|")]
    for method, *numbers in rows:
        found, *_ = re.findall(rf"^\| `{method}` \|.*", table, flags=re.MULTILINE)  # the first table is of PSNR
        cells = dict(zip(columns, found.split("|"), strict=True))
        for level, number in zip((10, 25, 50), numbers, strict=True):
            assert float(number) == pytest.approx(float(cells[f"gaussian {level}"].split()[0]), abs=0.0501)


def test_every_number_of_peers_is_that_of_their_table() -> None:
    peers = pd.read_csv(REPOSITORY / "metrics/peers.csv")
    table = peers[peers["photographs"] == "cbsd68"]
    noisy = peers[peers["kind"] == "gaussian"].groupby(["photographs", "level", "method"])[["psnr", "ssim"]].mean()
    means, of_test = (noisy.loc[name].unstack() for name in ("cbsd68", "test"))
    flowing = " ".join(README.split())
    told = flowing.partition("68 photographs of CBSD68")[2].partition("the processor time")[0]
    numbers = [float(number) for number in re.findall(r"[\d.]*\d", told.replace("BM3D", ""))]
    gains = [means["psnr", "denoise"] - means["psnr", peer] for peer in ("opencv_nl_means", "bm3d")]
    assert numbers[:6] == pytest.approx([gain[level] for gain in gains for level in (10, 25, 50)], abs=0.0501)
    rates = table.groupby("method")["rate"].mean()
    assert "over 50 times" in told
    assert rates["denoise"] > 50 * rates["bm3d"]
    more = (means["ssim", "denoise"] - means["ssim", "bm3d"])[[10, 25, 50]]
    assert "SSIM is up to 0.006 higher" in flowing
    assert more.min() > 0
    assert more.max() == pytest.approx(0.006, abs=0.000501)
    assert (of_test["ssim", "bm3d"] > of_test["ssim", "denoise"])[[10, 25, 50]].all()
    assert "0.1 dB more at 25" in flowing
    assert (of_test["psnr", "bm3d"] - of_test["psnr", "denoise"])[25] == pytest.approx(0.1, abs=0.0501)


@pytest.mark.long
def test_the_commands_of_the_readme_work(workspace: Workspace) -> None:
    assert len(COMMANDS) > 10
    samples.write_leaves(workspace.folder / "holiday", range(2))
    shutil.copy(workspace.folder / "holiday/walk 0/leaves-000.jpg", workspace.folder / "photo.jpg")
    workspace.commit("Photographs")
    (workspace.folder / ".venv").symlink_to(sys.prefix)
    code = str(workspace.folder)  # not that of the clone that is installed
    for command in dict.fromkeys(COMMANDS):
        if command not in ENDLESS:
            workspace.run("bash", "-ec", command, PYTHONPATH=code, MAKEFLAGS=INSTALLED)
    for block in [text for kind, text in BLOCKS if kind == "python"]:
        given = "import numpy; photograph = numpy.zeros((40, 50, 3), numpy.uint8)\n"
        workspace.run("python", "-c", given + block, PYTHONPATH=code)
    for written in ("photo.gray.png", "gray/walk 0/leaves-001.gray.png"):
        assert Path(workspace.folder, written).is_file()


@pytest.mark.long
def test_the_commands_of_the_page_on_scale_work(workspace: Workspace) -> None:
    """All but those that need a cluster."""
    fences = FENCE.findall((REPOSITORY / "docs/scale.md").read_text())
    assert {kind for kind, _ in fences} <= {"sh", "sh cluster", "yaml"}
    for line in "".join(text for kind, text in fences if kind == "sh").splitlines():
        workspace.run("sh", "-c", line.replace("make ", "make RUNTIME= "))
    assert workspace.run("git", "status", "--short").stdout == ""
