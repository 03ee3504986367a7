# SPDX-License-Identifier: MIT
"""Exact search: a batch of 1,000 queries against numpy and faiss, equal bits for every way to ask.

numpy's side is what a numpy user writes: one matrix product and argpartition, in blocks of 100
queries so that the product fits in memory. faiss's is IndexFlatIP, where faiss is installed
(requirements/peers.txt). BLAS, faiss and springg get one thread each.
The bandwidth of a single exact query is measured in C++ (benchmarks/cpp/kernels_benchmark.cpp);
here it is reported through Python as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
from collections.abc import Callable

import numpy as np
from measure import dictionary, interleaved, report, spread, unit
from threadpoolctl import threadpool_limits

import springg

K = 10


def faiss_search(base: np.ndarray, queries: np.ndarray) -> Callable[[], np.ndarray] | None:
    """A call of faiss's exact index over rows of unit length; None where there is no faiss."""
    if importlib.util.find_spec("faiss") is None:
        return None
    import faiss

    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(base.shape[1])
    flat.add(base)
    return lambda: flat.search(queries, K)[1]


def equal_bits(index: springg.Index, queries: np.ndarray) -> bool:
    """Whether a batch on one thread, on all, and single queries answer alike, bit for bit."""
    batch = index.search(queries, K, exact=True, threads=1, include=())
    all_threads = index.search(queries, K, exact=True, include=())
    singles = [index.search(q, K, exact=True, threads=1, include=()) for q in queries[:200]]
    return bool(
        np.array_equal(batch.distances, all_threads.distances)
        and np.array_equal(batch.keys, all_threads.keys)
        and all(
            np.array_equal(batch.distances[i], one.distances)
            and list(batch.keys[i]) == list(one.ids)
            for i, one in enumerate(singles)
        )
    )


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    db = springg.open(":memory:")
    index = db.create_index("words", data.base.shape[1], quantization="none")
    index.add(np.arange(len(data.base)), data.base)
    index.optimize()
    unit_base = unit(data.base)
    unit_queries = unit(data.queries)

    def with_numpy() -> np.ndarray:
        found = np.empty((len(unit_queries), K), np.int64)
        for begin in range(0, len(unit_queries), 100):
            block = unit_queries[begin : begin + 100]
            scores = block @ unit_base.T
            near = np.argpartition(-scores, K, axis=1)[:, :K]
            order = np.argsort(-np.take_along_axis(scores, near, 1), axis=1)
            found[begin : begin + 100] = np.take_along_axis(near, order, 1)
        return found

    def with_springg() -> springg.BatchHits:
        return index.search(data.queries, K, exact=True, threads=1, include=())

    with_faiss = faiss_search(unit_base, unit_queries)
    peers = {"numpy": with_numpy} | ({"faiss": with_faiss} if with_faiss else {})
    mine = with_springg().keys.astype(np.int64)
    recalls = {"springg": data.recall(data.cosine_distances(mine), K)}
    against = {}
    with threadpool_limits(limits=1):
        for name, peer in peers.items():
            taken = interleaved(with_springg, peer, arguments.pairs)
            recalls[name] = data.recall(data.cosine_distances(peer()), K)
            # Seconds of a batch of 1,000 are milliseconds of a query.
            against[name] = {
                "springg_ms_per_query": spread([a for a, _ in taken]),
                "its_ms_per_query": spread([b for _, b in taken]),
                "ratio_of_time": spread([a / b for a, b in taken]),
            }

    def single() -> None:
        for q in data.queries[:20]:
            index.search(q, K, exact=True, threads=1, include=())

    single_taken = interleaved(
        single, lambda: [unit_base.sum() for _ in range(20)], arguments.pairs
    )
    read_gb = 20 * data.base.nbytes / 1e9
    report(
        "exact_search",
        {
            "set": data.name,
            "batch_against": against,
            "recall": recalls,
            "equal_bits_batch_single_threads": equal_bits(index, data.queries),
            "single_query_gb_per_s": spread([read_gb / a for a, _ in single_taken]),
            "numpy_sum_gb_per_s": spread([read_gb / b for _, b in single_taken]),
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
