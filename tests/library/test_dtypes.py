# SPDX-License-Identifier: MIT
"""Indexes that keep vectors as int8, uint8 or bits: exact answers, and the dtype comes back."""

from __future__ import annotations

import numpy as np
import pytest
from dtype_rows import ALL, DIMENSIONS, INTEGERS, METRICS, numpy_dtype, rows_of

import springg
from springg.evaluation import exact_neighbors, recall_at_k

SCORE = {
    "cosine": lambda d, _: 1 - d,
    "dot": lambda d, _: -d,
    "l2": lambda d, _: 1 / (1 + d),
    "manhattan": lambda d, _: 1 / (1 + d),
    "hamming": lambda d, bits: 1 - d / bits,
}


@pytest.mark.parametrize("optimized", [False, True])
@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_exact_search_equals_numpy(db, rng, dtype, metric, optimized):
    vectors, queries = rows_of(rng, 500, dtype), rows_of(rng, 20, dtype)
    index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
    assert index.add(np.arange(500), vectors) == 500
    if optimized:
        index.optimize()
    assert (index.dtype, index.metric, index.dimensions) == (dtype, metric, DIMENSIONS)
    found = index.search(queries, 10, exact=True)
    rows, distances = exact_neighbors(vectors, queries, 10, metric)
    if metric in ("dot", "manhattan", "hamming"):
        assert found.distances.tolist() == distances.tolist()  # whole numbers below 2^24
        assert found.keys.tolist() == rows.tolist()  # equal distances in order of insertion
    elif metric == "l2":
        assert found.distances.tolist() == np.sqrt(np.rint(distances**2).astype("f4")).tolist()
        assert found.keys.tolist() == rows.tolist()
    else:
        assert np.allclose(found.distances, distances, rtol=0, atol=5e-7)
        assert (found.keys == rows).mean() > 0.99
    assert np.allclose(found.scores, SCORE[metric](distances, DIMENSIONS), rtol=1e-6, atol=5e-7)
    for i, query in enumerate(queries):  # one at a time: the same bits
        hits = index.search(query, 10, exact=True)
        assert hits.ids == found.ids[i]
        assert np.array_equal(hits.distances, found.distances[i])
    assert recall_at_k(index.search(queries, 10, ef=400).keys, found.keys) > 0.95


@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_graphs_find_the_nearest(db, rng, dtype, metric):
    vectors = rows_of(rng, 4_000, dtype, centers=40)
    index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
    for part in np.array_split(np.arange(4_000), 8):
        index.add(part, vectors[part])
    queries = vectors[::40]
    assert index.recall(queries, ef=64) > 0.97  # memtable: graph and unindexed rows
    index.optimize()
    assert index.recall(queries, ef=64) > 0.97
    found = index.search(queries[0], 10)
    assert found.distances_computed < 4_000
    assert found.distances.tolist() == sorted(found.distances.tolist())
    index.delete(np.arange(0, 4_000, 2))
    assert index.recall(queries, ef=64) > 0.97
    assert all(id_ % 2 for ids in index.search(queries, 5).ids for id_ in ids)


@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_vectors_come_back_as_they_were_sent(db, rng, dtype, metric):
    vectors = rows_of(rng, 50, dtype)
    kind = numpy_dtype(dtype)
    index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
    index.add(np.arange(50), vectors, [{"n": i} for i in range(50)])
    for _ in range(2):
        assert index.vectors.dtype == kind
        assert not index.vectors.flags.writeable
        assert np.array_equal(index.vectors, vectors)
        assert np.array_equal(index.get_vectors([7, 3]), vectors[[7, 3]])
        assert index.get_vectors([7]).dtype == kind
        record = index[4]
        assert record.vector.dtype == kind
        assert np.array_equal(record.vector, vectors[4])
        assert f"x {kind})" in repr(record) or f"x {np.dtype(kind)})" in repr(record)
        hits = index.search(vectors[9], 3, include=("vector", "metadata"))
        assert hits.ids[0] == 9 or metric == "dot"
        assert np.array_equal(hits.vectors, vectors[hits.ids])
        assert hits[1:].vectors.dtype == kind
        assert np.array_equal(hits[::-1].vectors, vectors[hits.ids[::-1]])
        batch = index.search(vectors[:3], 4, include=("vector",))
        assert np.array_equal(batch[2].vectors, vectors[batch.ids[2]])
        scanned = [record for part in index.scan(7) for record in part]
        assert np.array_equal(np.stack([r.vector for r in scanned]), vectors)
        index.optimize()
    assert index.get_vectors([]).shape == (0, vectors.shape[1])
    assert index.get_vectors([]).dtype == kind
    assert index.stats()["bytes"]["vectors"] == vectors.nbytes
    index.upsert([1], vectors[:1])
    index.update([2], vectors=vectors[5])
    assert np.array_equal(index.get_vectors([1, 2]), vectors[[0, 5]])


