"""Makes TensorFlow sum float64 products in blocks of the same length on every processor.

With one thread, Eigen cuts a long sum into blocks that fit into the first-level data cache: 336 terms for 32 KiB, 504
for 48 KiB, which newer processors have. Other blocks give other last bits, and after thousands of steps other weights.
Eigen reads the cache sizes once, keeps them as 64-bit integers, and has no setting for them. Here they are found among
the variables of TensorFlow's library and replaced; a product verifies the effect.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

TERMS, CACHE = 336, 32 * 1024  # of a block, and the bytes of the cache that give it
LEVEL_1 = 188  # glibc's _SC_LEVEL1_DCACHE_SIZE


def cut_alike() -> None:
    """Make blocks have `TERMS` terms, or print that this failed."""
    if terms() == TERMS:
        return
    if (platform.machine(), platform.libc_ver()[0]) == ("x86_64", "glibc") and os.sysconf(LEVEL_1) > CACHE:
        replace_cache(os.sysconf(LEVEL_1), CACHE)
    if (found := terms()) != TERMS:
        print(
            f"sums are cut into blocks of {found} terms here, not {TERMS}: weights will differ from those trained on "
            "other processors",
            file=sys.stderr,
        )


def terms() -> int:
    """The number of terms in a block of a sum of products.

    In the block of the 1, all terms of 2⁻⁵⁴ are lost to rounding; the other blocks add up to the excess over 1.
    """
    count = 6 * TERMS
    column = np.full((count, 48), 2.0**-54)  # smaller products are not cut
    column[0] = 1
    product = tf.matmul(tf.ones((48, count), tf.float64), tf.constant(column))
    return round(count - (float(product[0, 0]) - 1) * 2**54)


def replace_cache(size: int, by: int) -> None:
    """Replace Eigen's size of the first-level data cache, `size`, by `by`; call after the first product.

    It is identified by the sizes of two larger caches that follow it.
    """
    for start, end in _variables("libtensorflow"):
        numbers = np.ctypeslib.as_array((ctypes.c_int64 * ((end - start) // 8)).from_address(start))
        first, second, third = numbers[:-2], numbers[1:-1], numbers[2:]
        larger = [(size < cache) & (cache < 1 << 32) & (cache % 4096 == 0) for cache in (second, third)]
        first[(first == size) & larger[0] & larger[1]] = by


def _variables(library: str) -> Iterator[tuple[int, int]]:
    """Start and end addresses of the writable memory of a library, including the zeros that follow it."""
    inside, last = False, 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, _, *path = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        inside = library in path[0] if path else inside and start == last
        last = end
        if inside and rights.startswith("rw"):
            yield start, end
