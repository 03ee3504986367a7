# SPDX-License-Identifier: MIT
"""The dictionary set kept as float32, int8 and binary: queries/s, recall, build and bytes a row.

float32 and int8 (unit rows, each element times 127 over the greatest of all, rounded) are judged by
the set's own cosine distances; binary (the sign of each element) by exact hamming distances, which
is what an index of it answers, and beside that by cosine. One query a call on one thread through
Python; the sides take turns.
"""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any

import numpy as np
from measure import Dataset, dictionary, report, seconds, spread, unit

import springg

EFS = (16, 32, 64, 128, 256)
TARGETS = (0.95, 0.99)


def kept_as(data: Dataset, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows and queries in the form that an index of the dtype takes."""
    if dtype == "float32":
        return data.base, data.queries
    if dtype == "binary":
        return np.packbits(data.base > 0, axis=1), np.packbits(data.queries > 0, axis=1)
    base, queries = unit(data.base), unit(data.queries)
    factor = 127 / np.abs(base).max()
    return tuple(np.clip(np.rint(x * factor), -128, 127).astype(np.int8) for x in (base, queries))


class Side:
    """One index with its queries."""

    def __init__(self, db: springg.Database, data: Dataset, dtype: str) -> None:
        rows, self.queries = kept_as(data, dtype)
        self.dtype, self.data = dtype, data
        self.index = db.create_index(dtype, data.base.shape[1], dtype=dtype)
        begin = time.perf_counter()
        self.index.add(np.arange(len(rows)), rows)
        self.index.optimize()
        self.build_seconds = time.perf_counter() - begin
        self.exact = self.index.search(self.queries, 10, exact=True, include=())

    def by_cosine(self, keys: np.ndarray) -> float:
        """Share of the ten nearest by cosine of the float32 rows."""
        return self.data.recall(self.data.cosine_distances(keys.astype(np.int64)))

    def own_recall(self, ef: int) -> float:
        """Share of what an exact search of this index finds."""
        found = self.index.search(self.queries, 10, ef=ef, include=())
        return float((found.distances <= self.exact.distances[:, 9:10]).mean())

    def pass_seconds(self, ef: int) -> float:
        """All queries, one a call."""
        search, queries = self.index.search, self.queries
        return seconds(lambda: [search(query, 10, ef=ef, include=()) for query in queries])

    def least_ef(self, target: float) -> int:
        """The least width whose own recall reaches the target."""
        return next(ef for ef in range(10, 4097, 2) if self.own_recall(ef) >= target)


def measure(sides: list[Side], pairs: int) -> dict[str, Any]:
    """Queries/s of all sides in turns, with the recall of each."""
    result: dict[str, Any] = {}
    for side in sides:
        stats = side.index.stats()["bytes"]
        result[side.dtype] = {
            "build_seconds": side.build_seconds,
            "vector_bytes_per_row": stats["vectors"] / len(side.index),
            "graph_bytes_per_row": stats["graph"] / len(side.index),
            "bytes_per_row_without_ids": (stats["total"] - stats["ids"]) / len(side.index),
            "recall_of_exact_by_cosine": side.by_cosine(side.exact.keys),
            "own_recall_by_ef": {str(ef): side.own_recall(ef) for ef in EFS},
        }
    for target in TARGETS:
        efs = {side.dtype: side.least_ef(target) for side in sides}
        speeds: dict[str, list[float]] = {side.dtype: [] for side in sides}
        for turn in range(pairs + 1):
            for side in sides if turn % 2 else sides[::-1]:
                taken = side.pass_seconds(efs[side.dtype])
                if turn:
                    speeds[side.dtype].append(len(side.queries) / taken)
        for side in sides:
            mine = speeds[side.dtype]
            ratios = [a / b for a, b in zip(mine, speeds["float32"], strict=True)]
            result[side.dtype][f"at_{target}"] = {
                "ef": efs[side.dtype],
                "queries_per_second": spread(mine),
                "over_float32": spread(ratios),
            }
    return result


def exact_speed(sides: list[Side], pairs: int) -> dict[str, Any]:
    """Milliseconds of one exact query, and of one of a batch, on one thread, in turns."""
    one: dict[str, list[float]] = {side.dtype: [] for side in sides}
    many: dict[str, list[float]] = {side.dtype: [] for side in sides}
    for turn in range(pairs + 1):
        for side in sides if turn % 2 else sides[::-1]:
            options: dict[str, Any] = {"exact": True, "threads": 1, "include": ()}
            some = side.queries[:20]
            a = seconds(lambda s=side, q=some, o=options: [s.index.search(x, 10, **o) for x in q])
            b = seconds(lambda s=side, o=options: s.index.search(s.queries[:200], 10, **o))
            if turn:
                one[side.dtype].append(a / 20 * 1e3)
                many[side.dtype].append(b / 200 * 1e3)
    return {
        side.dtype: {"single_ms": spread(one[side.dtype]), "batch_ms": spread(many[side.dtype])}
        for side in sides
    }


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    with springg.open(":memory:") as db:
        sides = [Side(db, data, dtype) for dtype in ("float32", "int8", "binary")]
        result = measure(sides, arguments.pairs)
        exact = exact_speed(sides, arguments.pairs)
    report("dtypes", {"set": data.name, "dtypes": result, "exact": exact}, arguments.output)


if __name__ == "__main__":
    main()