def test_an_empty_index(db):
    for dtype in [*INTEGERS, "binary"]:
        index = db.create_index(dtype, 20, dtype=dtype)
        width = 3 if dtype == "binary" else 20
        assert index.vectors.shape == (0, width)
        assert index.vectors.dtype == numpy_dtype(dtype)
        assert index.add([], []) == 0
        assert index.add([], np.empty((0, width), numpy_dtype(dtype))) == 0
        assert index.search(np.zeros(width, numpy_dtype(dtype))).ids == []
        assert len(index.search(np.empty((0, width), numpy_dtype(dtype)))) == 0
        with pytest.raises(springg.DimensionMismatch, match="expected 20, got"):
            index.search(np.empty((0, width + 1), numpy_dtype(dtype)))
        with pytest.raises(springg.DimensionMismatch, match="expected 20, got 0"):
            index.search([])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("kind", [list, "i2", "i8", ">i4", "f2", "f4", "f8", "strided", "fortran"])
def test_whole_numbers_of_other_types(db, rng, dtype, kind):
    vectors = rows_of(rng, 30, dtype)
    index = db.create_index("a", DIMENSIONS, metric="l2", dtype=dtype)
    if kind is list:
        sent = vectors.tolist()
    elif kind == "strided":
        sent = np.repeat(vectors, 2, axis=1)[:, ::2]
    elif kind == "fortran":
        sent = np.asfortranarray(vectors)
    else:
        sent = vectors.astype(kind)
    index.add(np.arange(30), sent)
    assert np.array_equal(index.vectors, vectors)
    expected = index.search(vectors[3:6], 5)
    found = index.search(sent[3:6], 5)
    assert found.ids == expected.ids
    assert np.array_equal(found.distances, expected.distances)
    assert index.search(sent[3], 5).ids == expected.ids[0]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("metric", METRICS)
def test_queries_between_whole_numbers(db, rng, dtype, metric):
    vectors = rows_of(rng, 400, dtype)
    index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
    index.add(np.arange(400), vectors)
    queries = rng.standard_normal((12, DIMENSIONS)).astype(np.float32) * 90
    queries[3] = vectors[3]  # of the dtype, beside others
    queries[4] = 1_000  # whole, beyond the dtype
    for _ in range(2):
        rows, distances = exact_neighbors(vectors, queries, 10, metric)
        found = index.search(queries, 10, exact=True)
        # Of dot the terms are large beside their sum.
        absolute = 0.2 if metric == "dot" else 1e-5
        assert np.allclose(found.distances, distances, rtol=2e-6, atol=absolute)
        assert (found.keys == rows).mean() > 0.98
        for i, query in enumerate(queries):
            assert np.array_equal(index.search(query, 10, exact=True).distances, found.distances[i])
        assert recall_at_k(index.search(queries, 10, ef=400).keys, found.keys) > 0.95
        index.optimize()


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("uint8", 300, "does not fit uint8: element 2 is 300, expected a whole number of 0..255"),
        ("uint8", -1, "does not fit uint8: element 2 is -1, expected a whole number of 0..255"),
        ("int8", 128, "does not fit int8: element 2 is 128, expected a whole number of -128..127"),
        ("int8", 1.5, "does not fit int8: element 2 is 1.5, expected a whole number of -128..127"),
        ("int8", 1e39, r"does not fit int8: element 2 is 1e\+39, expected"),
        ("uint8", np.nan, "is not finite: element 2 is nan"),
        ("int8", -np.inf, "is not finite: element 2 is -inf"),
        ("binary", 256, "does not fit binary: element 2 is 256, expected eight bits, 0..255"),
        ("binary", 0.5, "does not fit binary: element 2 is 0.5, expected eight bits, 0..255"),
    ],
)
@pytest.mark.parametrize("kind", ["f8", "f4", "i8"])
@pytest.mark.parametrize("call", ["add", "upsert", "update"])
def test_values_that_do_not_fit(db, call, kind, dtype, value, message):
    if kind == "i8" and (
        value != value or abs(value) == np.inf or value != int(value) or value > 1e9
    ):
        pytest.skip("no integer")
    if kind == "f4" and value == 1e39:
        pytest.skip("no float32")
    width = 4
    index = db.create_index("a", 32 if dtype == "binary" else 4, dtype=dtype)
    index.add([0, 1, 2], np.zeros((3, width)))
    rows = np.zeros((3, width), kind)
    rows[1, 2] = value
    ids = [5, 6, 7] if call == "add" else [0, 1, 2]
    calls = {"add": index.add, "upsert": index.upsert, "update": index.update}
    with pytest.raises(springg.InvalidArgument, match=f"^vector at row 1 {message}") as caught:
        calls[call](ids, vectors=rows)
    assert caught.value.details["row"] == 1
    assert caught.value.details["element"] == 2
    assert index.ids == [0, 1, 2]
    assert not index.vectors.any()


