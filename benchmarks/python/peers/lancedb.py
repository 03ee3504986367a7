# SPDX-License-Identifier: MIT
"""LanceDB: a table on disk with an HNSW or inverted-list index over codes."""

from __future__ import annotations

import datetime
import math
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("LANCE_LOG", "error")  # else it warns at every query; read at the import

import lancedb
import pyarrow as pa

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, geometric


class Lancedb(Peer):
    """A table of ids and vectors; its own thread pool answers, on one core in one-thread lanes."""

    name = "lancedb"
    distribution = "lancedb"
    metrics = frozenset({"cosine", "dot", "l2"})
    value = 10
    refine = 1

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """HNSW over 8-bit codes in one partition, over float32, and product codes in lists."""
        lists = max(1, round(math.sqrt(shape.rows)))
        codes = max(m for m in range(1, shape.dimensions // 4 + 1) if shape.dimensions % m == 0)
        graph = {"num_partitions": 1, "m": 20, "ef_construction": 300}
        return [
            {"index_type": "IVF_HNSW_SQ", **graph},
            {"index_type": "IVF_HNSW_FLAT", **graph},
            {"index_type": "IVF_PQ", "num_partitions": lists, "num_sub_vectors": codes},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Write the table, make the index, wait until it is there."""
        del threads  # LANCE_CPU_THREADS, which the harness sets for the process
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lancedb-"))
        self.metric = "l2" if metric == "l2" else "dot"
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(base.ravel()), base.shape[1])
        columns = pa.table({"id": np.arange(len(base)), "vector": vectors})
        self.table: Any = lancedb.connect(str(self.folder)).create_table("rows", columns)
        self.table.create_index(
            metric=self.metric,
            vector_column_name="vector",
            wait_timeout=datetime.timedelta(hours=1),
            **self.options,
        )

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`ef` or `nprobes`, for two factors of the re-rank (`refine_factor`)."""
        if self.options["index_type"] == "IVF_PQ":
            probes = geometric(1, self.options["num_partitions"], 1.1)
            return {f"refine {factor}": [(p, factor) for p in probes] for factor in (4, 10, 30)}
        return {
            f"refine {factor}": [(ef, factor) for ef in geometric(factor * k, 2000, 1.1)]
            for factor in (1, 4)
        }

    def set(self, setting: Setting, threads: int) -> None:
        """Kept for the calls."""
        del threads
        assert isinstance(setting, tuple)
        self.value, self.refine = (int(part) for part in setting)

    def _answer(self, queries: npt.NDArray[np.float32], k: int) -> Any:
        search = self.table.search(queries, vector_column_name="vector").distance_type(self.metric)
        search = search.limit(k).select(["id", "_distance"]).refine_factor(self.refine)
        if self.options["index_type"] == "IVF_PQ":
            return search.nprobes(self.value).to_arrow()
        return search.ef(self.value).to_arrow()

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """A query of one vector, up to the column of ids."""
        return self._answer(query, k)["id"].to_numpy()

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """A query of many vectors; it answers with one table, ordered here by query."""
        del threads
        table = self._answer(queries, k)
        order = np.argsort(table["query_index"].to_numpy(), kind="stable")
        return table["id"].to_numpy()[order].reshape(len(queries), k)

    def save(self, folder: pathlib.Path) -> bool:
        """A copy of the table's folder, which holds the float32 rows too."""
        shutil.copytree(self.folder, folder / "index")
        return True

    def close(self) -> None:
        """Remove its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
