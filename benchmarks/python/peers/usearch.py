# SPDX-License-Identifier: MIT
"""usearch: HNSW over half-precision, brain-float or 8-bit rows."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import usearch.index

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Usearch(Peer):
    """HNSW; float16 rows twice, as they are its best at high recall, and 8-bit rows."""

    name = "usearch"
    distribution = "usearch"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """8-bit rows only hold what lies in -1..1, so that l2 and dot sets get brain floats."""
        narrow = "i8" if shape.metric == "cosine" else "bf16"
        return [
            {"dtype": "f16", "connectivity": 16, "expansion_add": 200},
            {"dtype": "f16", "connectivity": 32, "expansion_add": 400},
            {"dtype": narrow, "connectivity": 32, "expansion_add": 400},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """One call that adds every row; keys are row numbers."""
        space = "l2sq" if metric == "l2" else "ip"
        self.index: Any = usearch.index.Index(ndim=base.shape[1], metric=space, **self.options)
        self.index.add(np.arange(len(base)), base, threads=threads)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`expansion_search`."""
        return {"expansion_search": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """`expansion_search`."""
        del threads
        self.index.expansion_search = setting

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search` of one row."""
        return self.index.search(query, k, threads=1).keys

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`search` of all rows."""
        return self.index.search(queries, k, threads=threads).keys

    def save(self, folder: pathlib.Path) -> bool:
        """`save`."""
        self.index.save(str(folder / "index"))
        return True
