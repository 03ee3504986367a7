# SPDX-License-Identifier: MIT
"""VSAG's HGraph: a graph walked over scalar codes, then re-ranked by the float32 rows."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvsag

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Vsag(Peer):
    """`hgraph`; the wheel has no batch call."""

    name = "vsag"
    distribution = "pyvsag"
    metrics = frozenset({"cosine", "dot", "l2"})
    parameters = ""

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """Both forms of 8-bit codes, and a denser graph."""
        del shape
        sq8 = {"base_quantization_type": "sq8", "max_degree": 32, "ef_construction": 200}
        return [
            sq8,
            {**sq8, "base_quantization_type": "sq8_uniform"},
            {**sq8, "base_quantization_type": "sq8_uniform", "max_degree": 48},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """One call that adds every row; ids are row numbers."""
        rows, dimensions = base.shape
        parameters = {
            "dtype": "float32",
            "metric_type": "l2" if metric == "l2" else "ip",
            "dim": dimensions,
            "index_param": {
                **self.options,
                "use_reorder": True,
                "precise_quantization_type": "fp32",
                "build_thread_count": threads,
            },
        }
        self.index: Any = pyvsag.Index("hgraph", json.dumps(parameters))
        self.index.build(base.ravel(), np.arange(rows), rows, dimensions)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`ef_search`, which it takes up to 1,000."""
        return {"ef_search": ladder(k, 1000)}

    def set(self, setting: Setting, threads: int) -> None:
        """The text of the parameters, which each call takes, is made here."""
        del threads
        self.parameters = json.dumps({"hgraph": {"ef_search": setting}})

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`knn_search`."""
        return self.index.knn_search(query, k, self.parameters)[0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """None: there is no such call."""
        del queries, k, threads
        return None

    def save(self, folder: pathlib.Path) -> bool:
        """`save`."""
        self.index.save(str(folder / "index"))
        return True
