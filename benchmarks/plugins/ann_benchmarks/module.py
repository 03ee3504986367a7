# SPDX-License-Identifier: MIT
"""springg as an algorithm of ann-benchmarks: see the README beside this file.

The interface is ann-benchmarks' `BaseANN` (`ann_benchmarks/algorithms/base/module.py`). Its runner
times `query` on one core, and `batch_query` with `--batch` on all cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from ann_benchmarks.algorithms.base.module import BaseANN

import springg

METRICS = {"angular": "cosine", "euclidean": "l2"}  # ann-benchmarks' names and ours


class Springg(BaseANN):  # type: ignore[misc]  # ann-benchmarks has no types
    """One segment in memory.

    Parameters
    ----------
    metric : str
        ann-benchmarks' name of the set's distance: "angular" or "euclidean".
    build : dict
        Arguments of `create_index`: m, ef_construction, quantization, dtype, seed.

    Raises
    ------
    ValueError
        The metric is none of these.
    """

    def __init__(self, metric: str, build: dict[str, Any]) -> None:
        if metric not in METRICS:
            known = ", ".join(METRICS)
            raise ValueError(f"springg has no metric for {metric!r}: expected one of {known}")
        self._metric = METRICS[metric]
        self._build = dict(build)
        self._ef: int | None = None
        self._found: Any = None
        self._database: Any = None
        self._index: Any = None
        self.name = f"springg({self._words()})"

    def fit(self, X: npt.NDArray[Any]) -> None:  # noqa: N803 - ann-benchmarks' name
        """Build the index of the rows of X (n, d) on all cores; ids are row numbers."""
        rows = np.ascontiguousarray(X, np.float32)
        self.done()
        self._database = springg.open(":memory:")
        self._index = self._database.create_index(
            "rows", rows.shape[1], metric=self._metric, **self._build
        )
        self._index.add(np.arange(len(rows)), rows)
        self._index.optimize()

    def set_query_arguments(self, ef: int) -> None:
        """Search this wide from now on."""
        self._ef = ef
        self.name = f"springg({self._words()}, ef={ef})"

    def query(self, q: npt.NDArray[Any], n: int) -> list[int]:
        """Row numbers of the n nearest to q (d,), nearest first, on the caller's thread."""
        found: list[int] = self._index.search(q, n, ef=self._ef, include=()).ids
        return found

    def batch_query(self, X: npt.NDArray[Any], n: int) -> None:  # noqa: N803
        """Answer all rows of X (nq, d) in one call on all cores; `get_batch_results` has them."""
        self._found = self._index.search(X, n, ef=self._ef, include=())

    def get_batch_results(self) -> list[npt.NDArray[np.uint64]]:
        """Row numbers for each query of the last `batch_query`, nearest first."""
        keys, counts = self._found.keys, self._found.counts
        return [row[:count] for row, count in zip(keys, counts, strict=True)]

    def get_additional(self) -> dict[str, Any]:
        """What ann-benchmarks stores beside the result: bytes of the index, by its own count."""
        return {"springg_bytes": int(self._index.stats()["bytes"]["total"])}

    def done(self) -> None:
        """Close the database."""
        if self._database is not None:
            self._database.close()
        self._database = self._index = self._found = None

    def _words(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self._build.items())
