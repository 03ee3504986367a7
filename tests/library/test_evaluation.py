# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

import springg
from springg.evaluation import exact_neighbors, recall_at_k

BASE = [[1, 0], [0, 2], [3, 3], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("metric", "rows", "distances"),
    [
        ("cosine", [0, 4, 2], [0, 0, 1 - 1 / np.sqrt(2)]),
        ("dot", [2, 0, 4], [-6, -2, -2]),
        ("l2", [0, 4, 3], [1, 1, 2]),
        ("manhattan", [0, 4, 3], [1, 1, 2]),
    ],
)
def test_neighbors_by_hand(metric, rows, distances):
    found, far = exact_neighbors(BASE, [2, 0], 3, metric)
    assert found.tolist() == [rows]
    assert np.allclose(far, [distances])


def test_more_than_there_are_and_none():
    assert exact_neighbors(BASE, [[0, 1]], 10, "l2")[0].shape == (1, 5)
    assert exact_neighbors(BASE, [[0, 1]], 0, "l2")[0].shape == (1, 0)
    with pytest.raises(springg.InvalidArgument):
        exact_neighbors(BASE, [[0, 1]], 1, "euclid")


def test_recall():
    assert recall_at_k([["a", "b"], ["c"]], [["b", "x"], ["c", "d"]]) == 0.5
    assert recall_at_k(np.array([[1, 2]]), np.array([[2, 1]])) == 1
    assert recall_at_k([[]], [[]]) == 1
    with pytest.raises(springg.InvalidArgument):
        recall_at_k([[1]], [[1], [2]])
