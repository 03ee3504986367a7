# SPDX-License-Identifier: MIT
"""Filters by mask and ids: recall, k results, and the way that is taken."""

from __future__ import annotations

import numpy as np
import pytest

import springg
from springg import _core

ROWS, WIDTH, QUERIES, K = 24_000, 24, 40, 10
SHARES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9)


def clustered(rng, rows):
    centers = np.random.default_rng(5).standard_normal((60, WIDTH))
    around = centers[rng.integers(0, 60, rows)] + 0.6 * rng.standard_normal((rows, WIDTH))
    return around.astype(np.float32)


class Filled:
    """Rows in one segment, or in three of which a tenth is deleted, and a memtable."""

    def __init__(self, parts, quantization):
        rng = np.random.default_rng(11)
        self.db = springg.open(":memory:", threads=2)
        self.index = self.db.create_index("a", WIDTH, metric="l2", quantization=quantization)
        rows = clustered(rng, ROWS)
        self.queries = clustered(rng, QUERIES)
        if parts == "one":
            self.index.add(np.arange(ROWS), rows)
            self.index.optimize()
        else:
            for begin, end in ((0, 12_000), (12_000, 17_000), (17_000, 20_000), (20_000, ROWS)):
                self.index.add(np.arange(begin, end), rows[begin:end])
                if end != ROWS:
                    self.db.flush()
            self.index.delete(rng.choice(ROWS, ROWS // 10, replace=False))
        self.ids = np.array(self.index.ids)
        self.rows = rows[self.ids]
        self.distances = np.linalg.norm(self.queries[:, None] - self.rows[None], axis=2)

    def masks(self, kind, share):
        """One mask for each query."""
        count = round(share * len(self.ids))
        if kind == "random":
            mask = np.zeros(len(self.ids), bool)
            mask[np.random.default_rng(1).choice(len(mask), count, replace=False)] = True
            return [mask] * QUERIES
        masks = []
        for mine in self.distances:
            center = self.rows[np.argmax(mine)] if kind == "far" else self.rows[np.argmin(mine)]
            near = np.argsort(np.linalg.norm(self.rows - center, axis=1))[:count]
            masks.append(np.isin(np.arange(len(self.ids)), near))
        return masks


@pytest.fixture(
    scope="module", params=[("one", "none"), ("several", "none"), ("one", "int8")], ids=str
)
def data(request):
    made = Filled(*request.param)
    yield made
    made.db.close()


def forced(index, query, mask, way):
    return _core.search(index._core, query, K, None, way, None, mask, 0, None, 1, springg.Hits)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", ["random", "near", "far"])
def test_recall_and_k_results_at_every_selectivity(data, kind, share):
    near = 0
    for query, mask, mine in zip(
        data.queries, data.masks(kind, share), data.distances, strict=True
    ):
        hits = data.index.search(query, K, filter=mask)
        assert len(hits) == len(set(hits.ids)) == K
        assert np.isin(hits.ids, data.ids[mask]).all()
        assert (np.diff(hits.distances) >= 0).all()
        near += int((hits.distances <= np.sort(mine[mask])[K - 1] + 1e-4).sum())
    assert near >= 0.95 * K * QUERIES


@pytest.mark.parametrize("way", [2, 3])
@pytest.mark.parametrize("kind", ["random", "far"])
def test_a_forced_walk_gives_k_results_as_well(data, kind, way):
    for share in (0.001, 0.05, 0.5):
        for query, mask in list(zip(data.queries, data.masks(kind, share), strict=True))[:10]:
            hits = forced(data.index, query, mask, way)
            assert len(hits) == len(set(hits.ids)) == K
            assert np.isin(hits.ids, data.ids[mask]).all()


def test_few_matches_are_scanned_and_many_are_walked(data):
    few, some, many = (data.masks("random", share)[0] for share in (0.001, 0.01, 0.9))
    scanned = data.index.search(data.queries[0], K, filter=few)
    assert scanned.distances_computed == few.sum()
    # On codes all are measured, and the best again on their vectors.
    again = 64 if data.index.quantization == "int8" else 0
    scanned = data.index.search(data.queries[0], K, filter=some)
    assert some.sum() <= scanned.distances_computed <= some.sum() + again
    walked = data.index.search(data.queries[0], K, filter=many)
    assert walked.distances_computed < many.sum() / 3
    exact = data.index.search(data.queries[0], K, filter=many, exact=True)
    assert exact.distances_computed == many.sum()


@pytest.mark.parametrize("share", SHARES)
def test_a_batch_finds_what_its_queries_find(data, share):
    mask = data.masks("random", share)[0]
    batch = data.index.search(data.queries, K, filter=mask)
    assert batch.counts.tolist() == [K] * QUERIES
    bounds = np.sort(data.distances[:, mask], axis=1)[:, K - 1 : K]
    assert (batch.distances <= bounds + 1e-4).mean() >= 0.95


def test_as_many_as_match_are_found(data):
    """Whatever k is: matches scattered, or all in one place."""
    for kind in ("random", "far"):
        mask = data.masks(kind, 0.2)[0]
        for ids in (data.ids[mask][:7], data.ids[mask][:300]):
            hits = data.index.search(data.queries[0], 500, filter=ids)
            assert sorted(hits.ids) == sorted(ids.tolist())
        for k in (1, 100, 1000, int(mask.sum()), min(10_000, int(mask.sum()) + 5)):
            hits = data.index.search(data.queries[0], k, filter=mask)
            assert len(hits) == len(set(hits.ids)) == min(k, int(mask.sum()))


def test_ids_and_a_mask_of_the_same_rows_find_the_same(data):
    for share in (0.01, 0.2):
        mask = data.masks("random", share)[0]
        for filtered in (list(data.ids[mask]), set(data.ids[mask].tolist()), data.ids[mask]):
            by_ids = data.index.search(data.queries, K, filter=filtered)
            by_mask = data.index.search(data.queries, K, filter=mask)
            assert by_ids.ids == by_mask.ids
            assert np.array_equal(by_ids.distances, by_mask.distances)


def test_deleted_rows_match_nothing(data):
    gone = np.setdiff1d(np.arange(ROWS), data.ids)
    assert data.index.search(data.queries[0], K, filter=gone).ids == []


def test_masks_by_bytes_of_any_value(db, rng):
    index = db.create_index("a", 4)
    index.add(np.arange(1000), rng.standard_normal((1000, 4)))
    odd = (np.arange(1000) % 2).astype(np.uint8) * 255
    assert sorted(index.search(np.ones(4), 1000, filter=odd.view(bool)).ids) == list(
        range(1, 1000, 2)
    )


def test_equal_vectors_are_found_k_times(db):
    """All rows are the same: a walk has nothing to go by."""
    index = db.create_index("a", 8, metric="l2")
    index.add(np.arange(6000), np.ones((6000, 8)))
    index.optimize()
    mask = np.arange(6000) % 3 == 0
    hits = index.search(np.ones(8), 50, filter=mask)
    assert len(set(hits.ids)) == 50
    assert all(i % 3 == 0 for i in hits.ids)
