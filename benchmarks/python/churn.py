# SPDX-License-Identifier: MIT
"""Rows/s, search, memory and disk under upserts and deletes: do they stay what they were.

An index of the steady size (dictionary embeddings, cosine, 384 dimensions) gets upserts of random
ids and 20 % deletes, from one thread, in calls of a hundred rows, while another thread searches
(k 10, ef 64). First at full speed for `--full-seconds`, in a directory of its own at the database's
durability, then for `--seconds` offered at half of the mean rate of its later four fifths. Reports
rows/s (upserts alone count), segments, memory and disk in each tenth of the time, and search times.
In the second part snapshots are taken; each is restored at the end and compared, row by row, with
what the writer had done up to its position.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import tempfile
import threading
import time

import numpy as np
from measure import dictionary, report

import springg

CALL_ROWS = 100


def resident_bytes() -> int:
    """Memory of this process that is not backed by files."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def disk_bytes(directory: str) -> tuple[int, int]:
    """Bytes of the segments and other files, and of the log."""
    log = other = 0
    for entry in os.scandir(directory):
        try:
            size = entry.stat().st_blocks * 512
        except FileNotFoundError:
            continue
        if entry.name.startswith("wal-"):
            log += size
        else:
            other += size
    return other, log


class Ledger:
    """What the one writer did, with the position of the log after each call."""

    def __init__(self, index: springg.Index) -> None:
        self._index = index
        self._calls: list[tuple[int, np.ndarray, np.ndarray | None]] = []

    def note(self, ids: np.ndarray, rows: np.ndarray | None) -> None:
        """Of a call that returned; no rows: it was a delete."""
        self._calls.append((self._index.stats()["lsn"], ids, rows))

    def state_at(self, lsn: int) -> dict[int, int]:
        """Which base row each id has at that position."""
        state: dict[int, int] = {}
        for position, ids, rows in self._calls:
            if position > lsn:
                break
            for at, name in enumerate(ids.tolist()):
                if rows is None:
                    state.pop(name, None)
                else:
                    state[name] = int(rows[at])
        return state


class Snapshots:
    """A thread that takes a snapshot now and then."""

    def __init__(self, db: springg.Database, folder: str, count: int, seconds: float) -> None:
        self.taken: list[springg.SnapshotInfo] = []
        self.seconds: list[float] = []
        self._db, self._folder, self._count = db, folder, count
        self._pause = seconds / (count + 1)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        for number in range(self._count):
            time.sleep(self._pause)
            begin = time.perf_counter()
            self.taken.append(self._db.snapshot(f"{self._folder}/snapshot-{number}"))
            self.seconds.append(round(time.perf_counter() - begin, 2))

    def __enter__(self) -> Snapshots:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def compare(self, ledger: Ledger, base: np.ndarray) -> dict:
        """Restore each and count the rows that are not as they were at its position."""
        wrong = []
        for snapshot in self.taken:
            expected = ledger.state_at(snapshot.lsn)
            restored = springg.restore(snapshot.path, snapshot.path + "-restored")
            with springg.open(restored, read_only=True) as db:
                ids, vectors = db["words"].ids, db["words"].vectors
                have = dict(zip((int(name) for name in ids), vectors, strict=True))
            wrong.append(
                len(have.keys() ^ expected.keys())
                + sum(
                    not np.array_equal(vector, base[expected[name]])
                    for name, vector in have.items()
                    if name in expected
                )
            )
        return {
            "positions": [snapshot.lsn for snapshot in self.taken],
            "rows": [snapshot.rows for snapshot in self.taken],
            "seconds": self.seconds,
            "rows_that_differ": wrong,
        }


class Searcher:
    """A thread that searches, pauses, and keeps how long each search took."""

    def __init__(self, index: springg.Index, queries: np.ndarray, pause_s: float) -> None:
        self.times: list[float] = []
        self._index, self._queries, self._pause = index, queries, pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        turn = 0
        while not self._stop.is_set():
            begin = time.perf_counter()
            self._index.search(self._queries[turn % len(self._queries)], 10, ef=64, include=())
            self.times.append(time.perf_counter() - begin)
            turn += 1
            time.sleep(self._pause)

    def __enter__(self) -> Searcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def percentiles_ms(self) -> dict[str, float]:
        """Median, 99th percentile and greatest."""
        times = np.array(self.times) * 1e3
        return {
            "searches": len(times),
            "p50_ms": round(float(np.median(times)), 3),
            "p99_ms": round(float(np.quantile(times, 0.99)), 3),
            "max_ms": round(float(times.max()), 1),
        }


