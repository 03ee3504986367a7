# SPDX-License-Identifier: MIT
"""Indexes whose graphs are walked on codes: the same answers, from fewer bytes."""

import numpy as np
import pytest

import springg

ROWS, DIMENSIONS = 3000, 160


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((40, DIMENSIONS)) * 2 + 3
    noise = rng.standard_normal((ROWS, DIMENSIONS))
    return (centers[rng.integers(0, 40, ROWS)] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def queries(rows):
    rng = np.random.default_rng(2)
    return rows[:100] + rng.standard_normal((100, DIMENSIONS)).astype(np.float32)


BITS = {"int8": 8, "int4": 4, "rabitq": 1}


@pytest.fixture(params=BITS)
def kind(request):
    return request.param


def filled(db, rows, kind, **options):
    index = db.create_index("a", rows.shape[1], quantization=kind, **options)
    index.add(range(len(rows)), rows)
    index.optimize()
    return index


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_recall_and_distances(rows, queries, kind, metric, dtype):
    with springg.open(":memory:") as db:
        index = filled(db, rows, kind, metric=metric, dtype=dtype)
        assert index.quantization == kind
        assert index.stats()["bytes"]["codes"] >= ROWS * DIMENSIONS * BITS[kind] // 8
        assert db.memory_usage()["codes"] == index.stats()["bytes"]["codes"]
        assert index.recall(queries, ef=64) > 0.97
        found = index.search(queries[0], 10)
        exact = index.search(queries[0], ROWS, exact=True)
        by_id = dict(zip(exact.ids, exact.distances, strict=True))
        # Exact, and in order: codes only choose which rows are looked at.
        assert [by_id[name] for name in found.ids] == found.distances.tolist()
        assert found.distances.tolist() == sorted(found.distances.tolist())
        # Fewer rows are looked at than there are; those that are ranked again count, too.
        assert found.distances_computed < ROWS


def test_deleted_rows_are_not_found_and_k_are(rows, queries, kind):
    with springg.open(":memory:") as db:
        index = filled(db, rows, kind)
        index.delete(range(0, ROWS, 2))
        found = index.search(queries, 20)
        assert found.counts.tolist() == [20] * len(queries)
        assert all(name % 2 for ids in found.ids for name in ids)
        assert index.recall(queries, ef=64) > 0.97


def test_large_k(rows, queries, kind):
    with springg.open(":memory:") as db:
        index = filled(db, rows, kind)
        assert index.search(queries[0], 500).distances.shape == (500,)
        assert index.recall(queries[:10], 500, ef=1000) > 0.97


def test_a_file_gives_equal_answers_and_damaged_codes_are_made_again(rows, queries, kind, tmp_path):
    path = tmp_path / "data"
    with springg.open(path) as db:
        before = filled(db, rows, kind).search(queries, 10, ef=32)
    with springg.open(path) as db:
        assert db["a"].stats()["bytes"]["codes"] > 0
        again = db["a"].search(queries, 10, ef=32)
        assert again.ids == before.ids
        assert np.array_equal(again.distances, before.distances)
    segment = next(path.glob("*.segment"))
    content = bytearray(segment.read_bytes())
    content[-9200] ^= 1  # behind the codes are the calibration and the trailer, a page each
    segment.write_bytes(content)
    report = springg.check(path)
    assert ["codes are damaged" in problem.what for problem in report.problems] == [True]
    assert report.problems[0].rows_lost == 0
    with springg.open(path) as db:
        again = db["a"].search(queries, 10, ef=32)
        assert again.ids == before.ids
        assert db["a"].stats()["bytes"]["codes"] > 0
    assert springg.check(path, repair=True).repaired
    assert springg.check(path).ok
    with springg.open(path) as db:
        assert db["a"].recall(queries, ef=64) > 0.97


def test_a_damaged_calibration_costs_no_answer_and_is_made_again(rows, queries, kind, tmp_path):
    path = tmp_path / "data"
    with springg.open(path) as db:
        filled(db, rows, kind)
    segment = next(path.glob("*.segment"))
    content = bytearray(segment.read_bytes())
    content[-5000] ^= 1
    segment.write_bytes(content)
    report = springg.check(path)
    assert ["calibration is damaged" in problem.what for problem in report.problems] == [True]
    with springg.open(path) as db:
        assert db["a"].recall(queries) > 0.97
    assert springg.check(path, repair=True).repaired
    assert springg.check(path).ok


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_rows_that_codes_cannot_bear(metric, queries, kind):
    rows = np.random.default_rng(3).standard_normal((1000, 40)).astype(np.float32)
    rows[5] = 1e18
    rows[6] = 1e-30
    rows[7] = 0
    with springg.open(":memory:") as db:
        index = filled(db, rows, kind, metric=metric)
        assert index.search(rows[8], 1).ids == ([8] if metric != "dot" else [5])
        assert index.recall(queries[:, :40], ef=200) > 0.9
    equal = np.ones((1000, 40), np.float32)
    with springg.open(":memory:") as db:
        index = filled(db, equal, kind, metric=metric)
        hits = index.search(equal[0], 10)
        assert len(set(hits.ids)) == 10
        assert np.all(hits.distances == hits.distances[0])


def test_queries_that_codes_cannot_bear(rows, kind):
    with springg.open(":memory:") as db:
        index = filled(db, rows, kind, metric="l2")
        huge = np.full(DIMENSIONS, 1e17, np.float32)
        exact = index.search(huge, 5, exact=True)
        assert index.search(huge, 5, ef=200).distances.tolist() == exact.distances.tolist()


@pytest.mark.parametrize(
    ("dimensions", "metric", "bits"),
    [(48, "cosine", 8), (128, "cosine", 4), (128, "dot", 4), (128, "l2", 4), (128, "manhattan", 0)],
)
def test_auto_chooses_by_width_and_metric(dimensions, metric, bits):
    rows = np.random.default_rng(4).standard_normal((2000, dimensions)).astype(np.float32)
    with springg.open(":memory:") as db:
        index = db.create_index("a", dimensions, metric=metric)
        assert index.quantization == "auto"
        index.add(range(len(rows)), rows)
        index.optimize()
        a_row = index.stats()["bytes"]["codes"] / len(rows)
        expected = dimensions * bits / 8
        assert expected <= a_row < (expected + 80 if bits else 1)


@pytest.mark.parametrize(
    ("dimensions", "kept", "a_row"),
    [
        (64, "int8", 64),
        (65, "int4", 64),
        (128, "int4", 64),
        (129, "rabitq", 64),
        (513, "rabitq", 128),
    ],
)
def test_rabitq_keeps_bits_where_they_are_fewer(dimensions, kept, a_row):
    rows = np.random.default_rng(4).standard_normal((2000, dimensions)).astype(np.float32)
    with springg.open(":memory:") as db:
        index = filled(db, rows, "rabitq")
        (part,) = index.stats()["search"]["parts"]
        assert part["codes"] == kept
        assert (kept in part["why"]) if kept != "rabitq" else part["why"] is None
        assert a_row <= index.stats()["bytes"]["codes"] / len(rows) < a_row + 10


@pytest.mark.parametrize("scale", [1, 0.01, -1])
@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_queries_unlike_the_rows_in_length_and_direction(metric, scale, kind):
    rng = np.random.default_rng(6)
    rows = (rng.standard_normal((3000, 256)) + 0.2).astype(np.float32)
    queries = rng.standard_normal((100, 256)).astype(np.float32) * np.float32(scale)
    with springg.open(":memory:") as db:
        assert filled(db, rows, kind, metric=metric).recall(queries) > 0.9


@pytest.mark.parametrize("quantization", ["auto", "rabitq"])
@pytest.mark.parametrize("dimensions", [16, 128, 1024])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_default_settings_find_95_of_100(dimensions, metric, quantization):
    """Of plain Gaussian rows too, which have no structure to use."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((5000, dimensions)).astype(np.float32)
    queries = rng.standard_normal((100, dimensions)).astype(np.float32)
    with springg.open(":memory:") as db:
        index = db.create_index("a", dimensions, metric=metric, quantization=quantization)
        index.add(range(len(rows)), rows)
        index.optimize()
        assert index.recall(queries) >= 0.95
        assert index.recall(queries[:20], 100) >= 0.95
        assert index.recall(queries, 1) >= 0.95
