# SPDX-License-Identifier: MIT
"""`Index.tune`, what `ef=None` does after it, `rerank`, and what `stats` explains."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading

import numpy as np
import pytest

import springg
from springg._progress import reporting

ROWS, DIMENSIONS = 6000, 64


def clustered(count, seed, dimensions=DIMENSIONS):
    centers = np.random.default_rng(0).standard_normal((50, dimensions)) * 1.5
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, dimensions))
    return (centers[rng.integers(0, 50, count)] + noise).astype(np.float32)


@pytest.fixture(scope="module")
def rows():
    return clustered(ROWS, 1)


@pytest.fixture(scope="module")
def queries():
    return clustered(200, 2)


def built(db, rows, **options):
    index = db.create_index("a", rows.shape[1], **options)
    index.add(range(len(rows)), rows)
    index.optimize()
    return index


def work(index, queries, **options):
    return index.search(queries, 10, include=(), **options).distances_computed


def test_queries_choose_what_a_search_without_ef_does(db, rows, queries):
    index = built(db, rows)
    default = work(index, queries)
    for recall in (0.6, 0.95):
        report = index.tune(queries, recall)
        assert isinstance(report, springg.TuneReport)
        assert (report.recall, report.k, report.queries) == (recall, 10, 200)
        assert report.met
        assert report.reached == index.recall(queries) >= recall
        assert work(index, queries) == work(index, queries, ef=report.ef)
        assert index.stats()["search"]["tuned"] == dataclasses.asdict(report)
        assert index.stats()["search"]["ef"] == report.ef
        assert index.search(queries[0]).ids == index.search(queries[0], ef=report.ef).ids
    # One less by the step of the search is not enough: it is the least.
    assert index.recall(queries, ef=max(10, report.ef * 15 // 16 - 1)) < 0.95 or report.ef == 10
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.ef = 5
    back = index.tune(recall=None)
    assert back.recall == 0.95
    assert work(index, queries) == default
    assert index.stats()["search"]["tuned"] is None


def test_one_query_lists_and_other_kinds_of_numbers(db, rows, queries):
    index = built(db, rows)
    assert index.tune(queries[0], 0.9).queries == 1
    assert index.tune(queries[:3].tolist(), 0.9).queries == 3
    assert index.tune(queries.astype(np.float64), np.float64(0.9), k=np.int64(3)).k == 3


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "binary"])
def test_every_dtype(db, dtype):
    rows = clustered(3000, 1)
    if dtype == "binary":
        rows = np.packbits(rows > 0, axis=1)
    elif dtype != "float16":
        rows = np.clip(np.rint(20 * rows) + (128 if dtype == "uint8" else 0), -128, 255)
        rows = np.clip(rows, -128, 127) if dtype == "int8" else np.clip(rows, 0, 255)
    index = db.create_index("a", DIMENSIONS, dtype=dtype)
    index.add(range(len(rows)), rows)
    assert index.tune(recall=0.9).queries == 0  # of a memtable: nothing was measured
    index.optimize()
    report = index.tune(rows[:50], 0.9)
    assert report.reached == index.recall(rows[:50]) >= 0.9
    assert index.tune(recall=0.9).queries == 0


def test_without_queries_each_segment_says_what_it_needs(db, rows, queries):
    index = built(db, rows)
    report = index.tune()
    assert report.recall == 0.95
    assert report.queries == 0
    assert report.met
    (part,) = index.stats()["search"]["parts"]
    assert part["reached"] == report.reached >= 0.95
    assert part["ef"] == report.ef
    assert index.recall(queries) >= 0.9
    # Segments that come later bring their own.
    index.add(range(ROWS, ROWS + 2000), clustered(2000, 4))
    db.flush()
    assert [p["reached"] >= 0.95 for p in index.stats()["search"]["parts"]] == [True, True]
    assert index.tune(recall=0.95).queries == 0


@pytest.mark.parametrize(("count", "dimensions"), [(1500, 32), (4000, 64)])
def test_what_comes_later_has_the_recall_too(db, count, dimensions):
    """Rows without structure: a row finds itself at once, a query takes a walk ten times wider."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((count + 16_000, dimensions), dtype=np.float32)
    queries = rng.standard_normal((200, dimensions), dtype=np.float32)
    index = db.create_index("a", dimensions)
    index.add(range(count), rows[:count])
    index.tune()
    assert index.recall(queries) >= 0.95
    index.add(range(count, len(rows)), rows[count:])
    index.optimize()
    assert index.recall(queries) >= 0.95
    assert index.tune().ef == index.stats()["search"]["ef"]


