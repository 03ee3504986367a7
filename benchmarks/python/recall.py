# SPDX-License-Identifier: MIT
"""Recall of a search that names no setting, on rows of many shapes.

Plain Gaussian rows have no structure at all, which is the hardest case; clustered ones (a mixture
of Gaussians) are like embeddings. Queries come from the rows' distribution and are none of them.
Truth is exact search. Beside recall stand the distances that a query took and, for scale, the rows.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
from measure import report, seconds

import springg

QUERIES = 200
K = 10
# The exact answers of a million rows take a while; more elements than this are not tried.
ELEMENTS_MAX = 160_000_000


def gaussian(rng: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """Rows without structure."""
    return rng.standard_normal((rows, dimensions), dtype=np.float32)


def clustered(rng: np.random.Generator, rows: int, dimensions: int) -> np.ndarray:
    """A mixture of as many Gaussians as the root of the rows, each as wide as half a gap."""
    centers = rng.standard_normal((max(1, int(rows**0.5)), dimensions), dtype=np.float32)
    result = centers[rng.integers(len(centers), size=rows)]
    result += 0.5 * rng.standard_normal((rows, dimensions), dtype=np.float32)
    return result


KINDS = {"gaussian": gaussian, "clustered": clustered}


def shapes(rows: list[int], dimensions: list[int], kinds: list[str]) -> Iterator[tuple]:
    """Kind, rows and dimensions of every case."""
    for kind in kinds:
        for n in rows:
            for d in dimensions:
                plain_limit = 100_000 if kind == "gaussian" else sys.maxsize
                if n <= plain_limit and n * d <= ELEMENTS_MAX:
                    yield kind, n, d


def measure(kind: str, rows: int, dimensions: int, metric: str) -> dict[str, object]:
    """One case."""
    rng = np.random.default_rng(rows + dimensions)
    everything = KINDS[kind](rng, rows + QUERIES, dimensions)
    base, queries = everything[:rows], everything[rows:]
    with springg.open(":memory:") as db:
        index = db.create_index("rows", dimensions, metric=metric)

        def fill() -> None:
            index.add(np.arange(rows), base)
            index.optimize()

        build = seconds(fill)
        found = index.search(queries, K, include=())
        return {
            "rows": kind,
            "count": rows,
            "dimensions": dimensions,
            "metric": metric,
            "recall_at_10": index.recall(queries, K),
            "hits": int(found.counts.sum()),
            "distances_a_query": round(found.distances_computed / QUERIES),
            "build_seconds": round(build, 2),
        }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 10, 1_000, 20_000, 100_000])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[16, 128, 768, 3072])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--metric", default="l2", choices=["cosine", "dot", "l2"])
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    cases = []
    for case in shapes(arguments.rows, arguments.dimensions, arguments.kinds):
        cases.append(measure(*case, arguments.metric))
        print(cases[-1], file=sys.stderr, flush=True)
    worst = min(cases, key=lambda case: case["recall_at_10"])
    report("recall", {"worst": worst, "cases": cases}, arguments.output)


if __name__ == "__main__":
    main()
