"""Sums of float64 products, cut alike on every processor.

With one thread Eigen, which multiplies for TensorFlow, cuts a long sum into blocks that fit into the first-level data
cache: 336 terms in 32 KiB; 504 in 48 KiB, which Intel's processors have since 2019, and AMD's since 2024. Another cut
has other last bits, and after thousands of steps other weights. Eigen asks the processor once, keeps the sizes of its
caches as 64-bit integers, and has no setting for them. So they are looked for among the variables of TensorFlow's
library, and replaced. Whether that has worked is seen from a product.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

TERMS, CACHE = 336, 32 * 1024  # of a block, and the bytes of the cache that it is for
LEVEL_1 = 188  # what sysconf is asked for, by its number in glibc: bytes of the first-level data cache


def cut_alike() -> None:
    """See to it that sums are cut into blocks of `TERMS`; where that fails, say so."""
    if terms() == TERMS:
        return
    if (platform.machine(), platform.libc_ver()[0]) == ("x86_64", "glibc") and os.sysconf(LEVEL_1) > CACHE:
        replace_cache(os.sysconf(LEVEL_1), CACHE)
    if (found := terms()) != TERMS:
        print(
            f"sums are cut into {found} terms here, not {TERMS}: weights will differ from those that other processors "
            "train, at first in their last bits",
            file=sys.stderr,
        )


def terms() -> int:
    """How many terms of a sum of products are added up before the next block begins.

    Beside 1 a term of 2⁻⁵⁴ is lost, and so are all in the block of that 1; the other blocks add up to what is above 1.
    """
    count = 6 * TERMS
    column = np.full((count, 48), 2.0**-54)  # smaller products are not cut
    column[0] = 1
    product = tf.matmul(tf.ones((48, count), tf.float64), tf.constant(column))
    return round(count - (float(product[0, 0]) - 1) * 2**54)


def replace_cache(size: int, by: int) -> None:
    """Where Eigen keeps `size` as that of the first-level data cache, put another; after its first product.

    What it keeps is told from other numbers by what follows: the sizes of two larger caches.
    """
    for start, end in _variables("libtensorflow"):
        numbers = np.ctypeslib.as_array((ctypes.c_int64 * ((end - start) // 8)).from_address(start))
        first, second, third = numbers[:-2], numbers[1:-1], numbers[2:]
        larger = [(size < cache) & (cache < 1 << 32) & (cache % 4096 == 0) for cache in (second, third)]
        first[(first == size) & larger[0] & larger[1]] = by


def _variables(library: str) -> Iterator[tuple[int, int]]:
    """First and last address of what this process may write of a library, and of what follows it: its zeros."""
    inside, last = False, 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, _, *path = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        inside = library in path[0] if path else inside and start == last
        last = end
        if inside and rights.startswith("rw"):
            yield start, end
