"""Sums are cut alike whatever caches the processor has."""

import platform
import subprocess
import sys

import pytest

CODE = """
from stages.train import blocks, precision
precision.prepare(1, "float64")
blocks.cut_alike()
print(blocks.terms())
for sizes in ((blocks.CACHE, 48 * 1024), (48 * 1024, blocks.CACHE)):
    blocks.replace_cache(*sizes)
    print(blocks.terms())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the promise is of x86-64")
def test_sums_are_cut_for_32_kib_on_every_processor() -> None:
    """In a process of its own: other tests have run TensorFlow with several threads."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["336", "504", "336"]
    assert "sums are cut" not in done.stderr
