"""Convert photographs to grayscale by a closed form or a trained network.

`grayscale.convert` converts an array; `python -m grayscale` is the command. Nothing here imports the pipeline.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grayscale.photograph import convert as convert


def __getattr__(name: str) -> Any:
    if name == "convert":  # lazy: the pipeline uses only parts of the library
        from grayscale.photograph import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
