# SPDX-License-Identifier: MIT
"""Snapshots, restoring, checks and repairs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import springg


def fill(path, rows=400):
    with springg.open(path, threads=2) as db:
        index = db.create_index("a", 8)
        vectors = np.random.default_rng(1).standard_normal((rows, 8), dtype=np.float32)
        index.add(np.arange(rows), vectors, [{"row": i} for i in range(rows)])
        index.optimize()
    return vectors


def test_a_snapshot_is_a_database_of_its_own(tmp_path):
    vectors = fill(tmp_path / "d")
    with springg.open(tmp_path / "d") as db:
        db["a"].delete([0, 1])
        info = db.snapshot(tmp_path / "s")
        assert info.path == str(tmp_path / "s")
        assert info.rows == 398
        assert info.lsn == db.stats()["last_lsn"]
        assert info.linked
        assert info.bytes >= vectors.nbytes
        with springg.open(tmp_path / "s") as copy:
            copy["a"].delete(list(range(200)))
            copy["a"].optimize()
            copy.flush()
            assert len(copy["a"]) == 200
        assert len(db["a"]) == 398
        with pytest.raises(springg.FailedPrecondition, match="not empty"):
            db.snapshot(tmp_path / "s")
        with pytest.raises(TypeError):
            db.snapshot(5)
    with springg.open(tmp_path / "d") as db:
        assert db["a"][399].metadata == {"row": 399}
        assert np.array_equal(db["a"][399].vector, vectors[399])
    with springg.open(":memory:") as memory, pytest.raises(springg.FailedPrecondition):
        memory.snapshot(tmp_path / "m")


def test_a_snapshot_goes_elsewhere(tmp_path):
    fill(tmp_path / "d")
    with springg.open(tmp_path / "d") as db:
        for target in (tmp_path / "d" / "sub", tmp_path / "d"):
            with pytest.raises((springg.InvalidArgument, springg.FailedPrecondition)):
                db.snapshot(target)
        assert not (tmp_path / "d" / "sub").exists()
        with pytest.raises(springg.InvalidArgument, match="expected a directory"):
            db.snapshot(":memory:")
        db.snapshot(tmp_path / "s")
    with pytest.raises(springg.InvalidArgument, match="lies in"):
        springg.restore(tmp_path / "s", tmp_path / "s" / "again")
    with pytest.raises(springg.InvalidArgument, match="expected a directory"):
        springg.restore(tmp_path / "s", ":memory:")
    with pytest.raises(springg.InvalidArgument, match="expected a directory"):
        springg.check(":memory:")


def test_a_snapshot_while_threads_write_is_of_one_moment(tmp_path):
    with springg.open(tmp_path / "d", durability="process", threads=2) as db:
        index = db.create_index("a", 2, metric="l2")
        stop = threading.Event()

        def write():
            value = 0
            while not stop.is_set():
                index.upsert(np.arange(40), np.full((40, 2), value, np.float32))
                value += 1

        thread = threading.Thread(target=write)
        thread.start()
        try:
            taken = [db.snapshot(tmp_path / f"s{i}") for i in range(4)]
        finally:
            stop.set()
            thread.join()
    for info in taken:
        with springg.open(info.path, read_only=True) as copy:
            vectors = copy["a"].vectors
            assert len(vectors) == info.rows
            assert len(np.unique(vectors)) <= 1
    assert [info.lsn for info in taken] == sorted(info.lsn for info in taken)


def test_restore(tmp_path):
    fill(tmp_path / "d")
    with springg.open(tmp_path / "d") as db:
        db.snapshot(tmp_path / "s")
    assert springg.restore(tmp_path / "s", tmp_path / "r") == str(tmp_path / "r")
    with springg.open(tmp_path / "r") as db:
        db.drop_index("a")
    assert springg.check(tmp_path / "s").ok
    with pytest.raises(springg.FailedPrecondition, match="not empty"):
        springg.restore(tmp_path / "s", tmp_path / "r")
    with pytest.raises(springg.NotFound):
        springg.restore(tmp_path / "none", tmp_path / "x")
    damage(tmp_path / "s", ".segment", 9000)
    with pytest.raises(springg.Corruption, match=r"nothing was restored.*byte 8192"):
        springg.restore(tmp_path / "s", tmp_path / "y")
    assert not (tmp_path / "y").exists() or not list((tmp_path / "y").iterdir())


def damage(path, ending, offset):
    """Change one byte, in a copy: other names of the file keep theirs."""
    (file,) = [p for p in path.iterdir() if p.name.endswith(ending)]
    content = bytearray(file.read_bytes())
    content[offset] ^= 1
    file.unlink()
    file.write_bytes(content)
    return file


def test_check_and_repair(tmp_path):
    fill(tmp_path / "d")
    with springg.open(tmp_path / "d", threads=2) as db:
        other = db.create_index("b", 2)
        other.add(["x", "y"], np.eye(2))
        assert db.check().ok
    (tmp_path / "d" / "notes.txt").write_text("mine")
    report = springg.check(tmp_path / "d")
    assert report.ok
    assert report.unknown_files == ["notes.txt"]
    assert repr(report) == "<springg.CheckReport: ok>"
    with pytest.raises(TypeError, match=r"report\.ok"):
        bool(report)
    large = max(
        (p for p in (tmp_path / "d").iterdir() if p.suffix == ".segment"),
        key=lambda p: p.stat().st_size,
    )
    content = bytearray(large.read_bytes())
    content[9000] ^= 1
    large.write_bytes(content)
    with pytest.raises(springg.Corruption):
        springg.open(tmp_path / "d")
    report = springg.check(tmp_path / "d")
    assert not report.ok
    (problem,) = report.problems
    assert problem.file == large.name
    assert problem.offset == 8192
    assert problem.index == "a"
    assert problem.rows_lost == 400
    assert "damaged at byte 8192" in problem.what
    assert large.name in report._repr_html_()
    repaired = springg.check(tmp_path / "d", repair=True)
    assert repaired.repaired
    assert repaired.problems == report.problems
    assert repaired.kept_files == [f"damaged/{large.name}"]
    assert (tmp_path / "d" / "damaged" / large.name).read_bytes() == content
    assert springg.check(tmp_path / "d").ok
    with springg.open(tmp_path / "d") as db:
        assert len(db["a"]) == 0
        assert db["b"].ids == ["x", "y"]
    assert (tmp_path / "d" / "notes.txt").read_text() == "mine"


def test_a_repair_needs_the_directory_alone(tmp_path):
    fill(tmp_path / "d")
    with springg.open(tmp_path / "d") as db:
        damage(tmp_path / "d", ".segment", 9000)
        with pytest.raises(springg.FailedPrecondition, match="repair"):
            db.check(repair=True)
        with pytest.raises(springg.FailedPrecondition):
            springg.check(tmp_path / "d", repair=True)
        assert not db.check().ok
    with pytest.raises(springg.NotFound):
        springg.check(tmp_path / "none")
    with pytest.raises(TypeError):
        springg.check(tmp_path / "d", repair=1)
