# SPDX-License-Identifier: MIT
"""Filtered search: recall and time at six selectivities, against a forced scan and forced walks.

Three kinds of masks: random rows; a cluster at the query (the rows nearest to it); and a cluster
far from it (the rows nearest to the row that is farthest from the query). One query a call on one
thread; the ways take turns, all queries one way before the next. Then a batch with one random
mask. "ratio" is the time of the chosen way over that of the fastest forced way whose recall is at
least .95. The plain walk is left out where it would go over most of the graph.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measure import DATA, Dataset, cosine_set, report, spread, unit

import springg
from springg import _core

K = 10
RECALL = 0.95
SELECTIVITIES = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9)
# What the fifth argument of the extension's search() is; a walk that comes out short scans.
WAYS = {"chosen": 0, "scan": 1, "two_hop": 2, "plain": 3}
PLAIN_FROM = 0.05
Mask = np.ndarray


@dataclasses.dataclass(frozen=True)
class Case:
    """Queries, a mask for each, and the distance of its tenth nearest matching row."""

    queries: np.ndarray
    masks: list[Mask]
    bounds: np.ndarray


def random_masks(data: Dataset, share: float, queries: np.ndarray) -> list[Mask]:
    """One mask of random rows, for all queries."""
    rng = np.random.default_rng(round(share * 1e4))
    mask = np.zeros(len(data.base), bool)
    mask[rng.choice(len(mask), max(K, round(share * len(mask))), replace=False)] = True
    return [mask] * len(queries)


def cluster_masks(data: Dataset, share: float, queries: np.ndarray, *, far: bool) -> list[Mask]:
    """The rows nearest to each query, or to the row that is farthest from it."""
    rows = unit(data.base)
    count = max(K, round(share * len(rows)))
    masks = []
    for query in unit(queries):
        center = rows[np.argmin(rows @ query)] if far else query
        mask = np.zeros(len(rows), bool)
        mask[np.argpartition(-(rows @ center), count - 1)[:count]] = True
        masks.append(mask)
    return masks


KINDS: dict[str, Callable[..., list[Mask]]] = {
    "random": random_masks,
    "near": lambda *a: cluster_masks(*a, far=False),
    "far": lambda *a: cluster_masks(*a, far=True),
}


def case_of(data: Dataset, kind: str, share: float, queries: np.ndarray) -> Case:
    """Masks of one kind and the truth under them."""
    masks = KINDS[kind](data, share, queries)
    rows = unit(data.base)
    bounds = [
        np.partition((1 - rows @ query)[mask], K - 1)[K - 1]
        for query, mask in zip(unit(queries), masks, strict=True)
    ]
    return Case(queries, masks, np.array(bounds))


def search(
    index: springg.Index, queries: np.ndarray, mask: Mask, way: str, kind: Any = springg.Hits
) -> Any:
    """One call on one thread."""
    core: Any = index._core
    return _core.search(core, queries, K, None, WAYS[way], None, mask, 0, None, 1, kind)


def ways_at(share: float) -> list[str]:
    """The ways worth measuring at a selectivity."""
    return [way for way in WAYS if way != "plain" or share >= PLAIN_FROM]


def measured(index: springg.Index, case: Case, ways: list[str], rounds: int) -> dict[str, Any]:
    """Recall, hits and microseconds of every way, a query a call."""
    taken = {way: np.empty(rounds) for way in ways}
    near = dict.fromkeys(ways, 0)
    least = dict.fromkeys(ways, K)
    distances = dict.fromkeys(ways, 0)
    for turn in range(-1, rounds):  # the first is a warm-up, and says what is found
        # All queries one way, then another: what a stream of them finds in the caches.
        for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
            begin = time.perf_counter()
            answers = [
                search(index, query, mask, way)
                for query, mask in zip(case.queries, case.masks, strict=True)
            ]
            if turn >= 0:
                taken[way][turn] = time.perf_counter() - begin
                continue
            for hits, bound in zip(answers, case.bounds, strict=True):
                near[way] += int((hits.distances <= bound + 1e-3).sum())
                least[way] = min(least[way], len(hits))
                distances[way] += hits.distances_computed
    wanted = K * len(case.queries)
    result: dict[str, Any] = {
        way: {
            "us": round(float(np.median(taken[way])) / len(case.queries) * 1e6, 1),
            "recall": round(near[way] / wanted, 4),
            "least_hits": least[way],
            "distances": distances[way] // len(case.queries),
        }
        for way in ways
    }
    forced = [way for way in ways if way != "chosen" and near[way] >= RECALL * wanted]
    best = min(forced, key=lambda way: result[way]["us"])
    ratios = taken["chosen"] / taken[best]
    result["best"] = best
    result["ratio"] = {name: round(x, 3) for name, x in spread(ratios.tolist()).items()}
    return result


def measured_batch(
    index: springg.Index, case: Case, ways: list[str], rounds: int
) -> dict[str, Any]:
    """The same of one call with all queries and one mask."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    recall = {}
    for turn in range(rounds + 1):
        for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
            begin = time.perf_counter()
            hits = springg.BatchHits(search(index, case.queries, case.masks[0], way))
            if turn != 0:
                taken[way].append(time.perf_counter() - begin)
            recall[way] = float((hits.distances <= case.bounds[:, None] + 1e-3).mean())
    best = min(
        (way for way in ways if way != "chosen" and recall[way] >= RECALL),
        key=lambda way: statistics.median(taken[way]),
    )
    micro = 1e6 / len(case.queries)
    result: dict[str, Any] = {
        way: {
            "us": round(statistics.median(taken[way]) * micro, 1),
            "recall": round(recall[way], 4),
        }
        for way in ways
    }
    ratios = [a / b for a, b in zip(taken["chosen"], taken[best], strict=True)]
    result["best"] = best
    result["ratio"] = {name: round(x, 3) for name, x in spread(ratios).items()}
    return result


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=pathlib.Path, default=DATA / "dictionary-minilm-384")
    parser.add_argument(
        "--quantization", default="none", choices=("none", "int8", "int4", "rabitq")
    )
    parser.add_argument(
        "--queries",
        type=int,
        default=100,
        help="of those that come a call each; four times as many in a batch",
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--kinds", default="random,near,far,batch")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = cosine_set(arguments.set)
    db = springg.open(":memory:")
    index = db.create_index("a", data.base.shape[1], quantization=arguments.quantization)
    index.add(np.arange(len(data.base)), data.base)
    index.optimize()
    results: dict[str, Any] = {}
    for kind in arguments.kinds.split(","):
        results[kind] = {}
        for share in SELECTIVITIES:
            if kind == "batch":
                case = case_of(data, "random", share, data.queries[: 4 * arguments.queries])
                found = measured_batch(index, case, ways_at(share), 5)
            else:
                case = case_of(data, kind, share, data.queries[: arguments.queries])
                found = measured(index, case, ways_at(share), arguments.rounds)
            results[kind][str(share)] = found
            print(kind, share, found, file=sys.stderr, flush=True)
    report(
        "filters",
        {"set": data.name, "quantization": arguments.quantization, "k": K, "results": results},
        arguments.output,
    )


if __name__ == "__main__":
    main()
