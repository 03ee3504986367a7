# SPDX-License-Identifier: MIT
"""What files that are not right get: an error that names file and line, and nothing stored."""

import json
import pickle
import struct
import zipfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import springg
from springg.importing import ImportReport, SkippedRow, read_queries

WIDTH = 6
ROWS = 50
VECTORS = np.random.default_rng(7).standard_normal((ROWS, WIDTH)).astype(np.float32)


@pytest.fixture
def db():
    with springg.open(":memory:") as database:
        yield database


@pytest.fixture
def index(db):
    return db.create_index("x", WIDTH, metric="l2")


def write_lines(path, *objects):
    path.write_text("".join(o if isinstance(o, str) else json.dumps(o) + "\n" for o in objects))
    return path


def row_object(identifier, **more):
    return {"id": identifier, "vector": [float(identifier)] * WIDTH, **more}


# Bad rows

GOOD = [1.0] * WIDTH
BAD_LINES = {
    "no json": ("{", "is not valid JSON"),
    "no object": ([1, 2], "must be a JSON object, got list"),
    "no vector": ({"id": "b"}, "no field 'vector'"),
    "no id": ({"vector": GOOD}, "no field 'id'"),
    "ragged": ({"id": "b", "vector": [1.0, 2.0]}, "expected 6, got 2"),
    "text in it": ({"id": "b", "vector": ["1"] * WIDTH}, "flat list of numbers"),
    "mixed": ({"id": "b", "vector": [1, 2, 3, 4, 5, None]}, "flat list of numbers"),
    "nested": ({"id": "b", "vector": [[1]] * WIDTH}, "flat list of numbers"),
    "ragged in it": ({"id": "b", "vector": [[1], [1, 2], 3, 4, 5, 6]}, "flat list of numbers"),
    "bool": ({"id": "b", "vector": [True, 1, 2, 3, 4, 5]}, "bool"),
    "huge integer": ({"id": "b", "vector": [10**400, 1, 2, 3, 4, 5]}, "float32"),
    "nan": ('{"id": "b", "vector": [NaN, 1, 2, 3, 4, 5]}', "NaN is not a JSON number"),
    "beyond float32": ({"id": "b", "vector": [1e39, 1, 2, 3, 4, 5]}, "0 is 1e.39, the largest"),
    "empty id": ({"id": "", "vector": GOOD}, "empty"),
    "long id": ({"id": "x" * 513, "vector": GOOD}, "512.*got 513"),
    "negative id": ({"id": -1, "vector": GOOD}, "got -1"),
    "wide id": ({"id": 2**64, "vector": GOOD}, f"got {2**64}"),
    "float id": ({"id": 1.5, "vector": GOOD}, "got float"),
    "null id": ({"id": None, "vector": GOOD}, "got NoneType"),
    "surrogate id": ('{"id": "\\ud800", "vector": [1,1,1,1,1,1]}', "surrogate"),
    "no uuid": ({"id": {"uuid": "zz"}, "vector": GOOD}, "not a UUID"),
    "metadata": ({"id": "b", "vector": GOOD, "metadata": 5}, "must be a JSON object, got int"),
    "metadata twice": (
        {"id": "b", "vector": GOOD, "metadata": {"y": 1}, "y": 2},
        "'y' stands in metadata and beside it",
    ),
    "long metadata": ({"id": "b", "vector": GOOD, "t": "x" * 70_000}, "metadata.*65536|metadata"),
    "deep metadata": (
        '{"id": "b", "vector": [1,1,1,1,1,1], "t": ' + "[" * 70 + "]" * 70 + "}",
        "64",
    ),
    "deepest": ('{"id": "b", "vector": ' + "[" * 100_000, "nested too deep|not valid JSON"),
    "wide metadata": ({"id": "b", "vector": GOOD, "n": 2**64}, "64"),
}


