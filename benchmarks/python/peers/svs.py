# SPDX-License-Identifier: MIT
"""Scalable Vector Search: Vamana over float16 rows, and over LVQ codes where the CPU is allowed."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import svs

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder


class Svs(Peer):
    """`Vamana`. LVQ runs on Intel's processors alone: elsewhere its builds fail, and say so."""

    name = "svs"
    distribution = "scalable-vs"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """float16 rows, and LVQ with and without residuals."""
        del shape
        graph = {"graph_max_degree": 32, "window_size": 200}
        return [
            {"rows": "float16", **graph},
            {"rows": "lvq", "primary": 4, "residual": 8, **graph},
            {"rows": "lvq", "primary": 8, "residual": 0, **graph},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Build the graph; LVQ reads its rows from a file, which is written here too."""
        distance = svs.DistanceType.MIP if metric == "dot" else svs.DistanceType.L2
        parameters = svs.VamanaBuildParameters(
            alpha=0.95 if metric == "dot" else 1.2,
            graph_max_degree=self.options["graph_max_degree"],
            window_size=self.options["window_size"],
        )
        with tempfile.TemporaryDirectory() as folder:
            rows: Any = base.astype(np.float16)
            if self.options["rows"] == "lvq":
                path = str(pathlib.Path(folder) / "rows.fvecs")
                svs.write_vecs(base, path)
                rows = svs.LVQLoader(
                    svs.VectorDataLoader(path, svs.DataType.float32, base.shape[1]),
                    primary=self.options["primary"],
                    residual=self.options["residual"],
                )
            self.index: Any = svs.Vamana.build(parameters, rows, distance, num_threads=threads)
        self.index.num_threads = 1

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`search_window_size`."""
        return {"search_window_size": ladder(k)}

    def set(self, setting: Setting, threads: int) -> None:
        """The window, and the threads: a pool that is the index's own."""
        self.index.search_window_size = setting
        if self.index.num_threads != threads:
            self.index.num_threads = threads

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search` of one row."""
        return self.index.search(query, k)[0][0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`search` of all rows; the threads were set."""
        del threads
        return self.index.search(queries, k)[0]

    def save(self, folder: pathlib.Path) -> bool:
        """`save`: settings, graph and rows."""
        self.index.save(*(str(folder / part) for part in ("settings", "graph", "rows")))
        return True

    def close(self) -> None:
        """End the index's threads."""
        self.index.num_threads = 1
