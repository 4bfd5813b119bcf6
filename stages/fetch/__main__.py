"""Stages `fetch` and `fetch_set@<test set>`: the wanted photographs, checked and packed into one container."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.common import engine
from stages.common.stage import stage
from stages.fetch import archive, bundled, folder, keras_datasets, repository
from stages.fetch.pack import SKIPPED, pack
from stages.fetch.photograph import Plan

SOURCES: dict[str, Callable[[Any, Path], Plan]] = {  # settings and a folder that survives a kill → what to read
    "bundled": bundled.plan,
    "folder": folder.plan,
    "archive": archive.plan,
    "keras": keras_datasets.plan,
    "dvc": repository.plan,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.fetch", description=__doc__)
    parser.add_argument("test_set", nargs="?", help="a key of `test_sets` in params.yaml; without it, `fetch` is meant")
    name = parser.parse_args().test_set
    key, out = (f"test_sets.{name}", f"data/test_sets/{name}") if name else ("fetch", "data/photos")

    with stage("fetch_set", name) if name else stage("fetch") as work:
        settings = work[key]
        plan = SOURCES[settings.source](settings, work.keep)
        packed = pack(work.out(out), plan, settings, work.keep / "shards", engine.load(), test_set=bool(name))
    print(f"{'fetch_set@' + name if name else 'fetch'}: {packed.lines()}")
    if packed.skipped:
        print(f"{out}/{SKIPPED} has all of them")


if __name__ == "__main__":
    main()