@pytest.mark.parametrize("bad", BAD_LINES, ids=str)
def test_a_bad_line_names_file_and_line_and_stores_nothing(index, tmp_path, bad):
    line, reason = BAD_LINES[bad]
    text = line if isinstance(line, str) else json.dumps(line)
    path = write_lines(tmp_path / "bad.jsonl", row_object(1), row_object(2), text + "\n")
    with pytest.raises(springg.SpringgError, match=rf"bad\.jsonl, line 3: .*({reason})") as caught:
        index.import_file(path)
    assert caught.value.details["line"] == 3
    assert caught.value.details["file"] == str(path)
    assert len(index) == 0


@pytest.mark.parametrize("bad", BAD_LINES, ids=str)
def test_a_bad_line_is_skipped(index, tmp_path, bad):
    line, _reason = BAD_LINES[bad]
    text = line if isinstance(line, str) else json.dumps(line)
    path = write_lines(tmp_path / "bad.jsonl", row_object(1), text + "\n", row_object(2))
    report = index.import_file(path, on_error="skip")
    assert report == 2
    assert index.ids == [1, 2]
    assert [row.line for row in report.skipped] == [2]
    assert report.skipped[0].reason


def test_ragged_line_is_a_dimension_mismatch(index, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", {"id": 1, "vector": [1.0]})
    with pytest.raises(springg.DimensionMismatch, match="line 1: vector dimension mismatch"):
        index.import_file(path)


def test_not_utf8_line(index, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "\xff"}\n')
    with pytest.raises(springg.InvalidArgument, match="line 1: is not UTF-8: byte 8"):
        index.import_file(path)


def test_line_that_never_ends(index, tmp_path, monkeypatch):
    monkeypatch.setattr("springg.importing_rows.LINE_BYTES_MAX", 200)
    path = write_lines(tmp_path / "a.jsonl", "x" * 1000 + "\n", row_object(1))
    with pytest.raises(springg.InvalidArgument, match="line 1: a line must not be over 200"):
        index.import_file(path)
    assert index.import_file(path, on_error="skip").skipped == [
        SkippedRow(1, "a line must not be over 200 bytes")
    ]
    assert index.ids == [1]


@pytest.mark.parametrize("ending", ["npy", "fvecs", "npz", "hdf5", "parquet"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite(db, index, tmp_path, ending, value):
    vectors = VECTORS.copy()
    vectors[3, 2] = value
    vectors[40, 0] = value
    path = tmp_path / f"bad.{ending}"
    write_vectors(path, vectors)
    with pytest.raises(springg.InvalidArgument, match=rf"bad\.{ending}, line 4: ") as caught:
        index.import_file(path)
    assert caught.value.details["line"] == 4
    assert len(index) == 0
    report = index.import_file(path, on_error="skip")
    assert report == ROWS - 2
    assert [row.line for row in report.skipped] == [4, 41]
    assert all("not finite" in row.reason for row in report.skipped)
    assert np.array_equal(index.vectors, np.delete(vectors, [3, 40], axis=0))
    assert index.ids == list(range(ROWS - 2))


def write_vectors(path, vectors):
    ending = path.suffix
    if ending == ".npy":
        np.save(path, vectors)
    elif ending == ".fvecs":
        widths = np.full((len(vectors), 1), vectors.shape[1], "<i4").view("<f4")
        path.write_bytes(np.hstack([widths, vectors]).astype("<f4").tobytes())
    elif ending == ".npz":
        np.savez(path, vectors=vectors)
    elif ending == ".hdf5":
        with h5py.File(path, "w") as file:
            file["train"] = vectors
    else:
        pq.write_table(pa.table({"vector": vectors.tolist()}), path)


def test_values_beyond_float16(db, tmp_path):
    half = db.create_index("half", WIDTH, dtype="float16")
    vectors = VECTORS.copy()
    vectors[5, 1] = 70_000
    np.save(tmp_path / "a.npy", vectors)
    with pytest.raises(springg.InvalidArgument, match=r"a\.npy, line 6: "):
        half.import_file(tmp_path / "a.npy")
    report = half.import_file(tmp_path / "a.npy", on_error="skip")
    assert report.skipped == [
        SkippedRow(6, "vector does not fit float16: element 1 is 70000, the largest is 65504")
    ]
    assert len(half) == ROWS - 1


def test_duplicate_and_existing_ids(index, tmp_path):
    index.add([7], VECTORS[:1])
    rows = [row_object(1), row_object(2), row_object(1), row_object(7)]
    path = write_lines(tmp_path / "a.jsonl", *rows)
    with pytest.raises(springg.AlreadyExists, match=r"a\.jsonl, line 3: .*1") as caught:
        index.import_file(path)
    assert caught.value.details["line"] == 3
    assert index.ids == [7]
    report = index.import_file(path, on_error="skip")
    assert report == 2
    assert report.skipped == [
        SkippedRow(3, "id 1 comes twice, first on line 1"),
        SkippedRow(4, "id 7 exists already"),
    ]
    assert index.ids == [7, 1, 2]


def test_bad_rows_of_parquet(index, tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, 2, None, 4, 5, 6], pa.int64()),
            "vector": pa.array(
                [GOOD, [1.0], GOOD, None, [*GOOD[1:], None], GOOD], pa.list_(pa.float32())
            ),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(springg.DimensionMismatch, match=r"line 2: .*expected 6, got 1"):
        index.import_file(tmp_path / "a.parquet")
    report = index.import_file(tmp_path / "a.parquet", on_error="skip")
    assert index.ids == [1, 6]
    assert [row.line for row in report.skipped] == [2, 3, 4, 5]
    reasons = " / ".join(row.reason for row in report.skipped)
    assert "NoneType" in reasons
    assert "vector is null" in reasons
    assert "null in it" in reasons


def test_nan_in_a_metadata_column(index, tmp_path):
    pq.write_table(
        pa.table({"id": [1, 2], "vector": [GOOD, GOOD], "price": [1.5, float("nan")]}),
        tmp_path / "a.parquet",
    )
    with pytest.raises(springg.InvalidArgument, match=r"a\.parquet, line 2: "):
        index.import_file(tmp_path / "a.parquet")
    assert index.import_file(tmp_path / "a.parquet", on_error="skip") == 1


# Bad files


@pytest.mark.parametrize("ending", ["npy", "fvecs", "npz", "hdf5", "parquet"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_cut_file(index, tmp_path, ending, share, on_error):
    path = tmp_path / f"cut.{ending}"
    write_vectors(path, VECTORS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share) - 1])  # inside a row
    with pytest.raises(springg.Corruption, match=rf"cut\.{ending}"):
        index.import_file(path, on_error=on_error)
    assert len(index) == 0


@pytest.mark.parametrize("ending", ["npy", "npz", "hdf5", "parquet", "fvecs"])
def test_file_of_something_else(index, tmp_path, ending):
    path = tmp_path / f"other.{ending}"
    path.write_bytes(b"\x89PNG\r\n" + bytes(range(256)))
    with pytest.raises(springg.Corruption, match=rf"other\.{ending}"):
        index.import_file(path)


@pytest.mark.parametrize("ending", ["npy", "npz", "hdf5", "parquet"])
def test_empty_file(index, tmp_path, ending):
    path = tmp_path / f"empty.{ending}"
    path.touch()
    with pytest.raises(springg.Corruption, match=rf"empty\.{ending}"):
        index.import_file(path)


@pytest.mark.parametrize("ending", ["npy", "npz", "hdf5", "parquet", "fvecs", "jsonl"])
def test_missing_file_and_folder(index, tmp_path, ending):
    path = tmp_path / f"no.{ending}"
    with pytest.raises(springg.IoError, match=r"cannot read .*no\..*: No such file or directory"):
        index.import_file(path)
    path.mkdir()
    with pytest.raises(springg.IoError, match=r"cannot read .*no\.[a-z0-9]*: Is a directory"):
        index.import_file(path)


def test_huge_lengths_in_headers(index, tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 6), }\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    (tmp_path / "a.npy").write_bytes(npy)
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + header)
    empty = npy.replace(b"(4611686018427387904, 6)", b"(0, 2305843009213693952)")
    (tmp_path / "c.npy").write_bytes(empty)
    (tmp_path / "d.fvecs").write_bytes(struct.pack("<i", 2**31 - 1) + bytes(24))
    (tmp_path / "e.fvecs").write_bytes(struct.pack("<i", -6) + bytes(24))
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("vectors.npy", npy)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(springg.SpringgError, match=path.name):
            index.import_file(path)
    assert len(index) == 0


