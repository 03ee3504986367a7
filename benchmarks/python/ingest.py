# SPDX-License-Identifier: MIT
"""Adding 1,000,000 x 128 float32 to the fully indexed state, against hnswlib.

Both on two threads and nothing else running; then springg once more, with the longest stall of a
search that runs meanwhile, beside a spinning control thread. About 20 minutes on 2 cores.

The rows are a mixture of Gaussians (fixed seed). `--chunk` adds in calls of that many rows
instead of one call, `--durability` into files at that level instead of into memory.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator

import hnswlib
import numpy as np
from measure import report, seconds

import springg


def mixture(rows: int, dimensions: int) -> np.ndarray:
    """Clustered rows: 1,000 centers, 24 latent directions, a little noise."""
    rng = np.random.default_rng(7)
    centers = rng.standard_normal((1000, dimensions), dtype=np.float32)
    span = rng.standard_normal((24, dimensions), dtype=np.float32)
    x = np.empty((rows, dimensions), np.float32)
    for begin in range(0, rows, 50_000):
        part = x[begin : begin + 50_000]
        latent = rng.standard_normal((len(part), 24), dtype=np.float32)
        part[:] = centers[rng.integers(0, 1000, len(part))] + 0.4 * (latent @ span)
        part += 0.1 * rng.standard_normal(part.shape, dtype=np.float32)
    return x


@contextlib.contextmanager
def database(durability: str, threads: int) -> Iterator[springg.Database]:
    """One in memory, or in a temporary directory at a level of durability."""
    if durability == "memory":
        with springg.open(":memory:", threads=threads) as db:
            yield db
    else:
        with (
            tempfile.TemporaryDirectory() as folder,
            springg.open(folder, threads=threads, durability=durability) as db,
        ):
            yield db


class Watcher:
    """A thread that notes the longest gap between two turns of its loop."""

    def __init__(self, turn) -> None:  # noqa: ANN001
        self.longest = 0.0
        self.turns = 0
        self._turn = turn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            begin = time.perf_counter()
            self._turn()
            self.longest = max(self.longest, time.perf_counter() - begin)
            self.turns += 1

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def spin() -> None:
    """About a tenth of a millisecond of work that needs no lock: the control."""
    end = time.perf_counter() + 1e-4
    while time.perf_counter() < end:
        pass


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=0, help="rows a call; 0: one call")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=("rate", "stall"), default=["rate", "stall"])
    parser.add_argument("--durability", choices=("memory", "process", "disk"), default="memory")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    x = mixture(arguments.rows, 128)
    ids = np.arange(len(x))
    chunk = arguments.chunk or len(x)
    result: dict[str, object] = {"rows": len(x), "dimensions": 128, "rows_per_call": chunk}
    result["durability"] = arguments.durability

    def fill(index: springg.Index) -> float:
        begin = time.perf_counter()
        for at in range(0, len(x), chunk):
            index.add(ids[at : at + chunk], x[at : at + chunk])
        index._core.wait_indexed()
        return time.perf_counter() - begin

    if "rate" in arguments.parts:
        with database(arguments.durability, arguments.threads) as db:
            took = fill(db.create_index("rows", 128, metric="l2", quantization="none"))
        result["springg_rows_per_second"] = len(x) / took
        peer = hnswlib.Index(space="l2", dim=128)
        peer.init_index(max_elements=len(x), M=16, ef_construction=200)
        took = seconds(lambda: peer.add_items(x, num_threads=arguments.threads))
        result["hnswlib_rows_per_second"] = len(x) / took
        del peer
    if "stall" in arguments.parts:
        with database(arguments.durability, arguments.threads) as db:
            index = db.create_index("rows", 128, metric="l2", quantization="none")
            index.add(ids[:20_000] + len(x), x[:20_000])
            with Watcher(lambda: index.search(x[0], 10)) as searches, Watcher(spin) as control:
                took = fill(index)
        result["longest_search_ms"] = searches.longest * 1e3
        result["longest_control_ms"] = control.longest * 1e3
        result["searches_meanwhile"] = searches.turns
        result["springg_rows_per_second_meanwhile"] = len(x) / took
    report("ingest", result, arguments.output)


if __name__ == "__main__":
    main()
