"""Apply a function of square tiles to photographs of any size, without seams. Nothing here knows of networks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from grayscale.core.levels import to_unit

TILE = 512  # side of large tiles, pixels; rounded down to a multiple of the cell
BORDER = 12  # pixels around a photograph that large tiles see, mirrored; rounded up to a multiple of the cell
PIXELS_AT_ONCE = 1 << 18  # per call of `convert`; affects memory, not results

Convert = Callable[[np.ndarray], np.ndarray]
Read = Callable[[int, int], np.ndarray]
Task = Callable[[], np.ndarray]
Window = tuple[int, int, int, slice]


def whole(convert: Convert, photograph: np.ndarray, patch: int, reach: tuple[int, int] | None = None) -> np.ndarray:
    """A whole photograph by `rows`, in float64.

    `convert` maps colour `(n, side, side, 3)` float64 in [0, 1] to `(n, side, side)` or `(n, side, side, 3)`. The
    photograph is `(height, width, 3)` uint8, or float in [0, 1]; the result `(height, width)` or `(height, width, 3)`.
    """

    def on_fractions(pixels: np.ndarray) -> np.ndarray:
        return convert(to_unit(pixels) if np.issubdtype(pixels.dtype, np.integer) else pixels.astype(np.float64))

    height, width = photograph.shape[:2]
    found = rows(on_fractions, lambda top, bottom: photograph[top:bottom], height, width, patch, reach)
    return np.concatenate([part for _, part in found])


def rows(
    convert: Convert,
    read: Read,
    height: int,
    width: int,
    patch: int,
    reach: tuple[int, int] | None,
    *,
    threads: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """`cropped` in large tiles if `convert` takes any size, else `blended`; see there for the other arguments.

    Args:
        patch: side of a patch in pixels, even.
        reach: if `convert` takes any size, the cell and the margin of `cropped`.
    """
    if reach is None:
        return blended(convert, read, height, width, patch, threads=threads)
    cell, margin = reach
    return cropped(convert, read, height, width, max(1, TILE // cell) * cell, margin, cell, threads=threads)


def blended(
    convert: Convert, read: Read, height: int, width: int, side: int, *, threads: int = 1
) -> Iterator[tuple[int, np.ndarray]]:
    """Convert a photograph in patches that overlap by half, from top to bottom.

    Each pixel is the mean of four patches, weighted by a raised cosine in both directions: weights sum to one and fade
    to zero at the edges of a patch. The photograph is mirrored at its edges.

    Args:
        convert: pixels `(n, side, side, 3)`, of the type that `read` returns, to `(n, side, side)` or
            `(n, side, side, channels)`.
        read: `(top, bottom)` to these rows, `(bottom − top, width, 3)`.
        height, width: of the photograph, pixels, ≥ 1.
        side: of a patch, pixels; even.
        threads: number of threads that call `convert`.

    Yields:
        The number of the first row, and rows `(n, width)` or `(n, width, channels)`, of the type that `convert`
        returns. Memory holds two rows of patches, whatever the height.
    """
    step = side // 2
    window = np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
    lefts = np.arange(0, width + step, step)  # of patches, counted from the leftmost
    right = lefts[-1] + side - step - width
    at_once = max(1, PIXELS_AT_ONCE // side**2)
    parts = np.array_split(lefts, range(at_once, len(lefts), at_once))

    def work(stripe: np.ndarray, part: np.ndarray) -> np.ndarray:
        return convert(np.stack([stripe[:, left : left + side] for left in part]))

    def tasks() -> Iterator[tuple[int, list[Task]]]:
        for top in range(-step, height, step):
            stripe = _stripe(read, top, top + side, height, step, right)
            yield top, [partial(work, stripe, part) for part in parts]

    sums: np.ndarray | None = None  # weighted, of the rows that are not finished
    for top, found in _one_ahead(tasks(), threads):
        for part, outputs in zip(parts, found, strict=True):
            weights = np.outer(window, window).astype(outputs.dtype).reshape(side, side, *[1] * (outputs.ndim - 3))
            if sums is None:
                sums = np.zeros((side, lefts[-1] + side, *outputs.shape[3:]), outputs.dtype)
            for left, output in zip(part, outputs, strict=True):
                sums[:, left : left + side] += weights * output
        assert sums is not None
        bottom = min(top + step, height)
        if bottom > 0:
            yield max(0, top), sums[max(0, -top) : bottom - top, step : step + width].copy()
        sums = np.concatenate([sums[step:], np.zeros_like(sums[:step])])


def cropped(
    convert: Convert, read: Read, height: int, width: int, side: int, margin: int, cell: int = 1, *, threads: int = 1
) -> Iterator[tuple[int, np.ndarray]]:
    """Convert in tiles of `side` pixels if each output pixel depends only on input at most `margin` pixels away.

    Each tile is converted with that margin, which is cut off, so the result is that of the photograph in one piece.
    That piece has a mirrored `BORDER`, or the margin if that is less. The side and the margin are multiples of `cell`,
    as are the sides of what `convert` gets. See `blended` for the rest.
    """
    columns = list(_windows(width, side, margin, cell))
    (_, leftmost, _, _), (_, _, rightmost, _) = columns[0], columns[-1]

    def work(stripe: np.ndarray, rows: slice, window: Window) -> np.ndarray:
        _, left, right, kept = window
        return convert(stripe[None, :, left - leftmost : right - leftmost])[0, rows, kept]

    def tasks() -> Iterator[tuple[int, list[Task]]]:
        for start, top, bottom, kept in _windows(height, side, margin, cell):
            stripe = _stripe(read, top, bottom, height, -leftmost, rightmost - width)
            yield start, [partial(work, stripe, kept, window) for window in columns]

    for top, found in _one_ahead(tasks(), threads):
        yield top, np.concatenate(found, axis=1)


def _windows(size: int, side: int, margin: int, cell: int) -> Iterator[Window]:
    """Of each tile along one dimension of a photograph: start, bounds of what it sees, part of that to keep.

    Bounds below 0 and above `size` are beyond the photograph.
    """
    border = min(margin, -(-BORDER // cell) * cell)
    end = -(-size // cell) * cell + border
    for start in range(0, size, side):
        first, last = max(start - margin, -border), min(start + side + margin, end)
        yield start, first, last, slice(start - first, min(start + side, size) - first)


def _stripe(read: Read, top: int, bottom: int, height: int, left: int, right: int) -> np.ndarray:
    """Rows `top` … `bottom` − 1 of a photograph, with `left` and `right` more columns; mirrored beyond its edges."""
    rows = _mirrored(top, bottom, height)
    first = rows.min()
    stripe = read(first, rows.max() + 1)[rows - first]
    return np.pad(stripe, ((0, 0), (left, right), (0, 0)), "symmetric")


def _one_ahead(rows: Iterable[tuple[int, list[Task]]], threads: int) -> Iterator[tuple[int, list[np.ndarray]]]:
    """The results of each row's tasks; those of the next row are computed meanwhile."""
    pool = ThreadPoolExecutor(threads) if threads > 1 else None  # Keras keeps state per thread: one is the caller's
    waiting: deque[tuple[int, list[Task]]] = deque()
    try:
        for top, tasks in rows:
            waiting.append((top, [pool.submit(task).result for task in tasks] if pool else tasks))
            if len(waiting) > 1:
                ready, results = waiting.popleft()
                yield ready, [result() for result in results]
        for ready, results in waiting:
            yield ready, [result() for result in results]
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def _mirrored(start: int, stop: int, size: int) -> np.ndarray:
    """Which of `size` pixels are at positions `start` … `stop` − 1 of a row that is mirrored at both ends, forever."""
    positions = np.arange(start, stop) % (2 * size)
    return np.minimum(positions, 2 * size - 1 - positions)
