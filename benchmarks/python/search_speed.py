# SPDX-License-Identifier: MIT
"""Approximate search and build against hnswlib, on the dictionary set or another cosine set.

Both build the same graph parameters (M=16, ef_construction=200, cosine) on two threads, then
answer the queries one call each on one thread, through Python. For each recall target an ef that
reaches it is found for each side, at most a 64th above the least, then the two run in turn.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Callable
from typing import Any

import hnswlib
import numpy as np
from measure import Dataset, cosine_set, dictionary, interleaved, report, seconds, spread, unit

import springg

K = 10


def hnswlib_index(data: Dataset, threads: int) -> tuple[Any, float]:
    """The peer's index and its build seconds; its cosine space divides rows by their lengths."""
    index = hnswlib.Index(space="cosine", dim=data.base.shape[1])
    index.init_index(max_elements=len(data.base), M=16, ef_construction=200, random_seed=1)
    took = seconds(lambda: index.add_items(data.base, num_threads=threads))
    index.set_num_threads(1)
    return index, took


def springg_index(data: Dataset, threads: int, codes: Any) -> tuple[Any, Any, float]:
    """Our index as one segment, and its build seconds."""
    db = springg.open(":memory:", threads=threads)
    index = db.create_index(
        "words", data.base.shape[1], m=16, ef_construction=200, quantization=codes
    )
    ids = np.arange(len(data.base))

    def build() -> None:
        index.add(ids, data.base)
        index.optimize()

    return db, index, seconds(build)


def least_ef(rows_at: Callable[[int], np.ndarray], data: Dataset, target: float) -> int:
    """An ef whose recall@10 reaches the target: the least to within a 64th of it.

    The search for it halves a range, as if recall only grew with ef. When no ef up to 4,096 reaches
    the target, it is 4,096: the recall that is reported beside it tells.
    """
    low, high = K, K
    while high < 4096 and data.recall(data.cosine_distances(rows_at(high)), K) < target:
        low, high = high, min(4096, high * 2)
    while high - low > max(1, high // 64):
        middle = (low + high) // 2
        if data.recall(data.cosine_distances(rows_at(middle)), K) < target:
            low = middle
        else:
            high = middle
    return high


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--set", type=pathlib.Path, help="folder of a cosine set (default: the dictionary)"
    )
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument(
        "--quantization", choices=("auto", "none", "int8", "int4", "rabitq"), default="auto"
    )
    parser.add_argument("--threads", type=int, default=2, help="of both builds")
    parser.add_argument("--builds", type=int, default=1, help="builds of each side, in turn")
    parser.add_argument("--output", type=pathlib.Path)
    return parser.parse_args()


def main() -> None:
    """Run and report."""
    arguments = parsed()
    data = dictionary() if arguments.set is None else cosine_set(arguments.set)
    build_seconds: dict[str, list[float]] = {"hnswlib": [], "springg": []}
    for _ in range(arguments.builds):
        peer, took = hnswlib_index(data, arguments.threads)
        build_seconds["hnswlib"].append(took)
        _db, ours, took = springg_index(data, arguments.threads, arguments.quantization)
        build_seconds["springg"].append(took)

    queries = [np.ascontiguousarray(q) for q in data.queries]
    unit_queries = [np.ascontiguousarray(unit(q)) for q in data.queries]

    def ours_at(ef: int) -> np.ndarray:
        return np.array([ours.search(q, K, ef=ef, include=()).ids for q in queries])

    def peer_at(ef: int) -> np.ndarray:
        peer.set_ef(ef)
        return np.array([peer.knn_query(q, K)[0][0] for q in unit_queries]).astype(np.int64)

    equal_ef = {}
    for ef in (32, 64, 128, 256):
        equal_ef[ef] = {
            "hnswlib": data.recall(data.cosine_distances(peer_at(ef)), K),
            "springg": data.recall(data.cosine_distances(ours_at(ef)), K),
        }
    targets = {}
    for target in (0.95, 0.99):
        ef_ours, ef_peer = least_ef(ours_at, data, target), least_ef(peer_at, data, target)
        peer.set_ef(ef_peer)

        def run_ours(ef: int = ef_ours) -> None:
            for q in queries:
                ours.search(q, K, ef=ef)

        def run_peer() -> None:
            for q in unit_queries:
                peer.knn_query(q, K)

        taken = interleaved(run_ours, run_peer, arguments.pairs)
        targets[str(target)] = {
            "ef": {"springg": ef_ours, "hnswlib": ef_peer},
            "recall": {
                "springg": data.recall(data.cosine_distances(ours_at(ef_ours)), K),
                "hnswlib": data.recall(data.cosine_distances(peer_at(ef_peer)), K),
            },
            "queries_per_second": {
                "springg": spread([len(queries) / a for a, _ in taken]),
                "hnswlib": spread([len(queries) / b for _, b in taken]),
            },
            "ratio": spread([b / a for a, b in taken]),
        }
    report(
        "search_speed",
        {
            "set": data.name,
            "quantization": arguments.quantization,
            "build_seconds": build_seconds,
            "recall_at_equal_ef": equal_ef,
            "targets": targets,
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
