# SPDX-License-Identifier: MIT
"""RaBitQ-Library's SymphonyQG: a graph whose rows hold 1-bit codes of their neighbors."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import rabitqlib

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Rabitq(Peer):
    """`SymqgIndex`; degrees are multiples of 32."""

    name = "rabitq"
    distribution = "rabitqlib"
    metrics = frozenset({"cosine", "dot", "l2"})
    ef = 10

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """Degree 32, the same with a wider build, and degree 64."""
        del shape
        return [
            {"max_degree": 32, "ef_construction": 200},
            {"max_degree": 32, "ef_construction": 400},
            {"max_degree": 64, "ef_construction": 400},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """One call."""
        space = "ip" if metric == "dot" else "l2"
        self.index: Any = rabitqlib.SymqgIndex(base.shape[1], self.options["max_degree"], space)
        self.index.build(base, self.options["ef_construction"], num_threads=threads)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`ef`."""
        return {"ef": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """Kept for the calls."""
        del threads
        assert isinstance(setting, int)
        self.ef = setting

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search` of a matrix of one row, the only form there is."""
        return self.index.search(query[None], k, self.ef)[0][0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`search_batch`."""
        return self.index.search_batch(queries, k, self.ef, threads)[0]

    def save(self, folder: pathlib.Path) -> bool:
        """`save`."""
        self.index.save(str(folder / "index"))
        return True
