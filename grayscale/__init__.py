"""Photographs to grayscale: any photograph read right, by a closed form or a trained network.

`grayscale.convert` converts an array; `python -m grayscale` is the command. Nothing of the pipeline is imported here.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grayscale.photograph import convert as convert


def __getattr__(name: str) -> Any:
    if name == "convert":  # imported when asked for: the pipeline uses parts of the library alone
        from grayscale.photograph import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
