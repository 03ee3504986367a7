# SPDX-License-Identifier: MIT
"""The interpreter lock is free while C++ works, and calls of many threads keep apart."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import springg


class Ticker:
    """Counts on a Python thread; it can only count while the interpreter lock is free."""

    def __enter__(self):
        self.stop = False
        self.ticks = []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        while not self.stop:
            self.ticks.append(time.perf_counter())
            time.sleep(0.0005)

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()

    def between(self, begin, end):
        margin = (end - begin) / 10
        return sum(begin + margin < t < end - margin for t in self.ticks)


@pytest.fixture(scope="module")
def large():
    rng = np.random.default_rng(1)
    with springg.open(":memory:", threads=2) as db:
        index = db.create_index("large", 256, m=4, ef_construction=10)
        index.add(np.arange(20_000), rng.standard_normal((20_000, 256), dtype=np.float32))
        index.optimize()
        yield index


def long_call(name, index, rng):
    queries = rng.standard_normal((300, 256), dtype=np.float32)
    if name == "exact search":
        return lambda: index.search(queries, 10, exact=True, threads=1)
    if name == "search":
        return lambda: index.search(np.tile(queries, (10, 1)), 10, ef=300, threads=1)
    if name == "optimize":
        index.delete(0)
        return index.optimize
    rows = rng.standard_normal((20_000, 256), dtype=np.float32)
    other = index._database.create_index("other", 256, m=4, ef_construction=10)
    ids = np.arange(20_000)
    return lambda: other.add(ids, rows)


@pytest.mark.parametrize("name", ["exact search", "search", "optimize", "add"])
def test_another_thread_runs_during(large, rng, name):
    call = long_call(name, large, rng)
    with Ticker() as ticker:
        time.sleep(0.02)
        begin = time.perf_counter()
        call()
        end = time.perf_counter()
    assert ticker.between(begin, end) >= 3, f"{name} took {end - begin:.3f} s"


def test_writers_and_searchers_at_once(db, rng):
    index = db.create_index("busy", 8, metric="l2")
    index.add(np.arange(1000), rng.standard_normal((1000, 8)))
    stop = threading.Event()
    problems = []

    def guarded(work):
        def run():
            try:
                work()
            except Exception as error:  # noqa: BLE001 - shown by the assertion below
                problems.append(error)
                stop.set()

        return threading.Thread(target=run)

    def write(worker):
        own = np.random.default_rng(worker)
        ids = np.arange(10_000 * (worker + 1), 10_000 * (worker + 1) + 50)
        for _ in range(20):
            index.upsert(ids, own.standard_normal((50, 8)), [{"worker": worker}] * 50)
            assert index.delete(ids[:25]) == 25

    def search():
        own = np.random.default_rng(99)
        while not stop.is_set():
            hits = index.search(own.standard_normal(8), 10)
            assert len(hits) == 10
            assert (np.diff(hits.distances) >= 0).all()
            records = [r for batch in index.scan(200) for r in batch]
            assert len({r.id for r in records}) == len(records)

    writers = [guarded(lambda w=w: write(w)) for w in range(3)]
    searchers = [guarded(search) for _ in range(2)]
    for thread in [*writers, *searchers]:
        thread.start()
    for thread in writers:
        thread.join()
    index.optimize()
    stop.set()
    for thread in searchers:
        thread.join()
    assert problems == []
    assert len(index) == 1000 + 3 * 25


def test_close_while_another_thread_searches(rng):
    db = springg.open(":memory:")
    index = db.create_index("a", 8)
    index.add(np.arange(2000), rng.standard_normal((2000, 8)))
    ended = []

    def search():
        try:
            while True:
                assert len(index.search(np.ones(8), 5)) == 5
        except springg.FailedPrecondition as error:
            ended.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    db.close()
    for thread in threads:
        thread.join(10)
    assert len(ended) == 3
