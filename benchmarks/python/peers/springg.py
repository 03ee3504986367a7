# SPDX-License-Identifier: MIT
"""springg itself: one segment in memory, searched through the package as a user would.

A database in memory has no files: for their size the rows go once more into one in a directory.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import springg
from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Springg(Peer):
    """An index of one segment; `OURS` in `peers/__init__.py` adds `quantization` to a build."""

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
        self.metric, self.threads = metric, threads
        self.database: Any = springg.open(":memory:", threads=threads)
        self.index = self._fill(self.database, np.arange(len(base)), base)

    def _fill(self, database: Any, ids: npt.NDArray[Any], rows: Matrix) -> Any:
        index = database.create_index("rows", rows.shape[1], metric=self.metric, **self.options)
        index.add(ids, rows)
        index.optimize()
        return index

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
        """`search` of all rows, up to the array of ids."""
        found = self.index.search(queries, k, ef=self.ef, include=(), threads=threads)
        return found.keys

    def save(self, folder: pathlib.Path) -> bool:
        """The same index in a directory, flushed and closed: segment, manifest, empty log."""
        with springg.open(folder / "index", threads=self.threads) as database:
            self._fill(database, np.asarray(self.index.ids, np.uint64), self.index.vectors)
        return True

    def close(self) -> None:
        """Close the database."""
        self.database.close()