def test_rows_of_different_width_in_fvecs(index, tmp_path):
    rows = [struct.pack("<i6f", 6, *GOOD), struct.pack("<i5f", 5, *GOOD[:5]), bytes(4)]
    (tmp_path / "a.fvecs").write_bytes(b"".join(rows))
    with pytest.raises(springg.Corruption, match=r"a\.fvecs: .*expected 6, got 5"):
        index.import_file(tmp_path / "a.fvecs")


def test_pickles_are_not_loaded(index, tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{}]], object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", vectors=np.array([{}], object))
    for name in ("a.npy", "b.npz"):
        with pytest.raises(springg.Unsupported, match=name):
            index.import_file(tmp_path / name)


@pytest.mark.parametrize(
    "array", [np.zeros(WIDTH), np.zeros((2, 2, WIDTH)), np.float32(1)], ids=["1-d", "3-d", "0-d"]
)
def test_npy_of_another_shape(index, tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(springg.InvalidArgument, match=r"a\.npy: .*2 dimensions"):
        index.import_file(tmp_path / "a.npy")


@pytest.mark.parametrize("ending", ["npy", "fvecs", "npz", "hdf5"])
def test_file_of_another_width(index, tmp_path, ending):
    write_vectors(tmp_path / f"a.{ending}", np.zeros((3, 5), np.float32))
    with pytest.raises(springg.DimensionMismatch, match=r"line 1: .*expected 6, got 5"):
        index.import_file(tmp_path / f"a.{ending}")


def test_columns_of_unequal_length(index, tmp_path):
    np.savez(tmp_path / "a.npz", ids=[1, 2], vectors=VECTORS[:3])
    with pytest.raises(springg.InvalidArgument, match=r"'ids' must have 3 rows.*got 2"):
        index.import_file(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", vectors=VECTORS[:3], year=[1, 2])
    assert index.import_file(tmp_path / "b.npz") == 3  # no column of the rows
    with pytest.raises(springg.InvalidArgument, match=r"'year' must have 3 rows.*got 2"):
        index.import_file(tmp_path / "b.npz", metadata=["year"])


def test_id_kinds_that_do_not_fit(index, tmp_path):
    np.savez(tmp_path / "a.npz", ids=["x"], vectors=VECTORS[:1], id_kinds=np.array([3], np.uint8))
    with pytest.raises(springg.Corruption, match="id_kinds does not fit"):
        index.import_file(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["data", "data.csv", "data.bin.gz", "data.pickle"])
def test_unknown_ending(index, tmp_path, name):
    with pytest.raises(springg.InvalidArgument, match=r"unknown file ending .*expected one of"):
        index.import_file(tmp_path / name)
    with pytest.raises(springg.InvalidArgument, match="unknown file ending"):
        index.export_file(tmp_path / name)


def test_unknown_words(index, tmp_path):
    with pytest.raises(springg.InvalidArgument, match="unknown on_error 'ignore'"):
        index.import_file(tmp_path / "a.npy", on_error="ignore")
    with pytest.raises(springg.InvalidArgument, match="unknown file format 'csv'"):
        index.export_file(tmp_path / "a.npy", format="csv")


@pytest.mark.parametrize(("ending", "module"), [("hdf5", "h5py"), ("parquet", "pyarrow")])
def test_without_the_optional_library(index, tmp_path, monkeypatch, ending, module):
    path = tmp_path / f"a.{ending}"
    write_vectors(path, VECTORS)
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(springg.Unsupported, match=f"needs {module}: pip install {module}"):
        index.import_file(path)
    with pytest.raises(springg.Unsupported, match=f"needs {module}: pip install {module}"):
        index.export_file(path)


def test_report_is_an_int_that_pickles():
    report = ImportReport(3, [SkippedRow(2, "why")])
    again = pickle.loads(pickle.dumps(report))
    assert again == 3
    assert again.skipped == [(2, "why")]
    assert repr(again) == "ImportReport(3 rows added, 1 skipped)"
    assert again + 1 == 4


# Queries


def test_queries_of_any_format(index, tmp_path):
    for ending in ["npy", "fvecs", "npz", "hdf5", "parquet"]:
        write_vectors(tmp_path / f"q.{ending}", VECTORS[:3])
        queries = read_queries(tmp_path / f"q.{ending}", WIDTH)
        assert queries.dtype == np.float32
        assert np.array_equal(queries, VECTORS[:3])
    np.save(tmp_path / "one.npy", VECTORS[0])
    assert read_queries(tmp_path / "one.npy", WIDTH).shape == (1, WIDTH)
    with pytest.raises(springg.DimensionMismatch, match="expected 7, got 6"):
        read_queries(tmp_path / "one.npy", 7)


def test_messages_speak_of_lines_not_of_rows(index, tmp_path):
    path = write_lines(tmp_path / "a.jsonl", row_object(1), row_object(1))
    with pytest.raises(springg.AlreadyExists) as caught:
        index.import_file(path)
    assert str(caught.value) == f"{path}, line 2: id 1 comes twice in the call"
    write_vectors(tmp_path / "a.npy", np.full((1, WIDTH), np.nan))
    with pytest.raises(springg.InvalidArgument) as caught:
        index.import_file(tmp_path / "a.npy")
    assert "line 1: vector is not finite: element 0 is nan" in str(caught.value)


@pytest.mark.parametrize("ending", ["npy", "fvecs", "npz", "hdf5", "parquet", "jsonl"])
def test_flipped_bytes_are_refused_or_read(db, index, tmp_path, ending):
    index.add([f"r{i}" for i in range(ROWS)], VECTORS, [{"n": i} for i in range(ROWS)])
    index.export_file(tmp_path / f"whole.{ending}")
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    for seed in range(40):
        random = np.random.default_rng(seed)
        flipped = bytearray(whole)
        for _ in range(1 + seed % 3):
            top = len(whole) if seed % 2 else min(len(whole), 300)
            flipped[int(random.integers(top))] = int(random.integers(256))
        path = tmp_path / f"flipped-{seed}.{ending}"
        path.write_bytes(flipped)
        target = db.create_index("target", WIDTH)
        rows, said = 0, path.name
        try:
            rows = target.import_file(path)
        except springg.SpringgError as error:
            said = str(error)
        assert len(target) == rows, f"seed {seed}"
        assert path.name in said, f"seed {seed}"
        db.drop_index("target")


@pytest.mark.parametrize("ending", ["npy", "fvecs"])
def test_vectors_are_read_from_the_mapped_file(tmp_path, ending):
    from springg.importing_formats import READERS
    from springg.importing_table import BadRows, Fields

    path = tmp_path / f"a.{ending}"
    write_vectors(path, VECTORS)
    bad = BadRows(str(path), skip=False)
    vectors = READERS[f".{ending}"](str(path), Fields(), WIDTH, bad).vectors
    assert not vectors.flags.owndata
    assert not vectors.flags.writeable
    with path.open("r+b") as file:  # what is written to the file is seen: it is no copy
        file.seek(-4, 2)
        file.write(np.float32(42).tobytes())
    assert vectors[-1, -1] == 42
