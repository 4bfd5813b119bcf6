"""Stage `fetch`: the wanted photographs, checked and packed into data/photos."""

from __future__ import annotations

from stages.fetch import bundled, container
from stages.stage import stage

SOURCES = {"bundled": bundled.photographs}


def main() -> None:
    with stage("fetch") as work:
        table, photographs = SOURCES[work["fetch"].source]()
        container.write(work.out("data/photos"), table, photographs)
    megapixels = (table["height"] * table["width"]).sum() / 1e6
    print(f"fetch: {len(table)} photographs, {megapixels:.1f} megapixels")


if __name__ == "__main__":
    main()
