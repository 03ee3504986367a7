# SPDX-License-Identifier: MIT
"""`Index.view`: a pinned state with ids, vectors and search."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import threading

import numpy as np
import pytest

import springg


def test_a_view_is_the_index_of_its_moment(filled, rng):
    query = rng.standard_normal(8, dtype=np.float32)
    ids, vectors = filled.ids, filled.vectors.copy()
    hits = filled.search(query, 5)
    view = filled.view()
    assert isinstance(view, springg.IndexView)
    filled.delete(hits.ids[:3])
    filled.upsert(ids[50], np.full(8, 9.0))
    filled.add(1000, query)
    filled.update(hits.ids[3], metadata={"row": "new"})
    assert view.ids == list(view) == ids
    assert len(view) == 100
    assert np.array_equal(view.vectors, vectors)
    assert not view.vectors.flags.writeable
    again = view.search(query, 5)
    assert isinstance(again, springg.Hits)
    assert again.ids == hits.ids
    assert np.array_equal(again.distances, hits.distances)
    assert again.metadata == hits.metadata
    assert len(filled.view()) == 98
    assert filled.search(query, 1).ids == [1000]
    assert (view.dimensions, view.metric, view.dtype) == (8, "l2", "float32")
    assert repr(view) == "<springg.IndexView: 100 rows, 8 dimensions, l2, float32>"


def test_search_takes_what_that_of_the_index_takes(filled, rng):
    view = filled.view()
    queries = rng.standard_normal((4, 8), dtype=np.float32)
    for arguments in (
        {"k": 7},
        {"k": 7, "exact": True, "threads": 1},
        {"k": 3, "ef": 50, "include": ("metadata", "vector")},
        {"k": 9, "min_score": 0.2},
        {"k": 4, "filter": [1, 2, 3, 99]},
        {"k": 4, "filter": np.arange(100) % 3 == 0},
    ):
        batch, expected = view.search(queries, **arguments), filled.search(queries, **arguments)
        assert isinstance(batch, springg.BatchHits)
        assert batch.ids == expected.ids
        assert np.array_equal(batch.distances, expected.distances, equal_nan=True)
        one, alone = (
            view.search(queries[1].tolist(), **arguments),
            filled.search(queries[1], **arguments),
        )
        assert one.ids == alone.ids
        assert one.metadata == alone.metadata
        if one.vectors is not None:
            assert np.array_equal(one.vectors, alone.vectors)
    with pytest.raises(springg.DimensionMismatch, match="expected 8, got 9"):
        view.search(np.ones(9))
    with pytest.raises(springg.InvalidArgument, match="k out of range"):
        view.search(np.ones(8), 0)
    with pytest.raises(springg.InvalidArgument, match="nan"):
        view.search(np.full(8, np.nan))
    with pytest.raises(springg.InvalidArgument, match=r"99.*100"):
        view.search(np.ones(8), filter=np.ones(99, bool))


def test_a_mask_is_over_the_views_rows_not_the_indexs(filled):
    filled.delete([0, 1])
    view = filled.view()
    mask = np.array([key % 10 == 4 for key in view.ids])
    filled.delete([2, 3, 14])
    filled.optimize()
    assert sorted(view.search(np.zeros(8), 20, filter=mask).ids) == list(range(4, 100, 10))
    with pytest.raises(springg.InvalidArgument, match=r"98.*95"):
        filled.search(np.zeros(8), 20, filter=mask)
    # Ids are looked up in the pinned state as well.
    assert view.search(np.zeros(8), 9, filter=[14, 0]).ids == [14]


def test_an_empty_view(index):
    view = index.view()
    index.add("x", np.ones(4))
    assert len(view) == 0
    assert view.ids == []
    assert view.vectors.shape == (0, 4)
    assert view.search(np.ones(4)).ids == []
    assert view.search(np.ones((2, 4)), filter=np.empty(0, bool)).ids == [[], []]


def test_masks_and_rows_agree_while_writers_run(db, rng):
    """Row i of the view has its parity in its metadata and its vector; a mask is by parity."""
    index = db.create_index("a", 8, metric="l2")
    stop = threading.Event()
    problems = []

    def write():
        own = np.random.default_rng(1)
        try:
            while not stop.is_set():
                ids = own.choice(6000, 200, replace=False)
                vectors = own.standard_normal((200, 8)).astype(np.float32)
                vectors[:, 0] = ids % 2
                index.upsert(ids, vectors, [{"odd": bool(i % 2)} for i in ids])
                index.delete(own.choice(6000, 80))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            problems.append(error)

    index.add(np.arange(2000), np.pad(np.arange(2000)[:, None] % 2, ((0, 0), (0, 7))))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for turn in range(60):
            view = index.view()
            ids, vectors = view.ids, view.vectors
            assert len(ids) == len(vectors) == len(view)
            odd = np.array([i % 2 == 1 for i in ids])
            assert np.array_equal(vectors[:, 0] == 1, odd)
            for exact in (False, True):
                hits = view.search(rng.standard_normal(8), 50, filter=odd, exact=exact)
                assert len(hits) == min(50, int(odd.sum()))
                assert all(i % 2 for i in hits.ids)
            if turn == 30:
                index.optimize()
    finally:
        stop.set()
        writer.join()
    assert problems == []


def test_memory_is_given_back_when_the_view_is_dropped():
    rows = np.random.default_rng(3).standard_normal((3000, 64), dtype=np.float32)
    with springg.open(":memory:", memory_limit="2MiB") as db:
        index = db.create_index("a", 64)
        index.add(np.arange(3000), rows)
        view = index.view()
        index.clear()
        with pytest.raises(springg.ResourceExhausted):
            index.add(np.arange(3000), rows)  # the view holds the first ones
        assert view.search(rows[7], 1).ids == [7]
        del view
        gc.collect()
        assert index.add(np.arange(3000), rows) == 3000


@pytest.mark.parametrize("place", ["memory", "directory"])
def test_a_view_outlives_drop_and_merges(tmp_path, rng, place):
    rows = rng.standard_normal((900, 16), dtype=np.float32)
    with springg.open(":memory:" if place == "memory" else tmp_path / "d") as db:
        index = db.create_index("a", 16, metric="l2")
        for begin in range(0, 900, 300):
            index.add(np.arange(begin, begin + 300), rows[begin : begin + 300])
            db.flush()
        view = index.view()
        index.delete(range(600))
        index.optimize()
        db.drop_index("a")
        assert view.ids == list(range(900))
        assert np.array_equal(view.vectors, rows)
        assert view.search(rows[123], 1).ids == [123]
        with pytest.raises(springg.NotFound):
            db["a"]


def test_close_while_a_view_lives(tmp_path, rng):
    rows = rng.standard_normal((500, 16), dtype=np.float32)
    with springg.open(tmp_path / "d") as db:
        index = db.create_index("a", 16)
        index.add(np.arange(500), rows)
        index.optimize()
        view = index.view()
        vectors = view.vectors
    calls = [
        view.search,
        lambda _, pinned=view: pinned.ids,
        lambda _, pinned=view: pinned.vectors,
        lambda _, pinned=view: len(pinned),
        lambda _, pinned=view: list(pinned),
        lambda _: index.view(),
    ]
    for call in calls:
        with pytest.raises(springg.FailedPrecondition, match="closed"):
            call(rows[0])
    assert "500 rows" in repr(view)
    assert np.array_equal(vectors, rows)
    # The directory is free all the same.
    with springg.open(tmp_path / "d") as again:
        assert again["a"].view().search(rows[3], 1).ids == [3]
    calls.clear()
    del view, call
    gc.collect()
    assert np.array_equal(vectors, rows)


def test_close_while_a_view_is_searched(rng):
    db = springg.open(":memory:")
    index = db.create_index("a", 8)
    index.add(np.arange(2000), rng.standard_normal((2000, 8)))
    view = index.view()
    ended = []

    def search():
        try:
            while True:
                assert len(view.search(np.ones((20, 8)), 5)) == 20
        except springg.FailedPrecondition as error:
            ended.append(str(error))

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    db.close()
    for thread in threads:
        thread.join()
    assert ended == ["database is closed"] * 3


def test_a_view_keeps_its_database_open():
    view = springg.open(":memory:").create_index("a", 2).view()
    gc.collect()
    assert view.search([1, 0]).ids == []


def test_pickling_is_refused_clearly(filled):
    view = filled.view()
    with pytest.raises(TypeError, match=r"cannot pickle a springg\.IndexView.*pickle its index"):
        pickle.dumps(view)
    with pytest.raises(TypeError, match=r"cannot pickle a springg\.IndexView"):
        copy.copy(view)


def test_a_forked_child_is_refused(filled):
    view = filled.view()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        seen = []
        for call in (lambda: view.search(np.ones(8)), lambda: view.ids, lambda: len(view)):
            try:
                call()
            except springg.FailedPrecondition as error:
                seen.append(str(error))
        os.write(writer, f"{len(seen)} {seen[:1]}".encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    answer = os.read(reader, 1000).decode()
    os.close(reader)
    assert answer.startswith("3 ")
    assert "opened in process" in answer
    assert len(view.search(np.ones(8))) == 10
