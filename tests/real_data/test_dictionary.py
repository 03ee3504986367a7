# SPDX-License-Identifier: MIT
"""117k real embeddings: rows and exact answers as they must be, and recall above its floor."""

from __future__ import annotations

import pathlib
import tomllib

import numpy as np
import pytest

import springg

SET = "dictionary-minilm-384"
FLOORS = tomllib.loads((pathlib.Path(__file__).parents[1] / "data/recall_floors.toml").read_text())

pytestmark = pytest.mark.slow  # a graph over all rows is built


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / SET


@pytest.fixture(scope="module")
def rows(folder):
    return np.load(folder / "base.f16.npy")


@pytest.fixture(scope="module")
def queries(folder):
    return np.load(folder / "queries.f32.npy")


@pytest.fixture(scope="module")
def distances(folder):
    return np.load(folder / "distances100.f32.npy")


@pytest.fixture(scope="module")
def index(rows):
    width = rows.shape[1]
    index = springg.open(":memory:").create_index(
        "words", width, dtype="float16", ef_construction=FLOORS[SET]["ef_construction"]
    )
    index.add(np.arange(len(rows)), rows)
    index.optimize()
    return index


def test_vectors_come_back_as_they_were_sent(index, rows):
    assert np.array_equal(index.vectors, rows)


def test_exact_search_finds_the_known_neighbors(index, folder, queries, distances):
    found = index.search(queries[:100], 100, exact=True, include=())
    np.testing.assert_allclose(found.distances, distances[:100], rtol=0, atol=1e-5)
    neighbors = np.load(folder / "neighbors100.i32.npy")[:100]
    # Rows as near as each other may change places.
    assert (np.array(found.ids) == neighbors).mean() > 0.999


def test_recall_keeps_its_floor(index, rows, queries, distances):
    floors = FLOORS[SET]
    found = index.search(queries, 10, ef=floors["ef"], include=())
    near = found.distances <= distances[:, 9:10] + 1e-3
    assert near.mean() >= floors["real_recall_at_10"]
    # The graph was walked: a scan would keep every floor.
    assert found.distances_computed < len(queries) * len(rows) / 50