def test_a_row_left_out_by_an_equal_id_must_fit_too(db):
    index = db.create_index("a", 2, dtype="int8")
    with pytest.raises(springg.InvalidArgument, match="row 0 does not fit int8"):
        index.upsert([1, 1], np.float32([[0, 300], [1, 2]]))
    assert len(index) == 0


def test_bulk_rows_are_checked_too(db, rng):
    index = db.create_index("a", 4, dtype="uint8", metric="l2")
    rows = rng.integers(0, 256, (70_000, 4)).astype(np.float32)
    rows[66_000, 1] = 0.5
    with pytest.raises(springg.InvalidArgument, match="row 66000 does not fit uint8: element 1"):
        index.add(np.arange(70_000), rows)
    assert len(index) == 0
    rows[66_000, 1] = 1
    assert index.add(np.arange(70_000), rows) == 70_000
    assert np.array_equal(index.vectors, rows.astype(np.uint8))


@pytest.mark.parametrize("dimensions", [1, 7, 9, 100])
def test_padding_bits(db, rng, dimensions):
    index = db.create_index("a", dimensions, dtype="binary")
    assert index.metric == "hamming"
    bits = rng.integers(0, 2, (20, dimensions)).astype(bool)
    packed = np.packbits(bits, axis=1)
    index.add(np.arange(10), packed[:10])
    index.add(np.arange(10, 20), bits[10:])  # bools are packed
    assert np.array_equal(index.vectors, packed)
    distances = (bits[:1] ^ bits).sum(axis=1)
    for query in (packed[0], bits[0]):
        found = index.search(query, 20, exact=True)
        assert found.distances.tolist() == sorted(distances.tolist())
        assert found.scores.tolist() == np.float32(1 - found.distances / dimensions).tolist()
    wrong = packed.copy()
    wrong[3, -1] |= 1
    last = packed.shape[1] - 1
    message = (
        f"row 3 has bits beyond its {dimensions} dimensions: byte {last} is {wrong[3, -1]}, "
        f"expected zeros in its lowest {-dimensions % 8} bits"
    )
    with pytest.raises(springg.InvalidArgument, match=f"^vector at {message}"):
        index.upsert(np.arange(20), wrong)
    with pytest.raises(springg.InvalidArgument, match=f"^query at {message}"):
        index.search(wrong)
    assert np.array_equal(index.vectors, packed)


def test_widths_of_bits_are_told_in_dimensions(db):
    index = db.create_index("a", 100, dtype="binary")
    with pytest.raises(springg.DimensionMismatch, match="expected 100, got 96"):
        index.add([1], np.zeros((1, 12), np.uint8))
    with pytest.raises(springg.DimensionMismatch, match="expected 100, got 112"):
        index.search(np.zeros(14, np.uint8))
    with pytest.raises(springg.DimensionMismatch, match="expected 100, got 104"):
        index.add([1], np.zeros((1, 104), bool))
    with pytest.raises(springg.InvalidArgument, match=r"expected shape \(n, 13\), got"):
        index.add([1], np.zeros((1, 1, 13), np.uint8))


@pytest.mark.parametrize(
    "arguments",
    [
        {"metric": "hamming"},
        {"metric": "hamming", "dtype": "uint8"},
        {"metric": "cosine", "dtype": "binary"},
        {"metric": "l2", "dtype": "binary"},
        {"dtype": "int8", "quantization": "int8"},
        {"dtype": "uint8", "quantization": "int4"},
        {"dtype": "binary", "quantization": "int8"},
    ],
)
def test_settings_that_do_not_go_together(db, arguments):
    with pytest.raises(springg.Unsupported, match="not supported for dtype"):
        db.create_index("a", 8, **arguments)
    assert db.indexes() == []


@pytest.mark.parametrize("quantization", ["auto", "none"])
@pytest.mark.parametrize("dtype", [*INTEGERS, "binary"])
def test_there_are_no_codes(db, rng, dtype, quantization):
    """Of a width at which float32 would be walked and built on codes, and calibrated."""
    rows = rows_of(rng, 2_000, dtype, 256, centers=20)
    index = db.create_index("a", 256, dtype=dtype, quantization=quantization)
    index.add(np.arange(2_000), rows)
    index.optimize()
    assert index.stats()["bytes"]["codes"] == 0
    assert index.quantization == quantization
    assert index.recall(rows[::20]) > 0.95
    assert index.search(rows[7], 10).distances_computed < 1_500


