# SPDX-License-Identifier: MIT
"""Files in and out: round trips of each format, and what other programs write."""

import json
import uuid

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import springg
from springg._file_formats import ENDINGS
from springg.exporting import WRITERS
from springg.importing import read_queries
from springg.importing_formats import READERS

WIDTH = 6
ROWS = 50
VECTORS = np.random.default_rng(7).standard_normal((ROWS, WIDTH)).astype(np.float32)
KEEPING = ["jsonl", "parquet", "npz", "hdf5", "h5"]
ALONE = ["npy", "fvecs"]


@pytest.fixture
def db():
    with springg.open(":memory:") as database:
        yield database


@pytest.fixture
def index(db):
    return db.create_index("x", WIDTH, metric="l2")


def metadata_of(row):
    return None if row % 3 == 0 else {"n": row, "big": 2**63 - 1, "tags": ["ä", "\u2028"]}


def write_lines(path, *objects):
    path.write_text("".join(o if isinstance(o, str) else json.dumps(o) + "\n" for o in objects))
    return path


# Round trips


@pytest.mark.parametrize("ending", KEEPING)
@pytest.mark.parametrize(
    "ids",
    [
        [f"row {i}" for i in range(ROWS)],
        [2**64 - 1 - i for i in range(ROWS)],
        [uuid.UUID(int=i + 1) for i in range(ROWS)],
        [[str(i), i, uuid.UUID(int=i)][i % 3] for i in range(ROWS)],
    ],
    ids=["text", "integers", "uuids", "mixed"],
)
def test_ids_vectors_and_metadata_come_back(db, index, tmp_path, ending, ids):
    index.add(ids, VECTORS, [metadata_of(i) for i in range(ROWS)])
    path = tmp_path / f"all.{ending}"
    index.export_file(path)
    again = db.create_index("again", WIDTH, metric="l2")
    report = again.import_file(path)
    assert report == ROWS
    assert report.skipped == []
    assert again.ids == ids
    assert [type(i) for i in again.ids] == [type(i) for i in ids]
    assert again.vectors.tobytes() == VECTORS.tobytes()
    assert [again[i].metadata for i in ids] == [metadata_of(i) for i in range(ROWS)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ALONE)
def test_vectors_alone_come_back_and_rows_are_counted(db, index, tmp_path, ending):
    index.add([f"row {i}" for i in range(ROWS)], VECTORS)
    path = tmp_path / f"all.{ending}"
    index.export_file(path)
    again = db.create_index("again", WIDTH)
    assert again.import_file(path) == ROWS
    assert again.ids == list(range(ROWS))
    assert again.vectors.tobytes() == VECTORS.tobytes()
    assert again.import_file(path) == ROWS
    assert again.ids == list(range(2 * ROWS))


@pytest.mark.parametrize(("ending", "top"), [("bvecs", 256), ("ivecs", 2**24)])
def test_whole_numbers_come_back(db, index, tmp_path, ending, top):
    whole = np.random.default_rng(1).integers(0, top, (ROWS, WIDTH)).astype(np.float32)
    index.add(range(ROWS), whole)
    path = tmp_path / f"all.{ending}"
    index.export_file(path)
    again = db.create_index("again", WIDTH, metric="l2")
    again.import_file(path)
    assert np.array_equal(again.vectors, whole)


@pytest.mark.parametrize("ending", KEEPING + ALONE)
def test_a_float16_index_comes_back(db, tmp_path, ending):
    half = db.create_index("half", WIDTH, dtype="float16")
    half.add(range(ROWS), VECTORS)
    path = tmp_path / f"half.{ending}"
    half.export_file(path)
    again = db.create_index("again", WIDTH, dtype="float16")
    again.import_file(path)
    assert again.vectors.dtype == np.float16
    assert again.vectors.tobytes() == half.vectors.tobytes()


@pytest.mark.parametrize("ending", KEEPING + ALONE)
def test_an_empty_index_comes_back(db, index, tmp_path, ending):
    path = tmp_path / f"empty.{ending}"
    index.export_file(path)
    assert path.exists()
    assert index.import_file(path) == 0
    assert len(index) == 0


def test_bits_of_floats_survive_jsonl(db, index, tmp_path):
    odd = np.array([[-0.0, 1e-45, 3.4028235e38, 1 / 3, -1e-38, 16777217.0]], np.float32)
    index.add(["odd"], odd)
    index.export_file(tmp_path / "odd.jsonl")
    again = db.create_index("again", WIDTH)
    again.import_file(tmp_path / "odd.jsonl")
    assert again.vectors.tobytes() == odd.tobytes()


def test_every_ending_has_a_reader_and_a_writer():
    # .bin is a set of files: exporting_springg1 writes it.
    assert sorted(READERS) == sorted([*WRITERS, ".bin"]) == list(ENDINGS)


def test_export_replaces_a_file_and_takes_a_format(index, tmp_path):
    index.add(range(ROWS), VECTORS)
    path = tmp_path / "data.txt"
    path.write_text("old")
    index.export_file(path, format="npy")
    assert np.array_equal(np.load(path), VECTORS)