def churn(
    index: springg.Index,
    base: np.ndarray,
    seconds: float,
    rate: float | None,
    directory: str,
    seed: int,
    ledger: Ledger,
) -> dict:
    """Upsert and delete for a while; rows/s and sizes, a line every part of the time."""
    rng = np.random.default_rng(seed)
    parts = 10
    lines = []
    begin = time.perf_counter()
    rows = 0
    part_begin, part_rows = begin, 0
    while time.perf_counter() - begin < seconds:
        ids = rng.integers(0, len(base), CALL_ROWS)
        chosen = rng.integers(0, len(base), CALL_ROWS)
        index.upsert(ids, base[chosen])
        ledger.note(ids, chosen)
        gone = rng.integers(0, len(base), CALL_ROWS // 5)
        index.delete(gone)
        ledger.note(gone, None)
        rows += CALL_ROWS
        part_rows += CALL_ROWS
        if rate is not None:
            ahead = rows / rate - (time.perf_counter() - begin)
            if ahead > 0:
                time.sleep(ahead)
        now = time.perf_counter()
        if now - begin >= (len(lines) + 1) * seconds / parts:
            stats = index.stats()
            other, log = disk_bytes(directory)
            lines.append(
                {
                    "rows_per_second": round(part_rows / (now - part_begin)),
                    "segments": stats["segments"],
                    "unindexed_rows": stats["unindexed_rows"],
                    "deleted": stats["deleted"],
                    "memory_mib": resident_bytes() >> 20,
                    "disk_mib": other >> 20,
                    "log_mib": log >> 20,
                }
            )
            part_begin, part_rows = now, 0
    return {"rows_per_second": round(rows / (time.perf_counter() - begin)), "over_time": lines}


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--full-seconds", type=float, default=600)
    parser.add_argument("--pause-ms", type=float, default=2, help="between two searches")
    parser.add_argument("--snapshots", type=int, default=3, help="taken at half of the rate")
    parser.add_argument("--directory", default=None)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    base = data.base
    pause = arguments.pause_ms / 1e3
    with tempfile.TemporaryDirectory(dir=arguments.directory) as work:
        directory = f"{work}/db"
        db = springg.open(directory)
        index = db.create_index("words", base.shape[1])
        ledger = Ledger(index)
        index.add(np.arange(len(base)), base)
        ledger.note(np.arange(len(base)), np.arange(len(base)))
        index.optimize()
        db.flush()
        figures: dict = {"steady_rows": len(base), "call_rows": CALL_ROWS}
        with Searcher(index, data.queries, pause) as idle:
            time.sleep(20)
        figures["idle"] = idle.percentiles_ms()
        # First, so that the second part begins with the segments and deleted rows of the long run.
        with Searcher(index, data.queries, pause) as busy:
            full = churn(index, base, arguments.full_seconds, None, directory, 1, ledger)
        figures["full_speed"] = full | {"search": busy.percentiles_ms()}
        later = [part["rows_per_second"] for part in full["over_time"][2:]]
        sustained = sum(later) / len(later)
        snapshots = Snapshots(db, work, arguments.snapshots, arguments.seconds)
        with Searcher(index, data.queries, pause) as busy, snapshots:
            half = churn(index, base, arguments.seconds, sustained / 2, directory, 2, ledger)
        figures["half_of_it"] = half | {"offered": sustained / 2, "search": busy.percentiles_ms()}
        figures["snapshots"] = snapshots.compare(ledger, base)
        db.flush()
        other, log = disk_bytes(directory)
        after_segments = index.stats()["segments"]
        index.optimize()
        db.flush()
        live, _ = disk_bytes(directory)  # the same rows without anything else
        figures["after_flush"] = {
            "rows": len(index),
            "segments": after_segments,
            "disk_mib": other >> 20,
            "log_mib": log >> 20,
            "disk_to_live": round(other / live, 3),
            "memory_mib": resident_bytes() >> 20,
        }
        db.close()
    report("churn", figures, arguments.output)


if __name__ == "__main__":
    main()
