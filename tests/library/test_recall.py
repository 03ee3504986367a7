# SPDX-License-Identifier: MIT
"""Recall through Python keeps the floors of tests/data/recall_floors.toml, as the C++ suite does.

The rows are those of tests/cpp/ann/test_rows.h: equal floors mean equal data.
"""

from __future__ import annotations

import pathlib
import tomllib

import numpy as np
import pytest

import springg
from springg.evaluation import exact_neighbors

FLOORS = tomllib.loads((pathlib.Path(__file__).parents[1] / "data/recall_floors.toml").read_text())
QUERIES = 200


def draws(seed, count):
    """Of splitmix64."""
    state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def uniform(numbers):
    return (numbers >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def bell(numbers):
    """Four draws a value."""
    four = uniform(numbers).reshape(*numbers.shape[:-1], -1, 4)
    return four[..., 0] + four[..., 1] + four[..., 2] + four[..., 3] - np.float32(2)


def clustered(rows, dimensions, clusters, seed):
    if clusters == 0:
        return uniform(draws(seed, rows * dimensions)).reshape(rows, dimensions)
    centers = bell(draws(7, clusters * dimensions * 4)).reshape(clusters, dimensions)
    numbers = draws(seed, rows * (1 + 4 * dimensions)).reshape(rows, 1 + 4 * dimensions)
    chosen = (numbers[:, 0] % np.uint64(clusters)).astype(int)
    return centers[chosen] + np.float32(0.7) * bell(numbers[:, 1:])


def for_dtype(rows, dtype):
    """Whole numbers that the dtype holds, as the C++ suite makes them; bits packed."""
    if dtype == "binary":
        return np.packbits(rows > 0, axis=1)
    if dtype not in ("int8", "uint8"):
        return rows
    scaled = np.float32(40) * rows
    whole = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # halves away from zero
    return np.clip(whole + 128, 0, 255) - (128 if dtype == "int8" else 0)


def build(name, floors):
    _, width, metric, dtype = [*name.split("-"), "float32"][:4]
    copies = floors.get("copies", 1)
    vectors = clustered(floors["rows"], int(width), floors["clusters"], 1)
    vectors = vectors[np.arange(len(vectors)) // copies * copies]
    index = springg.open(":memory:", threads=2).create_index(
        "a", int(width), metric=metric, dtype=dtype, ef_construction=100
    )
    index.add(np.arange(len(vectors)), for_dtype(vectors, dtype))
    index.optimize()
    return index, for_dtype(clustered(QUERIES, int(width), floors["clusters"], 2), dtype)


@pytest.mark.parametrize("name", [n for n, floors in FLOORS.items() if "recall_at_10" in floors])
def test_floor(name):
    floors = FLOORS[name]
    index, queries = build(name, floors)
    found = index.search(queries, 10, ef=floors["ef"], include=())
    _, distances = exact_neighbors(index.vectors, queries, 10, index.metric)
    farthest = distances[:, 9:]
    near = found.distances <= farthest + 1e-3 * np.abs(farthest)
    assert near.mean() >= floors["recall_at_10"]
    # The graph was walked: a scan would keep every floor.
    assert found.distances_computed < QUERIES * floors["rows"] / 2
    assert index.recall(queries, 10, ef=floors["ef"]) >= floors["recall_at_10"] - 0.02


def test_deleting_half_of_the_rows():
    floors = FLOORS["deleted-64-cosine"]
    index, queries = build("deleted-64-cosine", floors)
    before = index.recall(queries, 10, ef=floors["ef"])
    index.delete(np.random.default_rng(3).permutation(floors["rows"])[: floors["rows"] // 2])
    assert index.recall(queries, 10, ef=floors["ef"]) >= before - floors["fall_max"]
    index.optimize()
    assert index.recall(queries, 10, ef=floors["ef"]) >= before - floors["fall_max"]


def test_one_deleted_row_changes_no_walk_that_does_not_meet_it(db):
    """Walks end by distance beside deleted rows too: an `ef` means the same width."""
    centers = np.random.default_rng(0).standard_normal((50, 64)) * 1.5
    rng = np.random.default_rng(1)
    rows = (centers[rng.integers(0, 50, 6200)] + rng.standard_normal((6200, 64))).astype(np.float32)
    index = db.create_index("a", 64)
    index.add(range(6000), rows[:6000])
    index.optimize()

    def work(ef):
        return index.search(rows[6000:], 10, ef=ef, include=()).distances_computed

    before = [work(ef) for ef in (16, 24)]
    index.delete([0])
    assert [work(ef) for ef in (16, 24)] == pytest.approx(before, rel=0.002)
