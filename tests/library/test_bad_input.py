# SPDX-License-Identifier: MIT
"""What is refused, with which error, and that nothing of it is stored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import springg

WRITES = ["add", "upsert", "update"]


def write(index, call, ids, vectors):
    if call == "update":
        return index.update(ids, vectors=vectors)
    return getattr(index, call)(ids, vectors)


@pytest.fixture
def kept(index):
    """Rows a, b, c; after the test they must be what they were."""
    index.add(["a", "b", "c"], np.eye(4)[:3])
    yield index
    assert index.ids == ["a", "b", "c"]
    assert np.array_equal(index.vectors, np.eye(4)[:3])


def ids_for(call):
    return ["x", "y", "z"] if call == "add" else ["a", "b", "c"]


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("width", [0, 3, 5])
def test_wrong_width(kept, call, width):
    with pytest.raises(springg.DimensionMismatch) as caught:
        write(kept, call, ids_for(call), np.ones((3, width), np.float32))
    assert str(caught.value) == f"vector dimension mismatch: expected 4, got {width}"
    assert caught.value.code == "dimension_mismatch"
    assert isinstance(caught.value, ValueError)


def test_wrong_width_of_queries_and_of_one_vector(kept):
    for query in (np.ones(3), [1.0] * 5, np.ones((2, 3)), [[1.0] * 5]):
        with pytest.raises(springg.DimensionMismatch, match=r"expected 4, got [35]"):
            kept.search(query)
    for query in ([], np.empty(0, np.float32)):
        with pytest.raises(springg.DimensionMismatch, match="expected 4, got 0"):
            kept.search(query)
    with pytest.raises(springg.DimensionMismatch, match="expected 4, got 5"):
        kept.add("x", [1, 2, 3, 4, 5])


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, list])
def test_values_that_are_not_finite(kept, call, value, dtype):
    vectors = np.ones((3, 4), np.float64)
    vectors[2, 1] = value
    with np.errstate(all="ignore"):
        vectors = vectors.tolist() if dtype is list else vectors.astype(dtype)
    with pytest.raises(springg.InvalidArgument, match="row 2") as caught:
        write(kept, call, ids_for(call), vectors)
    assert caught.value.details["row"] == 2


@pytest.mark.parametrize("call", ["upsert", "update"])
def test_a_bad_row_that_a_later_one_of_its_id_replaces(index, call):
    index.add("a", [1, 0, 0, 0])
    with pytest.raises(springg.InvalidArgument, match="row 0"):
        write(index, call, ["a", "a"], [[np.nan, 0, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_queries_that_are_not_finite(kept, value):
    with pytest.raises(springg.InvalidArgument):
        kept.search([1, value, 0, 0])
    with pytest.raises(springg.InvalidArgument, match="row 1"):
        kept.search([[1, 0, 0, 0], [1, value, 0, 0]])


@pytest.mark.parametrize("call", WRITES)
def test_values_beyond_float16(db, call):
    index = db.create_index("half", 2, dtype="float16")
    index.add(["a", "b", "c"], [[1, 1]] * 3)
    with pytest.raises(springg.InvalidArgument, match="row 1"):
        write(index, call, ids_for(call), [[1, 1], [70_000, 1], [1, 1]])
    assert index.vectors.tolist() == [[1, 1]] * 3
    assert write(index, call, ids_for(call), [[65_504, 1]] * 3) == 3


@pytest.mark.parametrize("call", WRITES)
def test_ragged_lists(kept, call):
    with pytest.raises(springg.InvalidArgument, match=r"width 4.*width 3 in row 2"):
        write(kept, call, ids_for(call), [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3]])
    with pytest.raises(springg.InvalidArgument, match="row 1"):
        write(kept, call, ids_for(call), [[1, 2, 3, 4], 5, [1, 2, 3, 4]])


@pytest.mark.parametrize(
    "vectors",
    [
        np.full((3, 4), None),
        np.ones((3, 4)).astype(object),
        np.array([[1, 2], [3]], object),
        [[1, 2, 3, None]] * 3,
        [[1, 2, 3, {}]] * 3,
        np.full(3, None),
    ],
)
def test_object_arrays(kept, vectors):
    with pytest.raises(springg.InvalidArgument):
        kept.add(["x", "y", "z"], vectors)


@pytest.mark.parametrize(
    "vectors",
    [
        "abcd",
        b"abcd",
        None,
        {"a": 1},
        {1, 2, 3, 4},
        object(),
        [["a", "b", "c", "d"]] * 3,
        np.full((3, 4), "x"),
        np.ones((3, 4), complex),
        np.full((3, 4), np.datetime64("2020-01-01")),
    ],
)
def test_vectors_of_the_wrong_type(kept, vectors):
    with pytest.raises(TypeError):
        kept.add(["x", "y", "z"], vectors)
    with pytest.raises(TypeError):
        kept.search(vectors)


@pytest.mark.parametrize("shape", [(), (3, 2, 2), (1, 1, 1, 4)])
def test_wrong_number_of_dimensions(kept, shape):
    with pytest.raises(springg.InvalidArgument, match="dimensions"):
        kept.add(["x", "y", "z"], np.ones(shape, np.float32))
    with pytest.raises(springg.InvalidArgument, match="dimensions"):
        kept.search(np.ones(shape, np.float32))


@pytest.mark.parametrize("k", [0, -1, 10_001, 2**70])
def test_k_out_of_range(kept, k):
    for queries in (np.ones(4), np.ones((2, 4), np.float32)):
        with pytest.raises(springg.InvalidArgument, match=rf"k .*{k}"):
            kept.search(queries, k)


@pytest.mark.parametrize("k", ["10", 1.5, 2.0, None, True, np.float32(3), [1]])
def test_k_of_the_wrong_type(kept, k):
    with pytest.raises(TypeError, match="k must be"):
        kept.search(np.ones(4), k)


def test_k_of_numpy(kept):
    assert len(kept.search(np.ones(4), np.int32(2))) == 2


@pytest.mark.parametrize("ef", [0, -1, 4_097])
def test_ef_out_of_range(kept, ef):
    with pytest.raises(springg.InvalidArgument, match="ef"):
        kept.search(np.ones(4), 2, ef=ef)


@pytest.mark.parametrize(
    "arguments",
    [
        {"ef": "5"},
        {"ef": 1.5},
        {"min_score": "high"},
        {"threads": 1.5},
        {"threads": None},
        {"include": 3},
        {"colour": 1},
        {"exact": "no"},
        {"exact": 1},
        {"exact": None},
    ],
)
def test_search_arguments_of_the_wrong_type(kept, arguments):
    with pytest.raises(TypeError):
        kept.search(np.ones(4), 2, **arguments)


def test_search_arguments_out_of_range(kept):
    with pytest.raises(springg.InvalidArgument, match="threads"):
        kept.search(np.ones(4), 2, threads=-1)
    with pytest.raises(springg.InvalidArgument, match="min_score"):
        kept.search(np.ones(4), 2, min_score=float("nan"))


@pytest.mark.parametrize("dimensions", [0, -1, 65_537, 2**64])
def test_dimensions_out_of_range(db, dimensions):
    with pytest.raises(springg.InvalidArgument, match="dimensions"):
        db.create_index("a", dimensions)
    assert len(db) == 0


@pytest.mark.parametrize("dimensions", [1.5, 2.0, "3", None, True])
def test_dimensions_of_the_wrong_type(db, dimensions):
    with pytest.raises(TypeError, match="dimensions"):
        db.create_index("a", dimensions)
    assert len(db) == 0


def test_the_largest_dimensions(db):
    index = db.create_index("wide", 65_536, metric="l2")
    index.add("a", np.ones(65_536, np.float32))
    assert index.search(np.ones(65_536), 1).distances.tolist() == [0]


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".", ".hidden", "a\0b", "a" * 256, "a" * 300, "é", "a b", "\ud800"]
)
def test_index_names(db, name):
    with pytest.raises(springg.InvalidArgument):
        db.create_index(name, 2)
    db.create_index("fine", 2)
    with pytest.raises(springg.InvalidArgument):
        db.rename_index("fine", name)
    assert db.indexes() == ["fine"]


@pytest.mark.parametrize("name", ["a", "A-z_0.9", "a" * 255, "-", "_", "0"])
def test_index_names_that_are_allowed(db, name):
    db.create_index(name, 2)
    assert db[name].name == name


@pytest.mark.parametrize("name", [None, 5, b"a", ["a"]])
def test_index_names_of_the_wrong_type(db, name):
    with pytest.raises(TypeError):
        db.create_index(name, 2)
    with pytest.raises(TypeError):
        db[name]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"metric": "euclid"}, "manhattan, hamming; got 'euclid': did you mean 'l2'"),
        ({"metric": "inner_product"}, "did you mean 'dot'"),
        ({"metric": "Cosine"}, "did you mean 'cosine'"),
        ({"metric": "foo"}, "got 'foo'$"),
        ({"metric": "\ud800"}, "unknown metric"),
        ({"dtype": np.float64}, "float32, float16, int8, uint8, binary; got 'float64'"),
        ({"dtype": "float64"}, "float32.*float64"),
        ({"quantization": "pq"}, "none.*pq"),
        ({"m": 1}, "m "),
        ({"m": 65}, "m "),
        ({"ef_construction": 3}, "ef_construction"),
        ({"ef_construction": 5_000}, "ef_construction"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_settings_out_of_range(db, arguments, match):
    with pytest.raises(springg.InvalidArgument, match=match):
        db.create_index("a", 2, **arguments)
    assert len(db) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"metric": 1},
        {"dtype": 4},
        {"dtype": float},
        {"m": "16"},
        {"ef_construction": 1.5},
        {"seed": None},
        {"exist_ok": "no"},
        {"exist_ok": 1},
    ],
)
def test_settings_of_the_wrong_type(db, arguments):
    with pytest.raises(TypeError):
        db.create_index("a", 2, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"metric": "manhattan", "quantization": "int8"},
        {"metric": "manhattan", "quantization": "int4"},
        {"metric": "manhattan", "quantization": "rabitq"},
    ],
)
def test_no_codes_for_manhattan(db, arguments):
    with pytest.raises(springg.Unsupported, match="expected none or auto") as caught:
        db.create_index("a", 8, **arguments)
    assert isinstance(caught.value, NotImplementedError)
    assert len(db) == 0


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("kind", [set, frozenset])
def test_a_set_of_ids_has_no_order(kept, call, kind):
    with pytest.raises(TypeError, match="set: it has no order"):
        write(kept, call, kind(ids_for(call)), np.eye(4)[:3])
    with pytest.raises(TypeError, match="no order"):
        kept.update(kind(["a"]), metadata=[{}])
    assert kept.delete(kind(["unknown"])) == 0
    assert kept.search(np.ones(4), filter=kind(["b"])).ids == ["b"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masked_arrays(kept, dtype):
    masked = np.ma.masked_array(np.ones((3, 4), dtype), np.eye(4)[:3])
    with pytest.raises(springg.InvalidArgument, match=r"\.filled\("):
        kept.add(["x", "y", "z"], masked)
    for queries in (masked, masked[0]):
        with pytest.raises(springg.InvalidArgument, match=r"\.filled\("):
            kept.search(queries)
    with pytest.raises(springg.InvalidArgument, match=r"\.filled\("):
        kept.get(np.ma.masked_array([1, 2], [True, False]))
    with pytest.raises(springg.InvalidArgument, match=r"\.filled\("):
        kept.search(np.ones(4), filter=np.ma.masked_array([True] * 3, [True, False, False]))
    whole = np.ma.masked_array(np.ones(4, dtype))
    assert kept.search(whole, 1).ids == kept.search(np.ones(4), 1).ids


@pytest.mark.parametrize("kind", [np.asarray, list])
def test_numbers_beyond_float32_are_named(kept, kind):
    vectors = np.ones((3, 4))
    vectors[2, 1] = 1e39
    tail = "does not fit float32: element 1 is 1e+39, the largest is 3.4028235e+38"
    for call in WRITES:
        with pytest.raises(springg.InvalidArgument) as caught:
            write(kept, call, ids_for(call), kind(vectors))
        assert str(caught.value) == f"vector at row 2 {tail}"
        assert caught.value.details == {"row": 2, "element": 1}
    with pytest.raises(springg.InvalidArgument) as caught:
        kept.search(kind(vectors))
    assert str(caught.value) == f"query at row 2 {tail}"
    with pytest.raises(springg.InvalidArgument) as caught:
        kept.search(kind(vectors[2]))
    assert str(caught.value) == f"query at row 0 {tail}"
    vectors[1, 0] = np.nan
    with pytest.raises(springg.InvalidArgument, match="row 1 is not finite"):
        kept.search(kind(vectors))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [0, 3, 5])
def test_no_rows_of_the_wrong_width(kept, dtype, width):
    none = np.zeros((0, width), dtype)
    for call in (kept.search, lambda rows: kept.add([], rows), lambda rows: kept.upsert([], rows)):
        with pytest.raises(springg.DimensionMismatch, match=f"expected 4, got {width}"):
            call(none)
    assert len(kept.search(np.zeros((0, 4), dtype))) == 0
    assert kept.add([], np.zeros((0, 4), dtype)) == kept.add([], np.zeros(0, dtype)) == 0


@pytest.mark.parametrize("bad", [None, "a"])
def test_the_first_element_that_is_no_number(kept, bad):
    rows = [[1, 2, 3, 4], [1, 2, bad, 4], [bad, 2, 3, 4]]
    for vectors in (rows, np.array(rows, object)):
        with pytest.raises((springg.InvalidArgument, TypeError)) as caught:
            kept.add(["x", "y", "z"], vectors)
        assert str(caught.value).endswith(f"row 1, element 2 is {bad!r}")
    with pytest.raises((springg.InvalidArgument, TypeError), match="element 2 is"):
        kept.search(rows[1])


@pytest.mark.parametrize(
    "mask",
    [[True] * 3, (np.True_, np.False_, np.True_), np.array([True, None, False], object),
     pd.array([True, None, False], "boolean"), pd.Series([True, False, True], dtype="boolean")],
)  # fmt: skip
def test_masks_that_are_no_numpy_mask(kept, mask):
    if isinstance(mask, pd.Series) and np.asarray(mask).dtype == bool:
        assert kept.search(np.ones(4), filter=mask).ids == ["a", "c"]
        return
    with pytest.raises(TypeError, match=r"filter: a mask .*np\.array\(mask, bool\)"):
        kept.search(np.ones(4), filter=mask)


@pytest.mark.parametrize("wrong", [{"year": 2020}, lambda row: True, "a", 5, [1.5], np.ones(3)])
def test_filters_of_the_wrong_type(kept, wrong):
    with pytest.raises(TypeError, match="filter must be a numpy bool mask"):
        kept.search(np.ones(4), filter=wrong)


def test_a_slice_of_an_index(kept):
    with pytest.raises(TypeError, match=r"takes one id, got slice; use get\(\), ids or scan\(\)"):
        kept[:2]
    with pytest.raises(TypeError, match="takes one id, got list"):
        kept[["a"]]


def test_booleans_of_numpy(db):
    index = db.create_index("a", 4, exist_ok=np.False_)
    assert db.create_index("a", 4, exist_ok=np.True_).name == "a"
    index.add("x", np.ones(4))
    assert index.search(np.ones(4), exact=np.True_).ids == ["x"]


@pytest.mark.parametrize("dtype", [np.float16, np.dtype("float16"), "float16"])
def test_dtypes_of_numpy(db, dtype):
    assert db.create_index("a", 4, dtype=dtype).dtype == "float16"


def test_a_memory_limit_of_nothing():
    for limit in (0, np.int64(0), "0", "0.1b"):
        with pytest.raises(springg.InvalidArgument, match="memory_limit must be over 0 bytes"):
            springg.open(":memory:", memory_limit=limit)


def test_a_closed_database_is_not_entered():
    db = springg.open(":memory:")
    db.close()
    with pytest.raises(springg.FailedPrecondition, match="closed"), db:
        pass


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda index, path: index.export_file(path, format=5), "format must be a str"),
        (lambda index, path: index.export_file(str(path).encode()), "path must be a str"),
        (lambda index, path: index.import_file(b"o.npy"), "path must be a str"),
        (lambda index, path: index.import_file(path, ids=5), "ids must be the name of a field"),
        (lambda index, path: index.import_file(path, vectors=["a"]), "vectors must be the name"),
        (lambda index, path: index.import_file(path, metadata=5), "metadata must be the name"),
        (lambda index, path: index.import_file(path, metadata=[5]), "metadata must be the name"),
    ],
)
def test_arguments_of_files_of_the_wrong_type(kept, tmp_path, call, match):
    kept.export_file(tmp_path / "a.npy")
    with pytest.raises(TypeError, match=match):
        call(kept, tmp_path / "a.npy")
