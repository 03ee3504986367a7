# SPDX-License-Identifier: MIT
from __future__ import annotations

import gc
import pathlib

import numpy as np
import pytest

import springg


def test_a_directory_is_made_and_keeps_what_was_closed(tmp_path):
    folder = tmp_path / "new" / "data"
    with springg.open(folder) as db:
        db.create_index("a", 2, metric="l2").add(["x", 7], [[1, 2], [3, 4]], [{"n": 1}, None])
    with springg.open(str(folder)) as db:
        assert db.indexes() == ["a"]
        index = db["a"]
        assert list(index) == ["x", 7]
        assert index["x"].metadata == {"n": 1}
        assert index[7].vector.tolist() == [3, 4]


def test_a_directory_is_the_same_however_it_is_spelled(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    with springg.open("data") as db:
        db.create_index("words", 2).add(["a"], [[1, 2]])
        for path in (tmp_path / "data", "../" + tmp_path.name + "/data", "link", "data/"):
            with springg.open(path) as other:
                assert other["words"].ids == ["a"], path
        assert db.path == str((tmp_path / "data").resolve())


def test_a_later_chdir_does_not_lead_into_another_database(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with springg.open(tmp_path / "two" / "data") as other:
        other.create_index("theirs", 2)
    monkeypatch.chdir(tmp_path / "one")
    with springg.open("data") as db:
        db.create_index("ours", 2).add(["a"], [[1, 2]])
        monkeypatch.chdir(tmp_path / "two")
        with springg.open("data") as other:
            assert other.indexes() == ["theirs"]
        db.flush()
    with springg.open(tmp_path / "one" / "data") as db:
        assert db["ours"].ids == ["a"]


def test_a_path_that_is_no_file_name_is_refused():
    with pytest.raises(springg.InvalidArgument, match="no file name"):
        springg.open("\ud800")


def test_the_open_cell_run_twice_gives_a_second_handle_on_the_same_database(tmp_path):
    first = springg.open(tmp_path / "d")
    index = first.create_index("a", 2)
    second = springg.open(tmp_path / "d")
    second["a"].add("x", [1, 0])
    assert len(index) == 1
    first.close()
    assert first.closed
    assert not second.closed
    assert second["a"].search([1, 0], 1).ids == ["x"]
    second.close()


def test_other_options_for_a_directory_that_is_open_are_refused(tmp_path):
    with springg.open(tmp_path / "d", threads=1), pytest.raises(springg.FailedPrecondition):
        springg.open(tmp_path / "d", threads=2)


def test_memory_databases_are_separate(db):
    with springg.open(":memory:") as other:
        other.create_index("a", 2)
        assert len(other) == 1
        assert len(db) == 0


@pytest.mark.parametrize("threads", [0, 1])  # the same options and others: the old one is gone
def test_a_dropped_handle_closes_and_keeps_its_rows(tmp_path, threads):
    for rows in range(1, 11):
        db = springg.open(tmp_path / "d")
        db.create_index("a", 2, exist_ok=True).add(rows, [1, 0])
        del db
        gc.collect()
        with springg.open(tmp_path / "d", threads=threads) as again:
            assert len(again["a"]) == rows


def test_an_index_keeps_its_database_open():
    index = springg.open(":memory:").create_index("a", 2)
    gc.collect()
    index.add("x", [1, 0])
    assert len(index) == 1


def test_use_after_close_is_refused_everywhere(tmp_path):
    db = springg.open(tmp_path / "d")
    index = db.create_index("a", 2)
    index.add("x", [1, 0])
    db.close()
    db.close()
    calls = [
        lambda: db.create_index("b", 2),
        lambda: db["a"],
        lambda: db.indexes(),
        lambda: "a" in db,
        lambda: len(db),
        lambda: db.drop_index("a"),
        lambda: db.rename_index("a", "b"),
        lambda: db.flush(),
        lambda: db.stats(),
        lambda: db.memory_usage(),
        lambda: index.add("y", [1, 0]),
        lambda: index.upsert("y", [1, 0]),
        lambda: index.update("x", metadata={}),
        lambda: index.delete("x"),
        lambda: index.get("x"),
        lambda: index.search([1, 0]),
        lambda: index.vectors,
        lambda: index.ids,
        lambda: index.scan(),
        lambda: index.optimize(),
        lambda: index.stats(),
        lambda: index.clear(),
        lambda: len(index),
        lambda: "x" in index,
        lambda: list(index),
    ]
    for call in calls:
        with pytest.raises(springg.FailedPrecondition):
            call()
    assert "closed" in repr(db)
    assert "closed" in db._repr_html_()
    assert index.name in repr(index)


def test_indexes_behave_like_a_mapping_of_names(db):
    db.create_index("b", 2)
    db.create_index("a", 3)
    assert db.indexes() == ["a", "b"] == list(db)
    assert "a" in db
    assert "c" not in db
    assert 5 not in db
    assert len(db) == 2
    assert db["a"].dimensions == db.index("a").dimensions == 3


def test_a_missing_index_names_near_spellings(db):
    db.create_index("words", 2)
    with pytest.raises(KeyError, match="words") as caught:
        db["wrods"]
    assert isinstance(caught.value, springg.NotFound)
    assert str(caught.value) == caught.value.message


def test_create_index_again(db):
    made = db.create_index("a", 2, metric="dot", m=8)
    made.add("x", [1, 0])
    with pytest.raises(springg.AlreadyExists):
        db.create_index("a", 2, metric="dot", m=8)
    same = db.create_index("a", 2, metric="dot", m=8, exist_ok=True)
    assert len(same) == 1
    with pytest.raises(springg.AlreadyExists):
        db.create_index("a", 3, metric="dot", m=8, exist_ok=True)


def test_settings_are_what_was_asked_for(db):
    index = db.create_index(
        "a", 5, metric="manhattan", dtype="float16", quantization="none", m=4, ef_construction=40
    )
    assert (index.name, index.dimensions, index.metric) == ("a", 5, "manhattan")
    assert (index.dtype, index.quantization) == ("float16", "none")
    assert (index.m, index.ef_construction) == (4, 40)
    assert db.create_index("b", np.int64(3)).metric == "cosine"


def test_drop_and_rename(db):
    index = db.create_index("a", 2)
    index.add("x", [1, 0])
    db.rename_index("a", "b")
    assert db.indexes() == ["b"]
    assert index.name == "b"
    assert len(db["b"]) == 1
    db.create_index("c", 2)
    with pytest.raises(springg.AlreadyExists):
        db.rename_index("b", "c")
    with pytest.raises(springg.NotFound):
        db.rename_index("nope", "d")
    db.drop_index("b")
    assert db.indexes() == ["c"]
    with pytest.raises(springg.NotFound):
        db.drop_index("b")
    with pytest.raises(springg.FailedPrecondition):
        index.add("y", [0, 1])


def test_flush_publishes(tmp_path):
    with springg.open(tmp_path / "d") as db:
        db.create_index("a", 2).add("x", [1, 0])
        db.flush()
        files = [p for p in pathlib.Path(tmp_path / "d").rglob("*") if p.is_file()]
        assert sum(p.stat().st_size for p in files) > 0
        assert db["a"].stats()["segments"] == 1
        assert db["a"].stats()["memtable_rows"] == 0


def test_stats_and_memory_usage(filled, db):
    stats = filled.stats()
    assert stats["rows"] == 100
    assert stats["deleted"] == 0
    assert set(stats["bytes"]) >= {"vectors", "graph", "codes", "metadata", "ids"}
    assert stats["bytes"]["vectors"] >= 100 * 8 * 4
    usage = db.memory_usage()
    assert usage["total"] >= usage["vectors"] >= 100 * 8 * 4
    assert isinstance(db.stats(), dict)


@pytest.mark.parametrize("limit", [200_000, "200KB", "0.2 MB"])
def test_a_memory_limit_refuses_the_whole_write(limit):
    with springg.open(":memory:", memory_limit=limit) as db:
        index = db.create_index("a", 128)
        with pytest.raises(springg.ResourceExhausted) as caught:
            index.add(np.arange(1000), np.ones((1000, 128), np.float32))
        assert isinstance(caught.value, MemoryError)
        assert len(index) == 0


def test_paths_and_options_of_the_wrong_kind():
    for path in (5, None, b"data"):
        with pytest.raises(TypeError):
            springg.open(path)
    with pytest.raises(springg.InvalidArgument):
        springg.open("a\0b")
    with pytest.raises(springg.InvalidArgument, match="2GiB"):
        springg.open(":memory:", memory_limit="much")
    with pytest.raises(TypeError):
        springg.open(":memory:", memory_limit=1.5)
    with pytest.raises(springg.InvalidArgument):
        springg.open(":memory:", threads=-1)
    with pytest.raises(TypeError):
        springg.open(":memory:", threads="2")


def test_database_prints(db, filled):
    assert "1 index" in repr(db)
    assert "filled" in db._repr_html_()
    assert "100 rows" in repr(filled)
    assert "<td>100 rows</td>" in filled._repr_html_()
