"""Stages `fetch` and `fetch_set@<test set>`: read the photographs, check them and pack them."""

import argparse

from stages.common import engine
from stages.common.stage import item_of, stage
from stages.fetch.pack import SKIPPED, pack
from stages.fetch.source import find, read


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.fetch", description=__doc__)
    parser.add_argument(
        "test_set", nargs="?", type=item_of, help="a key of `test_sets` in params.yaml; without it, stage `fetch` runs"
    )
    name = parser.parse_args().test_set
    key, out = (f"test_sets.{name}", f"data/test_sets/{name}") if name else ("fetch", "data/photos")

    with stage("fetch_set", name) if name else stage("fetch") as work:
        settings = read(key, work[key])
        plan = find(settings.source).plan(settings, work.keep)
        packed = pack(work.out(out), plan, settings, work.keep / "shards", engine.load())
    print(f"{'fetch_set@' + name if name else 'fetch'}: {packed.lines()}")
    if packed.skipped:
        print(f"{out}/{SKIPPED} lists all of them")


if __name__ == "__main__":
    main()
