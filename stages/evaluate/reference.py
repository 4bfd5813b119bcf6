"""Reference values: the radial DCT code of the target that has the same mean squared error as a method.

Any blur is smooth, and any error of luma correlates somewhat with chroma. Only the excess over the DCT counts.
"""

import numpy as np

from stages.evaluate import baselines, scores


def outputs(targets: np.ndarray) -> np.ndarray:
    """`scores.planes` of codes of targets `(n, side, side)`: `(sizes, n, side, side)`.

    The sizes are the powers of two below the number of pixels.
    """
    pixels = targets[0].size
    sizes = [2**power for power in range(pixels.bit_length()) if 2**power < pixels]
    return np.concatenate([scores.planes(baselines.dct(targets, size, radial=True)) for size in sizes])


def at(mse: float, errors: np.ndarray, values: np.ndarray, exact: float) -> float:
    """The value at mean squared error `mse`, interpolated over the root mean squared errors of the codes.

    `errors` and `values` `(sizes,)` belong to the codes, `exact` to a code without error.
    """
    order = np.argsort(errors, kind="stable")
    return float(np.interp(np.sqrt(mse), np.sqrt([0, *errors[order]]), [exact, *values[order]]))
