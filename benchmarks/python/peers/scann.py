# SPDX-License-Identifier: MIT
"""ScaNN: a tree of partitions, 4-bit codes trained for inner products, then an exact re-rank."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scann

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, geometric


class Scann(Peer):
    """The knob is the number of leaves, the options how many rows are re-ranked."""

    name = "scann"
    distribution = "scann"
    metrics = frozenset({"cosine", "dot", "l2"})
    leaves = 1
    reorder = 10

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """Three numbers of partitions; its authors advise about the root of the rows."""
        leaves = [max(1, round(factor * math.sqrt(shape.rows))) for factor in (1, 4, 2)]
        return [{"num_leaves": count, "dimensions_per_block": 2} for count in leaves]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Train the tree and the codes."""
        distance = "squared_l2" if metric == "l2" else "dot_product"
        builder = scann.scann_ops_pybind.builder(base, 10, distance)
        self.index: Any = (
            builder.tree(
                num_leaves=self.options["num_leaves"],
                num_leaves_to_search=10,
                training_sample_size=min(len(base), 250_000),
            )
            .score_ah(
                self.options["dimensions_per_block"],
                anisotropic_quantization_threshold=math.nan if metric == "l2" else 0.2,
            )
            .reorder(100)
            .set_n_training_threads(threads)
            .build()
        )

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """Leaves, for each of three numbers of rows that are re-ranked."""
        leaves = geometric(1, self.options["num_leaves"], 1.05)
        return {f"reorder {times * k}": [(n, times * k) for n in leaves] for times in (4, 10, 30)}

    def set(self, setting: Setting, threads: int) -> None:
        """Both, and the threads of the parallel call."""
        assert isinstance(setting, tuple)
        self.leaves, self.reorder = (int(part) for part in setting)
        self.index.set_num_threads(threads)

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search`."""
        return self.index.search(query, k, self.reorder, self.leaves)[0]

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`search_batched`, or its parallel form with a share of the queries for each thread."""
        if threads == 1:
            return self.index.search_batched(queries, k, self.reorder, self.leaves)[0]
        share = max(1, min(256, len(queries) // threads))
        return self.index.search_batched_parallel(
            queries, k, self.reorder, self.leaves, batch_size=share
        )[0]

    def save(self, folder: pathlib.Path) -> bool:
        """`serialize`."""
        self.index.serialize(str(folder))
        return True