@pytest.mark.parametrize("dtype", [np.int8, np.dtype("uint8"), "int8"])
def test_numpy_types_name_a_dtype(db, dtype):
    assert db.create_index("a", 4, dtype=dtype).dtype == np.dtype(dtype).name
    with pytest.raises(springg.InvalidArgument, match="did you mean 'binary'"):
        db.create_index("b", 4, dtype=np.bool_)


def test_extreme_values(db):
    wide = 65_536
    index = db.create_index("a", wide, metric="l2", dtype="uint8")
    index.add([0, 1], np.stack([np.zeros(wide, "u1"), np.full(wide, 255, "u1")]))
    found = index.search(np.zeros(wide, "u1"), 2)
    assert found.distances.tolist() == [0, 255 * 256]
    dot = db.create_index("b", wide, metric="dot", dtype="uint8")
    dot.add([0], np.full((1, wide), 255, "u1"))
    assert dot.search(np.full(wide, 255), 1).scores.tolist() == [float(wide * 255**2)]
    signed = db.create_index("c", wide, metric="dot", dtype="int8")
    signed.add([0], np.full((1, wide), -128, "i1"))
    assert signed.search(np.full(wide, -128), 1).scores.tolist() == [float(wide * 128**2)]
    assert signed.search(np.full(wide, 127), 1).scores.tolist() == [-float(wide * 128 * 127)]
    cosine = db.create_index("d", 3, dtype="int8")
    cosine.add([0, 1, 2], np.int8([[0, 0, 0], [-128, -128, -128], [127, 127, 127]]))
    hits = cosine.search(np.int8([127, 127, 127]), 3)
    assert hits.ids == [2, 0, 1]
    assert np.allclose(hits.distances, [0, 1, 2], atol=1e-6)
    assert np.allclose(cosine.search(np.zeros(3, "i1"), 3).distances, 1)


@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_filters_minimum_scores_and_threads(db, rng, dtype, metric):
    vectors = rows_of(rng, 600, dtype)
    index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
    index.add(np.arange(600), vectors)
    mask = np.arange(600) % 3 == 0
    rows, _ = exact_neighbors(vectors[mask], vectors[:5], 4, metric)
    found = index.search(vectors[:5], 4, filter=mask)
    assert recall_at_k(found.keys, rows * 3) > 0.9
    by_ids = index.search(vectors[:5], 4, filter=np.flatnonzero(mask))
    assert by_ids.ids == found.ids
    whole = index.search(vectors[0], 600, exact=True)
    bound = float(whole.scores[300])
    few = index.search(vectors[0], 600, exact=True, min_score=bound)
    assert len(few) == int((whole.scores >= bound).sum())
    one = index.search(vectors, 10, exact=True, threads=1)
    assert index.search(vectors, 10, exact=True, threads=2).ids == one.ids


@pytest.mark.parametrize(("dtype", "metric"), ALL)
def test_views_and_filters_that_walk(db, rng, dtype, metric):
    rows = rows_of(rng, 4_000, dtype, centers=40)
    index = db.create_index("a", DIMENSIONS, metric=metric, dtype=dtype)
    index.add(np.arange(4_000), rows)
    index.optimize()
    view = index.view()
    mask = np.arange(4_000) % 3 != 0
    index.delete(np.arange(100))
    assert view.vectors.dtype == numpy_dtype(dtype)
    assert np.array_equal(view.vectors, rows)
    queries = rows[::80]
    near = view.search(queries, 10, filter=mask)
    exact = view.search(queries, 10, filter=mask, exact=True)
    assert (near.distances <= exact.distances[:, 9:]).mean() > 0.95
    assert all(mask[ids].all() for ids in near.ids)


def test_memory_is_that_of_bytes(db, rng):
    usage = {}
    for dtype in ("float32", "int8", "binary"):
        index = db.create_index(dtype, 256, dtype=dtype)
        rows = rows_of(rng, 1_000, "int8" if dtype == "float32" else dtype, 256)
        index.add(np.arange(1_000), rows)
        index.optimize()
        usage[dtype] = index.stats()["bytes"]["vectors"]
    assert usage == {"float32": 1_024_000, "int8": 256_000, "binary": 32_000}


def test_many_equal_bits(db):
    index = db.create_index("a", 8, dtype="binary")  # 256 vectors there are
    rows = np.arange(3_000, dtype=np.uint32).astype(np.uint8)[:, None]
    index.add(np.arange(3_000), rows)
    index.optimize()
    found = index.search(rows[:256], 10, ef=64)
    assert (found.distances == 0).all()
    assert all(len(set(ids)) == 10 for ids in found.ids)
