# SPDX-License-Identifier: MIT
"""Recall and distances at one setting while a fifth of the rows is replaced, again and again.

The dictionary set: five sixths of it are in the index, the rest wait outside. A round deletes a
random fifth of the rows that are in and adds as many of those that wait; searches are measured
then, and again when the background has finished. Truth is exact search over the rows of that round.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from typing import Any

import numpy as np
from measure import dictionary, report

import springg


def settle(index: Any, limit_s: float = 600) -> float:
    """Wait until the background has nothing left to do; the seconds that took."""
    begin = time.perf_counter()
    while not index.stats()["settled"] and time.perf_counter() - begin < limit_s:
        time.sleep(0.1)
    return time.perf_counter() - begin


def look(index: Any, queries: np.ndarray, ef: int) -> dict[str, Any]:
    """What a search at this ef finds and costs now."""
    stats = index.stats()
    return {
        "recall_at_10": index.recall(queries, 10, ef=ef),
        "distances_a_query": index.search(queries, 10, ef=ef, include=()).distances_computed
        / len(queries),
        "segments": stats["segments"],
        "rows": stats["rows"],
        "deleted_rows_kept": stats["deleted"],
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--ef", type=int, default=32)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    rng = np.random.default_rng(11)
    order = rng.permutation(len(data.base))
    split = round(len(order) / (1 + arguments.share))
    inside, outside = order[:split], order[split:]
    with springg.open(":memory:") as db:
        index = db.create_index("words", data.base.shape[1])
        index.add(inside, data.base[inside])
        index.optimize()
        rounds = [look(index, data.queries, arguments.ef)]
        at_once = []
        for _ in range(arguments.rounds):
            inside = rng.permutation(inside)
            count = len(outside)
            gone, inside = inside[:count], np.concatenate([inside[count:], outside])
            begin = time.perf_counter()
            index.delete(gone)
            index.add(outside, data.base[outside])
            written = time.perf_counter() - begin
            outside = gone
            at_once.append(look(index, data.queries, arguments.ef))
            settled = settle(index)
            rounds.append(
                look(index, data.queries, arguments.ef)
                | {"write_seconds": round(written, 1), "settle_seconds": round(settled, 1)}
            )
            print(rounds[-1], file=sys.stderr, flush=True)
        index.optimize()
        after = look(index, data.queries, arguments.ef)
    first, last = rounds[0], rounds[-1]
    report(
        "turnover",
        {
            "set": data.name,
            "ef": arguments.ef,
            "share": arguments.share,
            "recall_change": last["recall_at_10"] - first["recall_at_10"],
            "distances_ratio": last["distances_a_query"] / first["distances_a_query"],
            "after_optimize": after,
            "optimized_recall_change": after["recall_at_10"] - first["recall_at_10"],
            "optimized_distances_ratio": after["distances_a_query"] / first["distances_a_query"],
            "rounds": rounds,
            "rounds_before_the_background": at_once,
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
