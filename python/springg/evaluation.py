# SPDX-License-Identifier: MIT
"""Exact neighbors in float64 with numpy, and recall: the oracle of tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from springg.errors import error_of

__all__ = ["exact_neighbors", "recall_at_k"]

_Matrix = npt.NDArray[np.float64]


def exact_neighbors(
    vectors: npt.ArrayLike, queries: npt.ArrayLike, k: int = 10, metric: str = "cosine"
) -> tuple[npt.NDArray[np.int64], _Matrix]:
    """Nearest rows of each query, computed in float64.

    Parameters
    ----------
    vectors : array_like, shape (n, dimensions)
        Rows to search; for metric hamming packed bits, as `numpy.packbits` makes them.
    queries : array_like, shape (q, dimensions)
        One dimension is one query.
    k : int
        Rows a query; at most n are given.
    metric : {"cosine", "dot", "l2", "manhattan", "hamming"}
        As in `Database.create_index`.

    Returns
    -------
    rows : ndarray of int64, shape (q, min(k, n))
        Row numbers, nearest first; equal distances in row order.
    distances : ndarray of float64, shape (q, min(k, n))
        Lower is better.

    Notes
    -----
    Takes O(q n dimensions) time and O(n dimensions) memory.
    """
    base, asked = _numbers(vectors, metric), np.atleast_2d(_numbers(queries, metric))
    if metric not in _DISTANCES:
        raise error_of(
            "invalid_argument", f"unknown metric: expected one of {list(_DISTANCES)}; got {metric}"
        )
    distance = _DISTANCES[metric]
    k = min(k, len(base))
    rows = np.empty((len(asked), k), np.int64)
    distances = np.empty((len(asked), k), np.float64)
    for i, query in enumerate(asked):
        all_distances = distance(base, query)
        rows[i] = _smallest(all_distances, k)
        distances[i] = all_distances[rows[i]]
    return rows, distances


def recall_at_k(found: Any, truth: Any) -> float:
    """Share of the true neighbors that were found.

    Parameters
    ----------
    found : sequence of sequences of ids, or ndarray of shape (q, k)
        What a search returned, ``batch.ids`` for one.
    truth : sequence of sequences of ids, or ndarray of shape (q, k)
        The exact neighbors of the same queries.

    Returns
    -------
    float
        0..1; 1.0 when there is nothing to find.
    """
    if len(found) != len(truth):
        raise error_of(
            "invalid_argument",
            f"number of queries differs: expected {len(truth)}, got {len(found)}",
        )
    hits = sum(len(set(_row(a)) & set(_row(b))) for a, b in zip(found, truth, strict=True))
    wanted = sum(len(row) for row in truth)
    return hits / wanted if wanted else 1.0


def _numbers(rows: npt.ArrayLike, metric: str) -> _Matrix:
    if metric != "hamming":
        return np.asarray(rows, np.float64)
    return np.unpackbits(np.asarray(rows, np.uint8), axis=-1).astype(np.float64)


def _row(ids: Any) -> list[Any]:
    return ids.tolist() if isinstance(ids, np.ndarray) else list(ids)


def _smallest(distances: _Matrix, k: int) -> npt.NDArray[np.int64]:
    if k == 0:
        return np.empty(0, np.int64)
    largest = np.partition(distances, k - 1)[k - 1]
    candidates = np.flatnonzero(distances <= largest)
    return candidates[np.argsort(distances[candidates], kind="stable")][:k]


def _cosine(base: _Matrix, query: _Matrix) -> _Matrix:
    norms = np.linalg.norm(base, axis=1) * np.linalg.norm(query)
    products = base @ query
    cosines: _Matrix = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    return 1.0 - cosines


def _dot(base: _Matrix, query: _Matrix) -> _Matrix:
    return -(base @ query)


def _l2(base: _Matrix, query: _Matrix) -> _Matrix:
    distances: _Matrix = np.sqrt(((base - query) ** 2).sum(axis=1))
    return distances


def _manhattan(base: _Matrix, query: _Matrix) -> _Matrix:
    distances: _Matrix = np.abs(base - query).sum(axis=1)
    return distances


_DISTANCES: dict[str, Callable[[_Matrix, _Matrix], _Matrix]] = {
    "cosine": _cosine,
    "dot": _dot,
    "l2": _l2,
    "manhattan": _manhattan,
    "hamming": _manhattan,  # of numbers that are 0 or 1
}
