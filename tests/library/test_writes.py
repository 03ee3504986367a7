# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

import springg


def test_add_returns_the_rows_added_and_shows_them_at_once(index):
    assert index.add(["a", "b"], np.eye(4)[:2]) == 2
    assert len(index) == 2
    assert index.search([0, 1, 0, 0], 1).ids == ["b"]
    assert index.add([], np.empty((0, 4))) == 0
    assert index.add([], []) == 0


def test_one_id_with_one_vector(index):
    assert index.add("a", [1, 2, 3, 4], {"n": 1}) == 1
    assert index.add(["b"], np.ones(4), {"n": 2}) == 1
    assert index.add("c", np.ones((1, 4)), [{"n": 3}]) == 1
    assert index.upsert("a", [4, 3, 2, 1], {"n": 4}) == 1
    assert index.update("a", vectors=[1, 1, 1, 1]) == 1
    assert index["a"].metadata == {"n": 4}
    assert index["b"].metadata == {"n": 2}
    assert index.ids == ["b", "c", "a"]
    assert index.delete("a") == 1


def test_add_refuses_an_id_that_exists_and_stores_nothing(index):
    index.add(["a", "b"], np.eye(4)[:2])
    with pytest.raises(springg.AlreadyExists, match="'b'") as caught:
        index.add(["c", "b", "a"], np.ones((3, 4)))
    assert caught.value.details["row"] == 1
    assert index.ids == ["a", "b"]


def test_add_refuses_an_id_that_comes_twice(index):
    with pytest.raises(springg.AlreadyExists, match="'x'"):
        index.add(["x", "y", "x"], np.ones((3, 4)))
    assert len(index) == 0


def test_upsert_replaces_whole_rows_and_the_last_of_equal_ids_wins(index):
    index.add(["a", "b"], np.eye(4)[:2], [{"n": 1}, {"n": 2}])
    assert index.upsert(["a", "c", "a"], [[1] * 4, [2] * 4, [3] * 4]) == 2
    assert index["a"].vector.tolist() == [3] * 4
    assert index["a"].metadata is None
    assert index["b"].metadata == {"n": 2}
    assert len(index) == 3
    assert index.ids[0] == "b"


def test_update_of_metadata_keeps_the_row_where_it_is(index):
    index.add(["a", "b"], np.eye(4)[:2], [{"n": 1}, {"n": 2}])
    assert index.update("a", metadata={"n": 9}) == 1
    assert index.ids == ["a", "b"]
    assert index["a"].metadata == {"n": 9}
    assert index["a"].vector.tolist() == [1, 0, 0, 0]


def test_update_of_a_vector_keeps_metadata_and_moves_the_row(index):
    index.add(["a", "b"], np.eye(4)[:2], [{"n": 1}, {"n": 2}])
    assert index.update(["a"], vectors=[[5, 5, 5, 5]]) == 1
    assert index.ids == ["b", "a"]
    assert index["a"] == springg.Record("a", np.full(4, 5, np.float32), {"n": 1})


def test_update_of_many_by_columns(index):
    index.add(["a", "b"], np.eye(4)[:2])
    assert index.update(["a", "b"], metadata={"n": np.array([1, 2])}) == 2
    assert [r.metadata for r in index.get(["a", "b"])] == [{"n": 1}, {"n": 2}]


def test_update_of_an_unknown_id_stores_nothing(index):
    index.add(["a"], np.eye(4)[:1], [{"n": 1}])
    with pytest.raises(springg.NotFound, match="'zz'") as caught:
        index.update(["a", "zz"], vectors=np.zeros((2, 4)), metadata=[{"n": 2}, {"n": 2}])
    assert isinstance(caught.value, KeyError)
    assert index["a"].metadata == {"n": 1}
    assert index["a"].vector.tolist() == [1, 0, 0, 0]


def test_delete_counts_what_existed(index):
    index.add(["a", "b", 3], np.eye(4)[:3])
    assert index.delete(["a", "nope", 3, 4, "a"]) == 2
    assert index.ids == ["b"]
    assert index.delete([]) == 0
    assert "a" not in index
    assert index.search(np.ones(4), 5).ids == ["b"]
    index.add("a", [1, 0, 0, 0])
    assert index.ids == ["b", "a"]


def test_clear(filled):
    filled.clear()
    assert len(filled) == 0
    assert filled.ids == []
    filled.add(0, np.ones(8))
    assert len(filled) == 1


def test_large_calls_build_segments(db, rng):
    index = db.create_index("large", 4, m=4, ef_construction=8)
    vectors = rng.standard_normal((66_000, 4), dtype=np.float32)
    assert index.add(np.arange(66_000), vectors) == 66_000
    assert index.stats()["segments"] >= 1
    assert np.array_equal(index.get_vectors([0, 65_999]), vectors[[0, 65_999]])


