# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

import springg
from springg.evaluation import exact_neighbors, recall_at_k

METRICS = ["cosine", "dot", "l2", "manhattan"]
SCORE = {
    "cosine": lambda d: 1 - d,
    "dot": lambda d: -d,
    "l2": lambda d: 1 / (1 + d),
    "manhattan": lambda d: 1 / (1 + d),
}


@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("metric", METRICS)
def test_exact_search_equals_numpy(db, rng, metric, dtype, optimized):
    vectors = rng.standard_normal((500, 24)).astype(dtype).astype(np.float32)
    queries = rng.standard_normal((20, 24)).astype(np.float32)
    index = db.create_index("a", 24, metric=metric, dtype=dtype)
    index.add(np.arange(500), vectors)
    if optimized:
        index.optimize()
    found = index.search(queries, 10, exact=True)
    rows, distances = exact_neighbors(vectors, queries, 10, metric)
    assert np.allclose(found.distances, distances, rtol=1e-5, atol=1e-5)
    assert np.allclose(found.scores, SCORE[metric](distances), rtol=1e-5, atol=1e-5)
    assert (found.keys == rows).mean() > 0.99
    assert recall_at_k(index.search(queries, 10, ef=200).keys, found.keys) > 0.95


def test_one_query_gives_hits_and_many_give_batch_hits(filled, rng):
    queries = rng.standard_normal((3, 8), dtype=np.float32)
    batch = filled.search(queries, 5)
    assert isinstance(batch, springg.BatchHits)
    assert len(batch) == 3
    for i, query in enumerate(queries):
        hits = filled.search(query, 5)
        assert isinstance(hits, springg.Hits)
        assert hits.ids == batch[i].ids
        assert np.array_equal(hits.distances, batch.distances[i])
        assert np.array_equal(hits.scores, batch.scores[i])
    assert len(filled.search(queries[:1], 5)) == 1
    assert len(filled.search(np.empty((0, 8), np.float32), 5)) == 0


@pytest.mark.parametrize(
    "kind", [list, tuple, np.float64, np.float16, np.int32, ">f4", "fortran", "strided"]
)
def test_queries_of_other_kinds(filled, kind):
    base = np.arange(16, dtype=np.float32).reshape(2, 8)
    if kind in (list, tuple):
        queries = kind(map(kind, base.tolist()))
    elif kind == "fortran":
        queries = np.asfortranarray(base)
    elif kind == "strided":
        queries = np.repeat(base, 2, axis=1)[:, ::2]
    else:
        queries = base.astype(kind)
    expected = filled.search(base, 7)
    assert filled.search(queries, 7).ids == expected.ids
    assert filled.search(queries[1], 7).ids == expected.ids[1]


def test_fewer_rows_than_k(index):
    assert index.search(np.ones(4), 5).ids == []
    empty = index.search(np.ones((2, 4)), 5)
    assert empty.ids == [[], []]
    assert empty.counts.tolist() == [0, 0]
    assert empty.scores.shape == (2, 5)
    assert np.isnan(empty.scores).all()
    index.add(["a", "b"], np.eye(4)[:2])
    batch = index.search(np.ones((3, 4)), 5)
    assert batch.counts.tolist() == [2, 2, 2]
    assert batch.scores.shape == batch.distances.shape == (3, 5)
    assert np.isnan(batch.scores[:, 2:]).all()
    assert not np.isnan(batch.scores[:, :2]).any()
    assert len(index.search(np.ones(4), 10_000)) == 2


def test_equal_distances_are_ordered_by_insertion(index):
    index.add([9, 3, 7, 1], np.ones((4, 4)))
    assert index.search(np.ones(4), 4).ids == [9, 3, 7, 1]
    assert index.search(np.ones(4), 2, exact=True).ids == [9, 3]


def test_min_score(filled):
    everything = filled.search(np.zeros(8), 50)
    limit = float(everything.scores[10])
    hits = filled.search(np.zeros(8), 50, min_score=limit)
    assert len(hits) == 11
    assert (hits.scores >= limit).all()
    batch = filled.search(np.zeros((2, 8)), 50, min_score=limit)
    assert batch.counts.tolist() == [11, 11]
    assert len(filled.search(np.zeros(8), 5, min_score=np.float32(2))) == 0


