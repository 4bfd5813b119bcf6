"""What a code that sees no colour would get where it errs as much as a method: the radial DCT of the target.

Any blur is smooth, and any error of luma correlates with chroma somewhat. Only what goes beyond the DCT with the same
mean squared error is the method's own.
"""

import numpy as np

from stages.evaluate import baselines, scores


def sizes(pixels: int) -> list[int]:
    """Of the codes: powers of two below the number of pixels."""
    return [2**power for power in range(pixels.bit_length()) if 2**power < pixels]


def outputs(targets: np.ndarray) -> np.ndarray:
    """What codes of all `sizes` make of targets `(n, side, side)`: `(sizes, n, side, side)`, as `scores.planes`."""
    codes = [baselines.dct(targets, size, radial=True) for size in sizes(targets[0].size)]
    return np.concatenate([scores.planes(code) for code in codes])


def at(mse: float, errors: np.ndarray, values: np.ndarray, exact: float) -> float:
    """A value of the code whose mean squared error is `mse`, between two sizes by their root mean squared errors.

    `errors` and `values` are those of the codes, `(sizes,)`; `exact` is the value of a code without any error. Beyond
    the largest error the value is that of the smallest code.
    """
    order = np.argsort(errors, kind="stable")
    return float(np.interp(np.sqrt(mse), np.sqrt([0, *errors[order]]), [exact, *values[order]]))
