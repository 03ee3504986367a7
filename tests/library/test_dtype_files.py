# SPDX-License-Identifier: MIT
"""Rows of bytes and bits on the disk: files of the database, and files in and out."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from dtype_rows import ALL, DIMENSIONS, INTEGERS, numpy_dtype, rows_of

import springg


@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_files_are_closed_and_opened_again(tmp_path, rng, dtype, metric):
    vectors = rows_of(rng, 400, dtype)
    path = tmp_path / "data"
    with springg.open(path) as db:
        index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
        index.add(np.arange(300), vectors[:300])
        db.flush()
        index.add(np.arange(300, 400), vectors[300:])
        index.delete([0])
        before = index.search(vectors[:20], 10, exact=True)
        assert db.check().ok
        db.snapshot(tmp_path / "copy")
    assert springg.check(path).ok
    springg.restore(tmp_path / "copy", tmp_path / "restored")
    for place in (path, tmp_path / "copy", tmp_path / "restored"):
        with springg.open(place, read_only=place == path) as db:
            index = db["a"]
            assert (index.dtype, index.metric, index.dimensions) == (dtype, metric, DIMENSIONS)
            assert np.array_equal(index.vectors, vectors[1:])
            again = index.search(vectors[:20], 10, exact=True)
            assert again.ids == before.ids
            assert np.array_equal(again.distances, before.distances)
    with springg.open(path) as db:
        db["a"].optimize()
        assert np.array_equal(db["a"].vectors, vectors[1:])
        assert db["a"].search(vectors[:20], 10, exact=True).ids == before.ids
        with pytest.raises(springg.AlreadyExists):
            db.create_index("a", DIMENSIONS, exist_ok=True)
        same = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype, exist_ok=True)
        assert len(same) == 399


@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_a_killed_process_loses_no_row(tmp_path, dtype, metric):
    script = f"""
        import os, sys
        import numpy as np, springg
        db = springg.open({str(tmp_path / "data")!r})
        index = db.create_index("a", {DIMENSIONS}, metric={metric!r}, dtype={dtype!r})
        rows = np.load({str(tmp_path / "rows.npy")!r})
        index.add(np.arange(200), rows[:200])
        db.flush()
        index.add(np.arange(200, 260), rows[200:])
        index.update([5], vectors=rows[6])
        index.delete([7])
        os._exit(9)
    """
    rows = rows_of(np.random.default_rng(3), 260, dtype)
    np.save(tmp_path / "rows.npy", rows)
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=os.environ)
    assert done.returncode == 9
    with springg.open(tmp_path / "data") as db:
        index = db["a"]
        assert len(index) == 259
        assert np.array_equal(index.get_vectors([4, 5, 6, 259]), rows[[4, 6, 6, 259]])
        assert index.get(7) is None
        assert index.search(rows[250], 1, exact=True).ids or metric == "dot"
    assert springg.check(tmp_path / "data").ok


@pytest.mark.parametrize("ending", [".npy", ".npz", ".jsonl", ".parquet", ".hdf5", ".bvecs"])
@pytest.mark.parametrize("dtype", [*INTEGERS, "binary"])
def test_files_keep_the_dtype(db, tmp_path, rng, dtype, ending):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    if ending == ".hdf5":
        pytest.importorskip("h5py")
    if ending == ".bvecs" and dtype == "int8":
        pytest.skip("holds 0..255")
    vectors = rows_of(rng, 60, dtype)
    index = db.create_index("a", DIMENSIONS, dtype=dtype)
    index.add(np.arange(60), vectors)
    path = tmp_path / f"rows{ending}"
    assert index.export_file(path) == 60
    again = db.create_index("again", DIMENSIONS, dtype=dtype)
    assert again.import_file(path) == 60
    assert again.vectors.dtype == numpy_dtype(dtype)
    assert np.array_equal(again.vectors, vectors)
    if ending == ".npy":
        assert np.load(path).dtype == numpy_dtype(dtype)
    empty = db.create_index("empty", DIMENSIONS, dtype=dtype)
    assert empty.export_file(tmp_path / f"none{ending}") == 0


def test_a_file_of_bytes_into_an_index_of_floats(db, tmp_path):
    vectors = np.arange(12, dtype=np.uint8).reshape(3, 4)
    np.save(tmp_path / "rows.npy", vectors)
    index = db.create_index("a", 4, metric="l2")
    assert index.import_file(tmp_path / "rows.npy") == 3
    assert np.array_equal(index.vectors, vectors)
    assert index.vectors.dtype == np.float32


def test_bad_rows_of_files(db, tmp_path):
    index = db.create_index("a", 12, dtype="binary")
    lines = [
        '{"vector": [1, 16]}',
        '{"vector": [1, 17]}',
        '{"vector": [1, 300]}',
        '{"vector": [2]}',
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(springg.DimensionMismatch, match="line 4"):
        index.import_file(path)
    path.write_text("\n".join(lines[:3]))
    with pytest.raises(springg.InvalidArgument, match=r"line [23]: "):
        index.import_file(path)
    report = index.import_file(path, on_error="skip")
    assert report == 1
    assert [line for line, _ in report.skipped] == [2, 3]
    assert "has bits beyond its 12 dimensions: byte 1 is 17" in report.skipped[0].reason
    assert "does not fit binary: element 1 is 300" in report.skipped[1].reason
    whole = db.create_index("b", 2, dtype="int8")
    path.write_text('{"vector": [1, -128]}\n{"vector": [1, 0.5]}\n')
    with pytest.raises(
        springg.InvalidArgument, match=r"line 2: vector does not fit int8: element 1"
    ):
        whole.import_file(path)
    assert whole.import_file(path, on_error="skip") == 1
    assert whole.vectors.tolist() == [[1, -128]]


def test_the_go_format(db, tmp_path, rng):
    bits = db.create_index("bits", 16, dtype="binary")
    with pytest.raises(springg.Unsupported, match=r"binary cannot be written as \.bin"):
        bits.export_file(tmp_path / "bits.bin")
    assert list(tmp_path.iterdir()) == []
    vectors = rows_of(rng, 5, "int8", 4)
    index = db.create_index("a", 4, dtype="int8", metric="l2")
    index.add(["a", "b", "c", "d", "e"], vectors)
    assert index.export_file(tmp_path / "a.bin") == 5
    again = db.create_index("again", 4, dtype="int8", metric="l2")
    assert again.import_file(tmp_path / "a.bin") == 5
    assert np.array_equal(again.get_vectors(["a", "b", "c", "d", "e"]), vectors)
