# SPDX-License-Identifier: MIT
"""Measuring searches: recall against exact answers, seconds of single calls."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import springg


def recall_of(found: Any, exact: Any) -> float:
    """Return the share of the true k nearest that were found.

    A hit counts by its distance, not its id, so that equally near rows are worth the same. Both
    answers come from one index, whose exact and approximate distances have equal bits.
    """
    counts = np.asarray(exact.counts)
    asked = counts > 0
    if not asked.any():
        return 1.0
    rows = np.arange(len(counts))[asked]
    farthest = exact.distances[rows, counts[asked] - 1][:, None]
    good = (found.distances[asked] <= farthest).sum(axis=1)
    return float((good / counts[asked]).mean())


def latencies(
    index: springg.Index,
    queries: np.ndarray,
    k: int,
    ef: int | None,
    *,
    at_least: float = 0.5,
) -> np.ndarray:
    """Return the seconds of searches, one query a call on this thread.

    Every query is asked once to warm up, then all of them again until `at_least` seconds went by.
    """
    for query in queries:
        index.search(query, k, ef=ef, include=())
    seconds = []
    end = time.perf_counter() + at_least
    while time.perf_counter() < end:
        for query in queries:
            begin = time.perf_counter()
            index.search(query, k, ef=ef, include=())
            seconds.append(time.perf_counter() - begin)
    return np.asarray(seconds)
