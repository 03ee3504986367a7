# SPDX-License-Identifier: MIT
"""faiss, fast-scan: inverted lists of 4-bit product codes, then an exact re-rank."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, geometric


class FaissFastScan(Peer):
    """`IndexIVFPQFastScan` under `IndexRefineFlat`: `nprobe` for several `k_factor`."""

    name = "faiss_fastscan"
    distribution = "faiss-cpu"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """Codes of two dimensions each over three numbers of lists."""
        codes = max(m for m in range(1, shape.dimensions // 2 + 1) if shape.dimensions % m == 0)
        lists = [max(1, round(factor * math.sqrt(shape.rows))) for factor in (4, 1, 2)]
        return [{"factory": f"IVF{count},PQ{codes}x4fs,RFlat", "lists": count} for count in lists]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Train the lists and the codes, add every row."""
        faiss.omp_set_num_threads(threads)
        space = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.index: Any = faiss.index_factory(base.shape[1], self.options["factory"], space)
        self.index.train(base)
        self.index.add(base)
        self.lists: Any = faiss.downcast_index(self.index.base_index)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`nprobe` for each of three `k_factor`: the re-rank looks at so many times k rows."""
        del k
        probes = geometric(1, self.options["lists"], 1.05)
        return {f"k_factor {factor}": [(p, factor) for p in probes] for factor in (4, 10, 30)}

    def set(self, setting: Setting, threads: int) -> None:
        """Both, and OpenMP's threads, which are the process's."""
        assert isinstance(setting, tuple)
        self.lists.nprobe, self.index.k_factor = setting
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
