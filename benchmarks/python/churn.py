# SPDX-License-Identifier: MIT
"""Rows/s, search, memory and disk under upserts and deletes: do they stay what they were.

An index of the steady size (dictionary embeddings, cosine, 384 dimensions) gets upserts of random
ids and 20 % deletes, from one thread, in calls of a hundred rows, while another thread searches
1-NN queries of ef 64. First at full speed for `--seconds`, in a directory of its own at the
database's durability, then offered at half of the rate that was sustained. Reports rows/s by
minute, search times, and segments, memory and disk over time.
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


class Searcher:
    """A thread that searches without pause and keeps how long each search took."""

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
        index.upsert(ids, base[rng.integers(0, len(base), CALL_ROWS)])
        index.delete(rng.integers(0, len(base), CALL_ROWS // 5))
        rows += CALL_ROWS
        part_rows += CALL_ROWS
        if rate is not None:
            ahead = rows / rate - (time.perf_counter() - begin)
            if ahead > 0:
                time.sleep(ahead)
        now = time.perf_counter()
        if now - part_begin >= seconds / parts:
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
    parser.add_argument("--full-seconds", type=float, default=240)
    parser.add_argument("--pause-ms", type=float, default=2, help="between two searches")
    parser.add_argument("--directory", default=None)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    base = data.base
    pause = arguments.pause_ms / 1e3
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        db = springg.open(directory)
        index = db.create_index("words", base.shape[1])
        index.add(np.arange(len(base)), base)
        index.optimize()
        db.flush()
        figures: dict = {"steady_rows": len(base), "call_rows": CALL_ROWS}
        with Searcher(index, data.queries, pause) as idle:
            time.sleep(20)
        figures["idle"] = idle.percentiles_ms()
        # Past the steady size first, so that what is measured goes on for ever.
        with Searcher(index, data.queries, pause) as busy:
            full = churn(index, base, arguments.full_seconds, None, directory, 1)
        figures["full_speed"] = full | {"search": busy.percentiles_ms()}
        sustained = full["over_time"][-1]["rows_per_second"]
        with Searcher(index, data.queries, pause) as busy:
            half = churn(index, base, arguments.seconds, sustained / 2, directory, 2)
        figures["half_of_it"] = half | {"offered": sustained / 2, "search": busy.percentiles_ms()}
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
