# SPDX-License-Identifier: MIT
"""voyager: Spotify's HNSW, with float32 or 8-bit rows."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import voyager

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Voyager(Peer):
    """HNSW over float32; its 8-bit storage was slower and stopped short of .97, so it is out."""

    name = "voyager"
    distribution = "voyager"
    metrics = frozenset({"cosine", "dot", "l2"})
    ef = 10

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
        space = voyager.Space.Euclidean if metric == "l2" else voyager.Space.InnerProduct
        self.index: Any = voyager.Index(
            space, base.shape[1], random_seed=1, max_elements=len(base), **self.options
        )
        self.index.add_items(base, num_threads=threads)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`query_ef`."""
        return {"query_ef": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """Kept for the calls."""
        del threads
        assert isinstance(setting, int)
        self.ef = setting

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`query` of one row."""
        return self.index.query(query, k, query_ef=self.ef)[0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`query` of all rows."""
        return self.index.query(queries, k, num_threads=threads, query_ef=self.ef)[0]

    def save(self, folder: pathlib.Path) -> bool:
        """`save`."""
        self.index.save(str(folder / "index"))
        return True