def test_a_report_is_read_at_a_glance(db, rows, queries):
    index = built(db, rows)
    report = index.tune(queries, 0.9)
    assert f"recall {report.reached:.4f} of 0.9 asked" in repr(report)
    assert f"ef {report.ef}, k 10, 200 queries" in repr(report)
    assert "NOT MET" in repr(dataclasses.replace(report, reached=0.5))
    assert "not measured" in repr(dataclasses.replace(report, reached=None, queries=0))


def test_few_rows_need_no_measuring(db, filled):
    report = filled.tune(np.zeros((3, 8)), 1.0)
    assert report.reached == 1.0
    assert report.queries == 0
    assert db.create_index("empty", 4).tune().met
    # And do not narrow what is searched when there are more.
    filled.add(range(100, 4000), clustered(3900, 3, 8))
    filled.optimize()
    assert filled.stats()["search"]["ef"] > 10


def test_a_recall_that_no_ef_has_is_reported(db):
    """Of a dot product whose answers are all negative, walks find the least of them at best."""
    rng = np.random.default_rng(5)
    rows = (1 + rng.random((20_000, 16))).astype(np.float32)
    queries = -(1 + rng.random((20, 16))).astype(np.float32)
    index = built(db, rows, metric="dot")
    report = index.tune(queries, 1.0)
    assert not report.met
    assert report.reached < 1.0
    assert report.recall == 1.0
    assert index.recall(queries) == pytest.approx(report.reached)
    assert index.stats()["search"]["tuned"]["reached"] == report.reached
    assert "met" not in index.stats()["search"]["tuned"]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((None, 0), {}, springg.InvalidArgument, "above 0 and at most 1, got 0"),
        ((None, 1.01), {}, springg.InvalidArgument, "above 0 and at most 1, got 1.01"),
        ((None, float("nan")), {}, springg.InvalidArgument, "got nan"),
        ((None, "0.9"), {}, TypeError, "recall must be a number, got str"),
        ((None, True), {}, TypeError, "recall must be a number, got bool"),
        ((None, 0.9), {"k": 0}, springg.InvalidArgument, r"k out of range: expected 1\.\.4096"),
        ((None, 0.9), {"k": -1}, springg.InvalidArgument, "got -1"),
        ((None, 0.9), {"k": 4097}, springg.InvalidArgument, "got 4097"),
        ((None, 0.9), {"k": 2.0}, TypeError, "k must be an integer"),
        ((np.ones((2, 7)), 0.9), {}, springg.DimensionMismatch, "expected 64, got 7"),
        ((np.ones((0, DIMENSIONS)), 0.9), {}, springg.InvalidArgument, "at least 1, got 0"),
        ((np.full((2, DIMENSIONS), np.nan), 0.9), {}, springg.InvalidArgument, "nan"),
        ((np.ones((2, DIMENSIONS)), None), {}, springg.InvalidArgument, "recall is none, .* got 2"),
        (("text", 0.9), {}, TypeError, "queries"),
    ],
)
def test_bad_input_changes_nothing(db, rows, arguments, options, error, text):
    index = built(db, rows[:2000])
    kept = index.tune(rows[:20], 0.9)
    with pytest.raises(error, match=text):
        index.tune(*arguments, **options)
    assert index.stats()["search"]["tuned"] == dataclasses.asdict(kept)


