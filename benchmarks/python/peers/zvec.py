# SPDX-License-Identifier: MIT
"""zvec: HNSW over 8-bit codes, with an exact re-rank, read-only with the ids it numbers itself."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zvec

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape, ladder

INSERT = 1000  # documents a call


class Zvec(Peer):
    """A collection in a folder, opened again as a reader: that is its fastest call."""

    name = "zvec"
    distribution = "zvec"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """7-bit codes (Euclidean alone: unit rows are searched so) and int8, two degrees."""
        uniform = "INT8" if shape.metric == "dot" else "UNIFORM_UINT7"
        return [
            {"quantize_type": uniform, "m": 16, "ef_construction": 200},
            {"quantize_type": "INT8", "m": 16, "ef_construction": 400},
            {"quantize_type": uniform, "m": 32, "ef_construction": 400},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Insert documents, optimise, close, open as a reader."""
        zvec.init(query_threads=threads, optimize_threads=threads)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="zvec-"))
        parameters = zvec.HnswIndexParam(
            metric_type=zvec.MetricType.IP if metric == "dot" else zvec.MetricType.L2,
            m=self.options["m"],
            ef_construction=self.options["ef_construction"],
            quantize_type=getattr(zvec.QuantizeType, self.options["quantize_type"]),
            use_contiguous_memory=True,
            use_flat_contiguous_memory=True,
        )
        vectors = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, base.shape[1], parameters)
        path = str(self.folder / "collection")
        schema = zvec.CollectionSchema("rows", fields=[], vectors=[vectors])
        writer = zvec.create_and_open(path, schema)
        for begin in range(0, len(base), INSERT):
            rows = range(begin, min(begin + INSERT, len(base)))
            writer.insert([zvec.Doc(id=str(i), vectors={"v": base[i]}) for i in rows])
        writer.optimize(zvec.OptimizeOption(concurrency=threads))
        writer.flush()
        writer.close()
        self.collection: Any = zvec.open(path, zvec.CollectionOption(read_only=True))
        # Its own numbers must be those of the rows; the re-computed recall would show it if not.
        assert self.collection.resolve_internal_ids([0, len(base) - 1]) == ["0", str(len(base) - 1)]

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`ef`, without and with the re-rank by float32 rows."""
        return {
            "codes alone": [(ef, 0) for ef in ladder(k, 2048)],
            "re-ranked": [(ef, 1) for ef in ladder(k, 2048)],
        }

    def set(self, setting: Setting, threads: int) -> None:
        """The parameter object, which each call takes, is made here."""
        del threads
        assert isinstance(setting, tuple)
        ef, refine = setting
        self.parameter: Any = zvec.HnswQueryParam(ef=ef, is_using_refiner=bool(refine))

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`query_internal_ids`."""
        query_object = zvec.Query("v", vector=query, param=self.parameter)
        return self.collection.query_internal_ids(query_object, topk=k)

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """None: there is no call for many independent queries."""
        del queries, k, threads
        return None

    def save(self, folder: pathlib.Path) -> bool:
        """A copy of the collection's folder, which holds the float32 rows too."""
        shutil.copytree(self.folder, folder / "index")
        return True

    def close(self) -> None:
        """Close it and remove its folder."""
        self.collection.close()
        shutil.rmtree(self.folder, ignore_errors=True)
