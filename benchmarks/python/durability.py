# SPDX-License-Identifier: MIT
"""What it costs in Python that a write is on the disk, and how soon a killed database is back.

`threads`: calls of one row from 1 and from 64 threads, at `disk`: calls a second, in turns.
`bulk`: one call of 100,000 x 384 dictionary embeddings at `disk` and at `buffered`, `optimize()`
and `close()` included, in turns. `killed`: a process that adds rows without pause is killed at some
moment, again and again; seconds until the directory is open. `levels`: the figures that do not
speak of durability (build, one query at ef=64, exact search, bytes a row, reopening) at `process`
and at `disk` beside the same in memory.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
from measure import Dataset, dictionary, interleaved, report, seconds, spread

import springg

BULK_ROWS = 100_000
CHILD = """
import sys
import numpy as np, springg
db = springg.open(sys.argv[1])
rows = np.load(sys.argv[2], mmap_mode="r")
index = db.create_index("words", rows.shape[1], exist_ok=True)
first = len(index)
print("ready", flush=True)
while True:
    begin = first % (len(rows) - 100)
    index.upsert(np.arange(first, first + 100), rows[begin : begin + 100])
    first += 100
"""


def call_rate(data: Dataset, threads: int, seconds: float, directory: str) -> float:
    """Calls of one row a second, all of them acknowledged at `disk`."""
    with (
        tempfile.TemporaryDirectory(dir=directory) as folder,
        springg.open(folder, durability="disk") as db,
    ):
        index = db.create_index("words", data.base.shape[1])
        counts = [0] * threads
        end = time.perf_counter() + seconds

        def write(number: int) -> None:
            row = number
            while time.perf_counter() < end:
                index.add([row], data.base[row % len(data.base)][None])
                row += threads
                counts[number] += 1

        begin = time.perf_counter()
        writers = [threading.Thread(target=write, args=(i,)) for i in range(threads)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        return sum(counts) / (time.perf_counter() - begin)


def threads_part(data: Dataset, directory: str, pairs: int) -> dict:
    """64 threads beside one."""
    rates = [
        (call_rate(data, 1, 3, directory), call_rate(data, 64, 3, directory)) for _ in range(pairs)
    ]
    return {
        "one_thread_calls_per_second": spread([round(one) for one, _ in rates]),
        "64_threads_calls_per_second": spread([round(many) for _, many in rates]),
        "ratio": spread([round(many / one, 2) for one, many in rates]),
    }


def bulk_part(data: Dataset, directory: str, pairs: int) -> dict:
    """One large call, to the state that is fully indexed and closed."""
    rows = data.base[:BULK_ROWS]

    def write(durability: str) -> None:
        with (
            tempfile.TemporaryDirectory(dir=directory) as folder,
            springg.open(folder, durability=durability) as db,
        ):
            index = db.create_index("words", rows.shape[1])
            index.add(np.arange(len(rows)), rows)
            index.optimize()

    taken = interleaved(lambda: write("disk"), lambda: write("buffered"), pairs)
    return {
        "disk_seconds": spread([round(disk, 2) for disk, _ in taken]),
        "buffered_seconds": spread([round(buffered, 2) for _, buffered in taken]),
        "ratio": spread([round(disk / buffered, 3) for disk, buffered in taken]),
    }


def killed_part(data: Dataset, directory: str, kills: int, seconds: float) -> dict:
    """Kill a writer after some time, open, go on."""
    chance = random.Random(1)
    opens: list[float] = []
    logs: list[int] = []
    rows: list[int] = []
    with tempfile.TemporaryDirectory(dir=directory) as work:
        np.save(f"{work}/rows.npy", data.base)
        folder = f"{work}/db"
        for _ in range(kills):
            child = subprocess.Popen(
                [sys.executable, "-c", CHILD, folder, f"{work}/rows.npy"], stdout=subprocess.PIPE
            )
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(chance.uniform(0.2, 1) * seconds)
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
            log = sum(path.stat().st_size for path in pathlib.Path(folder).glob("wal-*"))
            begin = time.perf_counter()
            with springg.open(folder) as db:
                found = db["words"].search(data.queries[0], 10)
                opens.append(round(time.perf_counter() - begin, 2))
                assert len(found.ids) == 10
                rows.append(len(db["words"]))
            logs.append(log >> 20)
    return {"open_seconds": opens, "log_mib": logs, "rows": rows, "longest": max(opens)}


def level_figures(data: Dataset, directory: str, level: str) -> dict[str, float]:
    """Build, search, memory and reopening of the whole set in memory or at a level."""
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        memory = level == "memory"
        where = ":memory:" if memory else folder
        durability = "process" if memory else level
        rows = np.arange(len(data.base))
        with springg.open(where, durability=durability) as db:
            index = db.create_index("words", data.base.shape[1])

            def build() -> None:
                index.add(rows, data.base)
                index.optimize()

            figures = {"build_seconds": seconds(build)}
            found = np.empty((len(data.queries), 10), np.float32)

            def walk() -> None:
                for i, query in enumerate(data.queries):
                    found[i] = index.search(query, 10, ef=64).distances

            walk()
            figures["queries_per_second"] = len(data.queries) / seconds(walk)
            figures["recall"] = data.recall(found)
            exact = data.queries[:40]
            took = seconds(lambda: [index.search(query, 10, exact=True) for query in exact])
            figures["exact_ms"] = took / len(exact) * 1e3
            figures["bytes_a_row"] = index.stats()["bytes"]["total"] / len(data.base)
        if not memory:
            begin = time.perf_counter()
            with springg.open(folder) as db:
                figures["open_ms"] = (time.perf_counter() - begin) * 1e3
        return figures


def levels_part(data: Dataset, directory: str, rounds: int) -> dict:
    """The levels in turn; medians, and their ratios to memory."""
    names = ("memory", "process", "disk")
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for i in range(rounds):
        for name in names[i % 3 :] + names[: i % 3]:
            taken[name].append(level_figures(data, directory, name))
    return {
        name: {
            figure: spread([round(one[figure], 4) for one in taken[name]])
            for figure in taken[name][0]
        }
        for name in names
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=["threads", "bulk", "killed", "levels"])
    parser.add_argument("--pairs", type=int, default=9, help="of threads and bulk")
    parser.add_argument("--rounds", type=int, default=3, help="of levels")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--kill-seconds", type=float, default=60, help="longest life of a writer")
    parser.add_argument("--directory", default=None, help="where the databases lie")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    figures = {}
    if "threads" in arguments.parts:
        figures["threads"] = threads_part(data, arguments.directory, arguments.pairs)
    if "bulk" in arguments.parts:
        figures["bulk"] = bulk_part(data, arguments.directory, arguments.pairs)
    if "killed" in arguments.parts:
        figures["killed"] = killed_part(
            data, arguments.directory, arguments.kills, arguments.kill_seconds
        )
    if "levels" in arguments.parts:
        figures["levels"] = levels_part(data, arguments.directory, arguments.rounds)
    report("durability", figures, arguments.output)


if __name__ == "__main__":
    main()