def test_progress_is_told_and_stops_it(db, rows):
    index = built(db, rows, quantization="none")
    told = []
    index.tune(np.repeat(rows, 2, axis=0), 0.99, progress=lambda *now: told.append(now))
    assert told
    assert all(0 <= done <= total == 2 * ROWS for done, total in told)
    kept = index.stats()["search"]["tuned"]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.tune(np.repeat(rows, 2, axis=0), 0.5, progress=stop)
    assert index.stats()["search"]["tuned"] == kept


def test_a_bar_counts_each_search_anew():
    class Bar:
        n, total, begun = 0, 0, 0

        def update(self, more):
            self.n += more

        def reset(self, total=None):
            self.n, self.total, self.begun = 0, total, self.begun + 1

    bar = Bar()
    with reporting(bar, "tune") as callback:
        for done in (3, 10, 2, 4):
            callback(done, 10)
    assert (bar.n, bar.total, bar.begun) == (4, 10, 1)


def test_it_is_kept_and_followed(rows, queries, tmp_path):
    path = tmp_path / "data"
    with springg.open(path) as db:
        report = built(db, rows[:3000]).tune(queries, 0.8)
        db.snapshot(tmp_path / "copy")
        with springg.open(path, read_only=True) as reader:
            assert reader["a"].stats()["search"]["tuned"] == dataclasses.asdict(report)
            with pytest.raises(springg.FailedPrecondition, match="read-only"):
                reader["a"].tune()
    for place in (path, tmp_path / "copy"):
        with springg.open(place) as db:
            assert db["a"].stats()["search"]["tuned"] == dataclasses.asdict(report)
            assert work(db["a"], queries) == work(db["a"], queries, ef=report.ef)
    with springg.open(path) as db:
        db["a"].tune(recall=None)
    with springg.open(path) as db:
        assert db["a"].stats()["search"]["tuned"] is None


def test_a_view_keeps_what_it_had(db, rows, queries):
    index = built(db, rows)
    view = index.view()
    before = work(view, queries)
    index.tune(queries, 0.5)
    assert work(view, queries) == before > work(index.view(), queries)


def test_a_filter_asks_for_no_less_than_before(db, rows, queries):
    index = built(db, rows)
    most = np.arange(ROWS) % 20 != 0
    before = work(index, queries[0], filter=most)
    assert before < ROWS / 2  # it is walked
    assert index.tune(queries, 0.5).ef < 64
    assert work(index, queries[0], filter=most) == before


def test_a_filter_on_rows_without_structure_keeps_the_recall(db):
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((12_000, 64), dtype=np.float32)
    queries = rng.standard_normal((50, 64), dtype=np.float32)
    index = built(db, rows, metric="l2", m=8)
    mask = rng.random(len(rows)) < 0.9
    truth = [index.search(q, 10, filter=mask, exact=True).distances[-1] for q in queries]

    def recall():
        found = (index.search(q, 10, filter=mask).distances for q in queries)
        return np.mean([(f <= t).mean() for f, t in zip(found, truth, strict=True)])

    before, ef = recall(), index.stats()["search"]["ef"]
    assert ef > 64
    for asked in (queries, None):
        assert index.tune(asked, 0.5).ef < ef
        assert recall() == before >= 0.95


def test_searches_go_on_while_it_is_tuned(db, rows, queries):
    index = built(db, rows)
    stop = threading.Event()

    def search():
        while not stop.is_set():
            assert index.search(queries[0]).distances.shape == (10,)
            index.stats()

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        searches = [threads.submit(search) for _ in range(2)]
        for recall in (0.5, None, 0.9, 0.99):
            index.tune(None if recall is None else queries, recall)
        stop.set()
        for each in searches:
            each.result()


