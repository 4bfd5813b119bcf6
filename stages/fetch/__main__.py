"""Stages `fetch` and `fetch_set@<test set>`: the wanted photographs, checked and packed into one container."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from stages.fetch import bundled, folder
from stages.fetch.pack import SKIPPED, pack
from stages.fetch.photograph import Photograph, Skipped
from stages.stage import stage

SOURCES: dict[str, Callable[[Any], Iterator[Photograph | Skipped]]] = {
    "bundled": bundled.photographs,
    "folder": folder.photographs,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.fetch", description=__doc__)
    parser.add_argument("test_set", nargs="?", help="a key of `test_sets` in params.yaml; without it, `fetch` is meant")
    name = parser.parse_args().test_set
    key, out = (f"test_sets.{name}", f"data/test_sets/{name}") if name else ("fetch", "data/photos")

    with stage("fetch_set", name) if name else stage("fetch") as work:
        settings = work[key]
        packed = pack(work.out(out), SOURCES[settings.source](settings), settings, test_set=bool(name))
    print(f"{'fetch_set@' + name if name else 'fetch'}: {packed.lines()}")
    if packed.skipped:
        print(f"{out}/{SKIPPED} has all of them")


if __name__ == "__main__":
    main()