def test_failed_export_leaves_the_old_file(index, tmp_path):
    index.add(range(ROWS), VECTORS)
    path = tmp_path / "data.bvecs"
    path.write_bytes(b"old")
    with pytest.raises(springg.InvalidArgument, match=r"whole numbers 0\.\.255: row 0, element 0"):
        index.export_file(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_export_into_a_missing_folder(index, tmp_path):
    with pytest.raises(springg.IoError, match=r"cannot write .*no/data.npy: No such file"):
        index.export_file(tmp_path / "no" / "data.npy")


def test_npz_refuses_text_that_numpy_would_cut(index, tmp_path):
    index.add(["a\0"], VECTORS[:1])
    with pytest.raises(springg.Unsupported, match="ends in a NUL"):
        index.export_file(tmp_path / "data.npz")
    index.export_file(tmp_path / "data.jsonl")


# What files of other programs hold


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_of_any_dtype_and_order(index, tmp_path, dtype, order):
    array = np.asarray(np.arange(ROWS * WIDTH).reshape(ROWS, WIDTH) % 100, dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    assert index.import_file(tmp_path / "a.npy") == ROWS
    assert np.array_equal(index.vectors, array.astype(np.float32))


def test_ann_benchmarks_file(index, tmp_path):
    with h5py.File(tmp_path / "set.hdf5", "w") as file:
        file["train"] = VECTORS
        file["test"] = VECTORS[:ROWS] + 1  # as many rows as train: no column all the same
        file["neighbors"] = np.zeros((ROWS, 3), np.int32)
        file["distances"] = np.zeros((ROWS, 3), np.float32)
    assert index.import_file(tmp_path / "set.hdf5") == ROWS
    assert index.ids == list(range(ROWS))
    assert index[0].metadata is None
    assert np.array_equal(read_queries(tmp_path / "set.hdf5", WIDTH), VECTORS + 1)


def test_parquet_columns_become_metadata(index, tmp_path):
    day = pa.array([18_000 + i for i in range(ROWS)], pa.date32())
    table = pa.table(
        {
            "ids": [f"r{i}" for i in range(ROWS)],
            "vectors": pa.array(VECTORS.tolist(), pa.list_(pa.float64())),
            "year": list(range(ROWS)),
            "day": day,
            "missing": [None] * ROWS,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    index.import_file(tmp_path / "a.parquet")
    assert index["r3"].metadata == {"year": 3, "day": "2019-04-17", "missing": None}
    assert np.array_equal(index.vectors, VECTORS)


def test_named_fields(db, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(
        path,
        url=np.array(["a", "b"]),
        emb=VECTORS[:2],
        year=[1, 2],
        tag=np.array(["x", "y"]),
        meta=np.array(['{"z": 1}', ""]),
    )
    found = {}
    for name, metadata in {"all": None, "keys": ["year", "tag"], "one": "meta", "no": []}.items():
        index = db.create_index(name, WIDTH)
        index.import_file(path, ids="url", vectors="emb", metadata=metadata)
        assert index.ids == ["a", "b"]
        found[name] = [index["a"].metadata, index["b"].metadata]
    assert found["all"][0] == {"year": 1, "tag": "x", "meta": '{"z": 1}'}
    assert found["keys"] == [{"year": 1, "tag": "x"}, {"year": 2, "tag": "y"}]
    assert found["one"] == [{"z": 1}, None]
    assert found["no"] == [None, None]
    index = db.create_index("wrong", WIDTH)
    with pytest.raises(springg.InvalidArgument, match="no field 'author'; the file has emb, meta"):
        index.import_file(path, ids="url", vectors="emb", metadata=["author"])
    with pytest.raises(springg.InvalidArgument, match="no field 'vector' or 'vectors'"):
        index.import_file(path)


def test_the_sample_of_the_package_as_a_file(db):
    from springg import datasets

    index = db.create_index("words", 384)
    assert index.import_file(datasets.FILE) == 4_000
    assert index["architect"].metadata["words"] == "architect, designer"


def test_jsonl_details(index, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"id": "a", "vector": [1, 2, 3, 4, 5, 6.5], "year": 1999}\r\n'
        b"\n   \n"
        b'{"id": {"uuid": "00000000-0000-0000-0000-000000000007"}, "vector": [0,0,0,0,0,0],'
        b' "metadata": {"k": {"n": 18446744073709551615}}, "year": 5}'
    )
    assert index.import_file(path) == 2
    assert index.ids == ["a", uuid.UUID(int=7)]
    assert index["a"].metadata == {"year": 1999}
    assert index[uuid.UUID(int=7)].metadata == {"k": {"n": 2**64 - 1}, "year": 5}


def test_jsonl_without_ids_counts(index, tmp_path):
    index.add([0, 1], VECTORS[:2])
    write_lines(tmp_path / "a.jsonl", {"vector": [1.0] * WIDTH}, {"vector": [2.0] * WIDTH})
    index.import_file(tmp_path / "a.jsonl")
    assert index.ids == [0, 1, 2, 3]


def test_progress_is_told(index, tmp_path):
    np.save(tmp_path / "a.npy", VECTORS)
    told = []
    index.import_file(tmp_path / "a.npy", progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