def test_rerank_reads_more_rows_and_finds_more(db, rows, queries):
    index = built(db, rows, quantization="int4")
    adaptive = work(index, queries, ef=100)
    more = work(index, queries, ef=100, rerank=100)
    assert more > adaptive + len(queries) * 50
    assert work(index, queries, ef=100, rerank=3) == adaptive
    truth = index.search(queries, 10, exact=True).distances[:, 9:]

    def recall(**options):
        return (index.search(queries, 10, ef=100, **options).distances <= truth).mean()

    assert recall(rerank=100) >= recall()
    # A single query, a batch, a view and k above it agree.
    batch = index.search(queries, 10, ef=100, rerank=100)
    assert index.search(queries[7], 10, ef=100, rerank=100).ids == batch.ids[7]
    assert index.view().search(queries, 10, ef=100, rerank=100).ids == batch.ids
    assert index.search(queries[0], 50, ef=100, rerank=20).distances.shape == (50,)
    for every in (2, 10):  # the graph is walked, or codes are scanned
        some = np.arange(ROWS) % every == 0
        few = work(index, queries[0], ef=100, filter=some)
        assert work(index, queries[0], ef=100, rerank=100, filter=some) > few + 50


def test_rerank_has_no_effect_where_nothing_is_estimated(db, rows, queries):
    index = built(db, rows, quantization="none")
    assert work(index, queries, rerank=500) == work(index, queries)
    exact = index.search(queries, 10, exact=True, rerank=500)
    assert np.array_equal(exact.distances, index.search(queries, 10, exact=True).distances)


@pytest.mark.parametrize(
    ("rerank", "error", "text"),
    [
        (0, springg.InvalidArgument, r"expected 1\.\.4096, got 0: scores come from the stored"),
        (np.int64(0), springg.InvalidArgument, r"expected 1\.\.4096, got 0"),
        (-1, springg.InvalidArgument, r"rerank out of range: expected 1\.\.4096, got -1"),
        (4097, springg.InvalidArgument, r"expected 1\.\.4096, got 4097"),
        (2**70, springg.InvalidArgument, r"expected 1\.\.4096, got 1180591620717411303424"),
        (True, TypeError, "rerank must be an integer, got bool"),
        (10.0, TypeError, "rerank must be an integer, got float"),
        ("10", TypeError, "rerank must be an integer, got str"),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_bad_values_of_rerank(filled, rerank, error, text, exact):
    with pytest.raises(error, match=text):
        filled.search(np.zeros(8), rerank=rerank, exact=exact)


def test_stats_explain_a_search(db, rows):
    index = db.create_index("a", DIMENSIONS, quantization="int4")
    index.add(range(ROWS), rows)
    (part,) = index.stats()["search"]["parts"]
    assert part["kind"] == "memtable"
    assert part["codes"] is None
    assert part["why"] == "rows that are in no segment yet have no codes"
    assert part["reached"] is None
    index.optimize()
    search = index.stats()["search"]
    assert search["recall"] == 0.95
    assert search["tuned"] is None
    (part,) = search["parts"]
    assert part["kind"] == "segment"
    assert part["rows"] == ROWS
    assert part["path"] == "graph on codes"
    assert part["codes"] == "int8"
    assert "'int4' with 64 dimensions" in part["why"]
    assert part["ef"] == search["ef"] >= 10
    assert part["reached"] >= 0.98
    narrow = db.create_index("few", 8)
    narrow.add(range(10), np.eye(10, 8))
    (part,) = narrow.stats()["search"]["parts"]
    assert part["path"] == "scan"
    assert part["ef"] is None
    assert db.create_index("none", 8).stats()["search"]["parts"] == []


def test_rows_without_codes_say_why(db):
    index = db.create_index("equal", 16)
    index.add(range(2000), np.full((2000, 16), 0.1))
    index.optimize()
    (part,) = index.stats()["search"]["parts"]
    assert part["codes"] is None
    assert part["why"] == "those of its rows that were looked at are all equal"
    assert part["path"] == "graph on vectors"
    assert len(set(index.search(np.ones(16), 10).ids)) == 10
    rows = clustered(2000, 1, 16)
    rows[0, 0] = 1e18
    index = db.create_index("huge", 16, metric="l2")
    index.add(range(2000), rows)
    index.optimize()
    (part,) = index.stats()["search"]["parts"]
    assert "too large or too small for codes" in part["why"]
