# SPDX-License-Identifier: MIT
"""Where the database lies and how its index is built and searched, as VectorDBBench keeps it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from vectordb_bench.backend.clients.api import DBCaseConfig, DBConfig, MetricType

METRICS = {
    MetricType.COSINE: "cosine",
    MetricType.L2: "l2",
    MetricType.IP: "dot",
    MetricType.DP: "dot",
}


class SpringgConfig(DBConfig):  # type: ignore[misc]  # VectorDBBench is not in this environment
    """A directory, and what a write survives: "disk", "process" or "buffered"."""

    path: str
    durability: str = "disk"

    def to_dict(self) -> dict[str, Any]:
        """What the client gets as `db_config`."""
        return {"path": self.path, "durability": self.durability}


class SpringgIndexConfig(BaseModel, DBCaseConfig):  # type: ignore[misc]
    """Arguments of `create_index` and of `search`.

    VectorDBBench sets `metric_type` to that of its data set. `ef_search` None is springg's choice.
    """

    metric_type: MetricType | None = None
    m: int = 16
    ef_construction: int = 200
    quantization: str = "auto"
    dtype: str = "float32"
    ef_search: int | None = None

    def index_param(self) -> dict[str, Any]:
        """Arguments of `create_index`; `ValueError` for a metric that springg does not have."""
        metric = self.metric_type or MetricType.COSINE
        if metric not in METRICS:
            known = ", ".join(METRICS)
            raise ValueError(f"springg has no metric for {metric}: expected one of {known}")
        return {
            "metric": METRICS[metric],
            "m": self.m,
            "ef_construction": self.ef_construction,
            "quantization": self.quantization,
            "dtype": self.dtype,
        }

    def search_param(self) -> dict[str, Any]:
        """Arguments of `search`."""
        return {"ef": self.ef_search}
