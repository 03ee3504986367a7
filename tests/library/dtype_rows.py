# SPDX-License-Identifier: MIT
"""Rows for the tests of dtypes of bytes and bits."""

from __future__ import annotations

import numpy as np

INTEGERS = ["int8", "uint8"]
METRICS = ["cosine", "dot", "l2", "manhattan"]
ALL = [(dtype, metric) for dtype in INTEGERS for metric in METRICS] + [("binary", "hamming")]
DIMENSIONS = 44  # of bits: six bytes, the last one half used


def rows_of(rng, count, dtype, dimensions=DIMENSIONS, centers=0):
    """Rows that an index of the dtype takes as they are; around centers, or over all values."""
    if centers:
        middle = rng.standard_normal((centers, dimensions)) * 60
        values = (
            middle[rng.integers(0, centers, count)] + rng.standard_normal((count, dimensions)) * 30
        )
    else:
        values = rng.uniform(-140, 140, (count, dimensions))
    if dtype == "binary":
        return np.packbits(values > 0, axis=1)
    if dtype == "uint8":
        values += 128
    info = np.iinfo(dtype)
    return np.clip(np.rint(values), info.min, info.max).astype(dtype)


def numpy_dtype(dtype):
    return np.uint8 if dtype == "binary" else np.dtype(dtype)