def test_get_keeps_the_order_asked_for(index):
    index.add(["a", "b"], np.eye(4)[:2], [None, {"n": 2}])
    records = index.get(["b", "zz", "a", "b"])
    assert [r and r.id for r in records] == ["b", None, "a", "b"]
    assert records[0].metadata == {"n": 2}
    assert records[2].metadata is None
    assert index.get("zz") is None
    assert index.get([]) == []
    assert index.get("b", include=()) == springg.Record("b", None, None)
    assert index.get("b", include=["metadata"]).vector is None
    assert index.get("b", include="vector").metadata is None
    with pytest.raises(springg.InvalidArgument, match="colour"):
        index.get("b", include=("colour",))


def test_getitem(index):
    index.add(["a"], np.eye(4)[:1], [{"n": 1}])
    assert index["a"].id == "a"
    with pytest.raises(springg.NotFound, match="'b'"):
        index["b"]
    with pytest.raises(TypeError):
        index[["a"]]


def test_get_vectors(index):
    index.add(["a", "b"], np.eye(4)[:2])
    found = index.get_vectors(["b", "a"])
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert index.get_vectors("a").shape == (1, 4)
    assert index.get_vectors([]).shape == (0, 4)
    with pytest.raises(springg.NotFound, match="'c'"):
        index.get_vectors(["a", "c"])


def test_vectors_are_kept_as_sent(db):
    index = db.create_index("c", 3)
    index.add(["a", "zero"], [[3, 0, 4], [0, 0, 0]])
    assert index["a"].vector.tolist() == [3, 0, 4]
    hits = index.search([3, 0, 4], 2)
    assert hits.ids == ["a", "zero"]
    assert hits.scores[1] == 0
    half = db.create_index("h", 3, dtype="float16")
    half.add("a", [0.1, 0.2, 0.3])
    assert half["a"].vector.dtype == np.float32
    assert half["a"].vector.tolist() == np.float16([0.1, 0.2, 0.3]).astype(np.float32).tolist()


def test_scan_is_of_the_moment_of_the_call(filled):
    scan = filled.scan(batch_size=33)
    filled.delete(np.arange(50))
    filled.add(1000, np.ones(8))
    filled.optimize()
    batches = list(scan)
    assert [len(b) for b in batches] == [33, 33, 33, 1]
    assert [r.id for b in batches for r in b] == list(range(100))
    assert batches[1][0].metadata == {"row": 33}
    assert batches[1][0].vector.shape == (8,)
    assert list(next(filled.scan(1, include=("metadata",)))) == [
        springg.Record(50, None, {"row": 50})
    ]


def test_scan_arguments(filled):
    with pytest.raises(springg.InvalidArgument):
        filled.scan(0)
    with pytest.raises(TypeError):
        filled.scan(2.5)
    with pytest.raises(springg.InvalidArgument):
        filled.scan(include=("id",))


def test_iteration_gives_ids_of_the_moment(filled):
    ids = iter(filled)
    filled.delete(5)
    assert list(ids) == list(range(100))
    assert len(list(filled)) == 99


def test_records_print(filled):
    record = filled[3]
    assert "id=3" in repr(record)
    assert "8 x float32" in repr(record)
    assert "row" in record._repr_html_()


def test_progress_is_told_from_start_to_end(index, rng):
    told = []
    index.add(np.arange(500), rng.random((500, 4)), progress=lambda *a: told.append(a))
    assert told[0] == (0, 500)
    assert told[-1] == (500, 500)

    class Bar:
        total = None
        done = 0

        def update(self, n):
            self.done += n

    bar = Bar()
    index.add(np.arange(500, 700), rng.random((200, 4)), progress=bar)
    assert (bar.done, bar.total) == (200, 200)
    with pytest.raises(TypeError, match="progress"):
        index.optimize(progress=5)


def test_progress_true_writes_a_bar(index, capfd):
    index.add("a", np.ones(4), progress=True)
    assert "100 %" in capfd.readouterr().err


def test_an_exception_of_progress_stops_the_call(index, rng):
    def progress(done, total):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        index.add(np.arange(500), rng.random((500, 4)), progress=progress)
    assert len(index) == 0


def test_an_exception_of_progress_stops_a_long_build(db, rng):
    index = db.create_index("long", 64)
    vectors = rng.standard_normal((70_000, 64), dtype=np.float32)

    def progress(done, total):
        if done > 0:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        index.add(np.arange(70_000), vectors, progress=progress)
    assert len(index) == 0
    assert index.add(np.arange(10), vectors[:10]) == 10


def test_a_bar_that_is_used_twice(index):
    class Bar:
        n, total = 0, 0

        def update(self, done):
            self.n += done

        def reset(self):
            self.n = 0

    bar = Bar()
    for ids in (["a", "b"], ["c", "d"]):
        index.add(ids, np.eye(4)[:2], progress=bar)
        assert (bar.n, bar.total) == (2, 2)


def test_metadata_is_removed_by_upsert(index):
    index.add(["a"], np.eye(4)[:1], [{"x": 1}])
    index.update(["a"], metadata=[None])
    assert index["a"].metadata == {"x": 1}
    index.update(["a"], metadata=[{}])
    assert index["a"].metadata == {}
    index.upsert(["a"], np.eye(4)[:1])
    assert index["a"].metadata is None
