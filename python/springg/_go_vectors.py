# SPDX-License-Identifier: MIT
"""Vectors as the Go Springg computes with them: float32, one rounding a step."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import numpy as np

# Go leaves a vector of a smaller length as it is.
LENGTH_MIN = np.float32(1e-10)
# What float32 sums of 65,536 squares may be off by, with room.
UNIT_TOLERANCE = 1e-2


def normalised(rows: np.ndarray) -> np.ndarray:
    """Return float32 rows of unit length, with the bits that Go's add stores (on amd64).

    The squares are added one after the other, in float32. A length that overflows gives zeros.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    total = np.zeros(len(rows), np.float32)
    with np.errstate(over="ignore", under="ignore"):
        for column in rows.T:
            total += column * column
        length = np.sqrt(total.astype(np.float64)).astype(np.float32)
        length[length < LENGTH_MIN] = 1
        return rows / length[:, None]


def is_unit(row: np.ndarray) -> bool:
    """Say whether a row has unit length, or none at all, as far as float32 tells."""
    wide = row.astype(np.float64)
    length = float(np.sqrt(wide @ wide))
    return length < float(LENGTH_MIN) or abs(length - 1) < UNIT_TOLERANCE


def nearest_float32(values: np.ndarray, texts: Callable[[], list[str]]) -> np.ndarray:
    """Return float64 values as float32, nearest to the decimal numbers that they were read from.

    Rounding twice goes wrong where a float64 lies just between two float32; there `texts` is
    asked for the decimal numbers.
    """
    with np.errstate(over="ignore", under="ignore"):
        narrow = values.astype(np.float32)
        towards = np.where(values > narrow, np.float32(np.inf), np.float32(-np.inf))
        other = np.nextafter(narrow, towards)
        middle = (narrow.astype(np.float64) + other.astype(np.float64)) / 2
        tied = np.flatnonzero((values == middle) & (values != narrow))
    if len(tied) == 0:
        return narrow
    exact = texts()
    for place in tied.tolist():
        # Of two neighbors the even one was taken; the text may be nearer to the other.
        difference = Fraction(Decimal(exact[place])) - Fraction(float(values[place]))
        if difference and (difference > 0) == (other[place] > narrow[place]):
            narrow[place] = other[place]
    return narrow
