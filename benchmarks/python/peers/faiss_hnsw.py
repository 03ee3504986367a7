# SPDX-License-Identifier: MIT
"""faiss, HNSW: over float32 rows, or over 8-bit codes whose answers are taken as they are."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class FaissHnsw(Peer):
    """`IndexHNSWFlat` and `IndexHNSWSQ`."""

    name = "faiss_hnsw"
    distribution = "faiss-cpu"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """The usual graph over 8-bit codes and over float32, and a thinner one."""
        del shape
        return [
            {"factory": "HNSW32,SQ8", "ef_construction": 200},
            {"factory": "HNSW32,Flat", "ef_construction": 200},
            {"factory": "HNSW16,Flat", "ef_construction": 400},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Train the codes where there are some, add every row."""
        faiss.omp_set_num_threads(threads)
        space = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.index: Any = faiss.index_factory(base.shape[1], self.options["factory"], space)
        self.index.hnsw.efConstruction = self.options["ef_construction"]
        self.index.train(base)
        self.index.add(base)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`efSearch`."""
        return {"efSearch": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """`efSearch`, and OpenMP's threads, which are the process's."""
        self.index.hnsw.efSearch = setting
        faiss.omp_set_num_threads(threads)

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search` of a matrix of one row, the only form there is."""
        return self.index.search(query[None], k)[1][0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`search` of all rows; the threads were set."""
        del threads
        return self.index.search(queries, k)[1]

    def save(self, folder: pathlib.Path) -> bool:
        """`write_index`."""
        faiss.write_index(self.index, str(folder / "index"))
        return True
