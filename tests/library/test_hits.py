# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

import springg
from springg import _core


@pytest.fixture
def hits(filled):
    return filled.search(np.zeros(8), 6, include=("metadata", "vector"))


def test_columns(hits):
    assert len(hits) == 6
    assert hits.ids == [m["row"] for m in hits.metadata]
    for column in (hits.scores, hits.distances):
        assert column.dtype == np.float32
        assert column.shape == (6,)
    assert (np.diff(hits.distances) >= 0).all()
    assert (np.diff(hits.scores) <= 0).all()
    assert hits.vectors.shape == (6, 8)
    assert hits.distances_computed >= 6


def test_items(hits):
    hit = hits[0]
    assert isinstance(hit, springg.Hit)
    assert hit.id == hits.ids[0]
    assert hit.score == hits.scores[0]
    assert hit.distance == hits.distances[0]
    assert hit.metadata == hits.metadata[0]
    assert np.array_equal(hit.vector, hits.vectors[0])
    assert type(hit.score) is float
    assert hits[-1].id == hits.ids[-1]
    assert hits[np.int64(1)].id == hits.ids[1]
    assert [h.id for h in hits] == hits.ids
    for i in (6, -7):
        with pytest.raises(IndexError):
            hits[i]
    with pytest.raises(TypeError):
        hits["a"]


@pytest.mark.parametrize("part", [slice(2, 5), slice(None, None, -1), slice(4, 0, -2), slice(9, 9)])
def test_slices(hits, part):
    some = hits[part]
    assert isinstance(some, springg.Hits)
    assert some.ids == hits.ids[part]
    assert np.array_equal(some.scores, hits.scores[part])
    assert np.array_equal(some.distances, hits.distances[part])
    assert some.metadata == hits.metadata[part]
    if len(some):
        assert np.array_equal(some.vectors, hits.vectors[part])
        assert some[::-1].ids == hits.ids[part][::-1]


def test_printing(hits, filled):
    text = repr(hits)
    assert text.splitlines()[0] == "6 hits"
    assert "score" in text
    assert "distance" in text
    assert len(text.splitlines()) == 8
    assert f'{{"row": {hits.ids[0]}}}' in text
    many = filled.search(np.zeros(8), 100)
    assert len(repr(many).splitlines()) < 30
    assert hits._repr_html_().count("<tr>") == 7
    assert repr(filled.search(np.zeros(8), 5, filter=[])) == "0 hits"
    assert "Hit(id=" in repr(hits[0])


def test_html_is_escaped(index):
    index.add("<b>&", np.ones(4), {"<i>": "<script>"})
    assert "<script>" not in index.search(np.ones(4))._repr_html_()
    assert "<b>" not in index.search(np.ones(4))._repr_html_()
    assert "<script>" not in index["<b>&"]._repr_html_()


def test_batch(filled, rng):
    queries = rng.standard_normal((5, 8), dtype=np.float32)
    batch = filled.search(queries, 4)
    assert len(batch) == 5
    assert batch.counts.tolist() == [4] * 5
    assert batch.scores.shape == batch.distances.shape == (5, 4)
    assert batch.scores.dtype == batch.distances.dtype == np.float32
    assert batch.keys.dtype == np.uint64
    assert batch.keys.tolist() == batch.ids
    assert [h.ids for h in batch] == batch.ids
    assert batch[-1].ids == batch.ids[-1]
    assert [h.ids for h in batch[1:3]] == batch.ids[1:3]
    assert batch[2].metadata == [{"row": i} for i in batch.ids[2]]
    with pytest.raises(IndexError):
        batch[5]
    assert "5 queries, k = 4" in repr(batch)
    assert batch._repr_html_().count("<tr>") == 6


def test_batch_arrays_outlive_the_batch(filled, rng):
    scores = filled.search(rng.standard_normal((50, 8)), 50).scores
    copy = scores.copy()
    for _ in range(10):
        filled.search(rng.standard_normal((50, 8)), 50)
    assert np.array_equal(scores, copy)


def test_keys_are_for_integer_ids(index):
    index.add([1, 2**64 - 1], np.eye(4)[:2])
    assert index.search([[0, 1, 0, 0]], 1).keys.tolist() == [[2**64 - 1]]
    assert index.search([[0, 1, 0, 0]], 3).counts.tolist() == [2]
    index.add("text", np.eye(4)[2])
    with pytest.raises(springg.InvalidArgument, match="ids"):
        index.search([[1, 1, 1, 1]], 3).keys  # noqa: B018


def test_hits_of_rows_without_metadata(index):
    index.add(["a", "b"], np.eye(4)[:2], [None, {}])
    assert index.search([1, 0, 0, 0], 2).metadata == [None, {}]


def test_hits_are_made_by_search_alone(hits, filled):
    for kind in (springg.Hits, type(hits).__mro__[1]):
        with pytest.raises(TypeError, match=r"Index\.search"):
            kind()
    arguments = (filled._core, np.zeros(8, np.float32), 1, None, False, None, None, 0, None, 0)
    for kind in (dict, 5):
        with pytest.raises(TypeError, match="QueryHits"):
            _core.search(*arguments, kind)
    with pytest.raises(IndexError):
        hits._select(4, 1, 3)


def test_vectors_of_no_hits(filled):
    batch = filled.search(np.zeros((2, 8)), 3, filter=[], include=["vector"])
    assert batch[0].vectors.shape == (0, 8)
    assert filled.search(np.zeros(8), 3, filter=[], include=["vector"]).vectors.shape == (0, 8)
    assert filled.search(np.zeros(8), 3, filter=[], include=()).vectors is None


def test_scores_and_distances_are_shared_and_read_only(hits, filled):
    batch = filled.search(np.zeros((2, 8)), 3)
    for array in (hits.scores, hits.distances, batch.scores, batch.distances, batch[0].scores):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
        array.copy()[0] = 5
    assert hits.scores is hits.scores


def test_singular_words(filled):
    assert repr(filled.search(np.zeros(8), 1)).startswith("1 hit\n")
    assert repr(filled.search(np.zeros((1, 8)), 1)).startswith("1 query, k = 1\n")
    filled.delete(range(1, 100))
    assert ": 1 row," in repr(filled)
