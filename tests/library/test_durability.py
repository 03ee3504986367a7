# SPDX-License-Identifier: MIT
"""Durability as Python users set it. What each survives is tried in tests/cpp and tests/crash."""

import shutil

import numpy as np
import pytest

import springg

LEVELS = ("buffered", "process", "disk")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data"


def names(path):
    return [file.name for file in path.iterdir()]


@pytest.mark.parametrize("level", LEVELS)
def test_a_database_and_each_write_take_a_durability(path, level):
    with springg.open(path, durability=level) as db:
        index = db.create_index("a", 2)
        index.add("x", [1, 0], durability="disk")
        index.upsert("y", [1, 1], durability="process")
        index.update("x", metadata={"n": 1}, durability="buffered")
        assert index.delete("y", durability=level) == 1
        assert index.ids == ["x"]
    with springg.open(path) as db:
        assert db["a"]["x"].metadata == {"n": 1}
        assert db["a"].ids == ["x"]


def test_an_unknown_durability_is_refused_with_what_there_is(path):
    with pytest.raises(springg.InvalidArgument, match="expected one of buffered, process, disk"):
        springg.open(path, durability="safe")
    with pytest.raises(springg.InvalidArgument, match="did you mean 'disk'"):
        springg.open(path, durability="fsync")
    with pytest.raises(TypeError):
        springg.open(path, durability=1)
    with springg.open(path) as db:
        index = db.create_index("a", 2)
        for write in (
            lambda: index.add("x", [1, 0], durability="never"),
            lambda: index.upsert("x", [1, 0], durability="never"),
            lambda: index.update("x", metadata={}, durability="never"),
            lambda: index.delete("x", durability="never"),
        ):
            with pytest.raises(springg.InvalidArgument, match="durability"):
                write()
        assert len(index) == 0


def test_the_same_directory_with_another_durability_is_refused_in_one_process(path):
    with springg.open(path), pytest.raises(springg.FailedPrecondition, match="other options"):
        springg.open(path, durability="buffered")


def test_sync_makes_everything_durable_and_statistics_say_so(path):
    with springg.open(path, durability="buffered") as db:
        index = db.create_index("a", 2)
        assert db.stats()["last_lsn"] == 0
        for number in range(10):
            index.add(number, [1, number])
        stats = db.stats()
        assert stats["last_lsn"] == 10
        assert stats["durable_lsn"] <= 10
        db.sync()
        stats = db.stats()
        assert stats["durable_lsn"] == 10
        assert stats["log_bytes"] > 0
        assert stats["background_error"] is None
        assert index.stats()["lsn"] == 10
        assert index.stats()["read_only"] is None


def test_a_torn_end_of_the_log_is_cut_and_told(path, tmp_path):
    with springg.open(path) as db:
        index = db.create_index("a", 2)
        index.add(range(10), np.eye(10, 2))
        assert db.stats()["torn_bytes"] == 0
        copy = shutil.copytree(path, tmp_path / "copy")
    log = next(copy.glob("wal-*.log"))
    with log.open("r+b") as file:
        file.seek(len(log.read_bytes().rstrip(b"\0")) + 100)
        file.write(b"torn")
    with springg.open(copy) as db:
        assert db["a"].ids == list(range(10))
        assert db.stats()["torn_bytes"] > 4
        db.flush()
        assert db.stats()["torn_bytes"] > 4  # of this opening


def test_flush_cuts_the_log_and_close_leaves_none(path):
    with springg.open(path) as db:
        index = db.create_index("a", 2)
        index.add(range(100), np.eye(100, 2))
        assert any(name.startswith("wal-") for name in names(path))
        db.flush()
        assert db.stats()["log_bytes"] == 0
        index.add(1000, [1, 1])
    assert not any(name.startswith("wal-") for name in names(path))
    with springg.open(path) as db:
        assert len(db["a"]) == 101


def test_in_memory_durability_means_nothing():
    with springg.open(":memory:", durability="disk") as db:
        db.create_index("a", 2).add("x", [1, 0], durability="process")
        db.sync()
        assert "last_lsn" not in db.stats()
