# SPDX-License-Identifier: MIT
"""hnswlib: the graph index that every other is compared with; compiled by pip for this machine."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import hnswlib
import numpy as np
import numpy.typing as npt

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Hnswlib(Peer):
    """HNSW over float32 rows; inner product for cosine sets, whose rows have unit length."""

    name = "hnswlib"
    distribution = "hnswlib"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """The usual graph, one with more links, and one with fewer."""
        del shape
        return [
            {"M": 16, "ef_construction": 200},
            {"M": 32, "ef_construction": 400},
            {"M": 12, "ef_construction": 400},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """One call that adds every row."""
        space = "l2" if metric == "l2" else "ip"
        self.index: Any = hnswlib.Index(space=space, dim=base.shape[1])
        self.index.init_index(max_elements=len(base), random_seed=1, **self.options)
        self.index.add_items(base, num_threads=threads)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`ef`."""
        return {"ef": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """`set_ef`."""
        self.index.set_ef(setting)
        self.index.set_num_threads(threads)

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`knn_query` of one row."""
        return self.index.knn_query(query, k)[0][0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`knn_query` of all rows."""
        return self.index.knn_query(queries, k, num_threads=threads)[0]

    def save(self, folder: pathlib.Path) -> bool:
        """`save_index`."""
        self.index.save_index(str(folder / "index"))
        return True
