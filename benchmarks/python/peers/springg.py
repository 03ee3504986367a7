# SPDX-License-Identifier: MIT
"""springg itself: one segment in memory, searched through the package as a user would.

A database in memory has no files, so that it has no file size here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import springg
from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Springg(Peer):
    """An index of one segment; `quantization` is whatever `compare.py --quantization` says."""

    name = "springg"
    distribution = "springg"
    metrics = frozenset({"cosine", "dot", "l2"})
    ef = 10

    @classmethod
    def version(cls) -> str:
        """The package's own word: in a checkout it may not be installed."""
        return springg.__version__

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """The usual graph, one with more links, and one with fewer."""
        del shape
        return [
            {"m": 16, "ef_construction": 200},
            {"m": 24, "ef_construction": 400},
            {"m": 12, "ef_construction": 400},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Add every row, then `optimize`: one segment."""
        self.database: Any = springg.open(":memory:", threads=threads)
        self.index: Any = self.database.create_index(
            "rows", base.shape[1], metric=metric, **self.options
        )
        self.index.add(np.arange(len(base)), base)
        self.index.optimize()

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`ef`."""
        return {"ef": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """Kept for the calls."""
        del threads
        assert isinstance(setting, int)
        self.ef = setting

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search` of one row, up to the list of ids."""
        return self.index.search(query, k, ef=self.ef, include=()).ids

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`search` of all rows, up to the lists of ids."""
        found = self.index.search(queries, k, ef=self.ef, include=(), threads=threads)
        return found.ids

    def close(self) -> None:
        """Close the database."""
        self.database.close()