def test_filter_by_mask(filled, rng):
    query = rng.standard_normal(8, dtype=np.float32)
    mask = np.arange(100) % 7 == 0
    hits = filled.search(query, 100, filter=mask)
    assert sorted(hits.ids) == list(range(0, 100, 7))
    assert len(filled.search(query, 3, filter=mask)) == 3
    assert filled.search(query, 3, filter=np.zeros(100, bool)).ids == []
    with pytest.raises(springg.InvalidArgument, match=r"99.*100"):
        filled.search(query, 3, filter=mask[:99])
    with pytest.raises(springg.InvalidArgument):
        filled.search(query, 3, filter=mask.reshape(10, 10))


def test_a_mask_follows_the_order_of_ids(filled):
    filled.delete(range(10))
    filled.upsert(50, np.zeros(8))
    mask = np.array([i in (20, 50) for i in filled.ids])
    assert filled.search(np.zeros(8), 9, filter=mask).ids == [50, 20]
    filled.optimize()
    mask = np.array([i in (20, 50) for i in filled.ids])
    assert filled.search(np.zeros(8), 9, filter=mask).ids == [50, 20]


@pytest.mark.parametrize(
    "kind", [list, tuple, set, frozenset, np.array, lambda ids: dict.fromkeys(ids).keys()]
)
def test_filter_by_ids(filled, kind):
    wanted = kind([3, 5, 8, 4711])
    assert sorted(filled.search(np.zeros(8), 9, filter=wanted).ids) == [3, 5, 8]
    assert [len(h) for h in filled.search(np.zeros((2, 8)), 2, filter=wanted)] == [2, 2]


def test_filter_of_nothing_and_of_the_wrong_kind(filled):
    assert filled.search(np.zeros(8), 9, filter=[]).ids == []
    assert filled.search(np.zeros(8), 9, filter=["3"]).ids == []
    for wrong in ("3", 3, 2.5, {3: 1}, [True, False], b"3"):
        with pytest.raises(TypeError):
            filled.search(np.zeros(8), 9, filter=wrong)


def test_include(filled):
    hits = filled.search(np.zeros(8), 2)
    assert hits.metadata == [{"row": i} for i in hits.ids]
    assert hits.vectors is None
    bare = filled.search(np.zeros(8), 2, include=())
    assert bare.metadata is None
    full = filled.search(np.zeros(8), 2, include=["vector", "metadata"])
    assert np.array_equal(full.vectors, filled.get_vectors(full.ids))
    assert full.metadata == hits.metadata
    with pytest.raises(springg.InvalidArgument):
        filled.search(np.zeros(8), 2, include=("colour",))
    with pytest.raises(TypeError):
        filled.search(np.zeros(8), 2, include=5)


def test_results_do_not_change_with_the_index(filled):
    hits = filled.search(np.zeros(8), 3, include=("metadata", "vector"))
    filled.clear()
    filled._database.close()
    assert len(hits.ids) == 3
    assert hits.metadata == [{"row": i} for i in hits.ids]
    assert hits.vectors.shape == (3, 8)


def test_k_above_what_the_graph_can_follow(db, rng):
    index = db.create_index("a", 4, metric="l2", m=4, ef_construction=10)
    vectors = rng.standard_normal((6_000, 4), dtype=np.float32)
    index.add(np.arange(6_000), vectors)
    hits = index.search(np.zeros(4), 5_000)
    assert len(hits) == 5_000
    assert (np.diff(hits.distances) >= 0).all()


def test_threads_give_equal_bits(filled, rng):
    queries = rng.standard_normal((40, 8), dtype=np.float32)
    one = filled.search(queries, 10, threads=1)
    two = filled.search(queries, 10, threads=2)
    assert np.array_equal(one.distances, two.distances)
    assert one.ids == two.ids


def test_recall(filled, rng, index):
    queries = rng.standard_normal((20, 8))
    assert filled.recall(queries, 5) > 0.95
    assert 0 <= filled.recall(queries, 5, ef=1) <= 1
    assert filled.recall(queries[0], 5) == 1.0
    assert index.recall(np.ones((2, 4))) == 1.0


def test_deleted_rows_are_never_found(filled):
    filled.delete(np.arange(0, 100, 2))
    for _ in range(2):
        assert all(i % 2 for i in filled.search(np.zeros(8), 100).ids)
        assert len(filled.search(np.zeros(8), 100)) == 50
        filled.optimize()


def test_optimize_makes_one_segment(filled):
    before = filled.search(np.zeros(8), 10)
    filled.delete(99)
    filled.optimize()
    stats = filled.stats()
    assert stats["segments"] == 1
    assert stats["memtable_rows"] == stats["deleted"] == stats["unindexed_rows"] == 0
    after = filled.search(np.zeros(8), 10)
    assert [i for i in before.ids if i != 99] == after.ids[
        : len([i for i in before.ids if i != 99])
    ]
