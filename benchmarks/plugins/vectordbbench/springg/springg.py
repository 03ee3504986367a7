# SPDX-License-Identifier: MIT
"""springg behind VectorDBBench's `VectorDB`: a directory, one writer, any number of readers.

VectorDBBench copies the client into the processes that insert, optimise and search. springg has one
writing process at a time: a client opens the directory to write when it is first told to insert or
to optimise, and read-only when it is first told to search. So the searching processes run beside
the inserting one (streaming cases), and follow it within 100 ms.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from vectordb_bench.backend.clients.api import VectorDB
from vectordb_bench.backend.clients.springg.config import SpringgIndexConfig
from vectordb_bench.backend.filter import Filter, FilterOp
from vectordb_bench.backend.payload import PayloadProfile

import springg

LABEL = "label"  # the metadata that label filters ask for


class Springg(VectorDB):  # type: ignore[misc]  # VectorDBBench is not in this environment
    """An index of a database in a directory."""

    name = "springg"
    thread_safe = True
    supported_filter_types: ClassVar[list[FilterOp]] = [
        FilterOp.NonFilter,
        FilterOp.NumGE,
        FilterOp.StrEqual,
    ]

    def __init__(
        self,
        dim: int,
        db_config: dict[str, Any],
        db_case_config: SpringgIndexConfig,
        collection_name: str = "vector_bench_test",
        drop_old: bool = False,
        with_scalar_labels: bool = False,
        **kwargs: Any,
    ) -> None:
        """With `drop_old` an index of that name goes, and a new one is there afterwards."""
        del kwargs  # what other databases take
        self._path: str = db_config["path"]
        self._durability: str = db_config["durability"]
        self._collection = collection_name
        self._with_labels = with_scalar_labels
        self._ef: int | None = db_case_config.search_param()["ef"]
        self._filter: Filter | None = None
        self._forget()
        if drop_old:
            with springg.open(self._path, durability=self._durability) as database:
                if collection_name in database:
                    database.drop_index(collection_name)
                database.create_index(collection_name, dim, **db_case_config.index_param())

    def __getstate__(self) -> dict[str, Any]:
        """What goes into another process: no open database, and no lock."""
        gone = {"_lock": None, "_database": None, "_index": None, "_mask": None}
        return self.__dict__ | gone

    def __deepcopy__(self, memo: dict[int, Any]) -> Springg:
        """A copy that has opened nothing."""
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy.__dict__.update(self.__getstate__())
        return copy

    @contextmanager
    def init(self) -> Iterator[None]:
        """The time in which the other calls may be made; closes what they have opened."""
        self._lock = threading.Lock()
        try:
            yield
        finally:
            if self._database is not None:
                self._database.close()
            self._forget()

    def insert_embeddings(
        self,
        embeddings: list[list[float]],
        metadata: list[int],
        labels_data: list[str] | None = None,
        tenant_labels_data: list[str] | None = None,
        **kwargs: Any,
    ) -> tuple[int, Exception | None]:
        """Add rows under the ids in `metadata`; the number, and the error that prevented them.

        All rows of a call are added or none, so that VectorDBBench may try again.
        """
        del tenant_labels_data, kwargs
        rows = np.asarray(embeddings, np.float32)
        labels = {LABEL: labels_data} if self._with_labels and labels_data is not None else None
        try:
            return self._opened(write=True).add(metadata, rows, labels), None
        except springg.SpringgError as error:
            return 0, error

    def optimize(self, data_size: int | None = None) -> None:
        """Make one segment of all, laid out for search."""
        del data_size
        self._opened(write=True).optimize()

    def prepare_filter(self, filters: Filter) -> None:
        """Search under this filter from now on; its rows are found once, here, within `init`."""
        if filters.type not in self.supported_filter_types:
            raise ValueError(f"springg has no filter {filters.type}")
        self._filter = filters
        self._mask = None
        if self._lock is not None:  # VectorDBBench also calls this before `init`
            self._mask = self._mask_of(self._opened(), filters)

    def search_embedding(
        self,
        query: list[float],
        k: int = 100,
        payload_profile: PayloadProfile = PayloadProfile.IDS_ONLY,
        tenant: str | None = None,
    ) -> list[int]:
        """Ids of the k nearest rows that the filter lets through, nearest first."""
        del payload_profile, tenant
        index = self._opened()
        if self._mask is None and self._filter is not None:
            self._mask = self._mask_of(index, self._filter)
        vector = np.asarray(query, np.float32)
        found = index.search(vector, k, ef=self._ef, filter=self._mask, include=())
        ids: list[int] = found.ids
        return ids

    def _forget(self) -> None:
        self._lock: threading.Lock | None = None
        self._database: Any = None
        self._index: Any = None
        self._writes = False
        self._mask: npt.NDArray[np.bool_] | None = None

    def _opened(self, write: bool = False) -> Any:
        """The index, opened on first use; a reader becomes the writer when it has to write."""
        if self._index is not None and self._writes >= write:
            return self._index
        if self._lock is None:
            raise RuntimeError("call init() before")
        with self._lock:
            if self._index is None or self._writes < write:
                if self._database is not None:
                    self._database.close()
                options = {"durability": self._durability} if write else {"read_only": True}
                self._database = springg.open(self._path, **options)
                self._index = self._database[self._collection]
                self._writes = write
            return self._index

    @staticmethod
    def _mask_of(index: Any, filters: Filter) -> npt.NDArray[np.bool_] | None:
        """Which rows pass, in the order of `index.ids`; None for all."""
        if filters.type == FilterOp.NonFilter:
            return None
        ids = np.asarray(index.ids, np.int64)
        if filters.type == FilterOp.NumGE:
            passing: npt.NDArray[np.bool_] = ids >= filters.int_value
            return passing
        labelled = [
            record.id
            for records in index.scan(include=("metadata",))
            for record in records
            if (record.metadata or {}).get(LABEL) == filters.label_value
        ]
        return np.isin(ids, np.asarray(labelled, np.int64))
