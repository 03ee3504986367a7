# SPDX-License-Identifier: MIT
"""What an index is made of and how it prints: the part of `Index` that reads its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from springg.errors import SpringgError
from springg.types import counted, html_table

if TYPE_CHECKING:
    from springg import _core
    from springg.database import Database
    from springg.types import Dtype, Metric, Quantization


class IndexSettings:
    """Settings of an index, its length, and how it prints."""

    __slots__ = ("__weakref__", "_core", "_database")

    def __init__(self, core: _core.Index, database: Database) -> None:
        self._core = core
        self._database = database  # keeps it open as long as an index of it is held

    @property
    def name(self) -> str:
        """Name in the database; follows `Database.rename_index`."""
        return self._core.name

    @property
    def dimensions(self) -> int:
        """Width of every vector; of dtype binary in bits."""
        return self._core.dimensions

    @property
    def metric(self) -> Metric:
        """``"cosine"``, ``"dot"``, ``"l2"``, ``"manhattan"`` or ``"hamming"``."""
        return self._core.metric

    @property
    def dtype(self) -> Dtype:
        """How vectors are kept: ``float32``, ``float16``, ``int8``, ``uint8`` or ``binary``."""
        return self._core.dtype

    @property
    def quantization(self) -> Quantization:
        """As it was made; ``stats()["search"]`` says which codes each part has."""
        return self._core.quantization

    @property
    def m(self) -> int:
        """Links of a row on the upper layers of the graph."""
        return self._core.m

    @property
    def ef_construction(self) -> int:
        """Width of the search for a new row's neighbors."""
        return self._core.ef_construction

    def __len__(self) -> int:
        return len(self._core)

    def __repr__(self) -> str:
        return (
            f"<springg.Index {self.name!r}: {self._size()}, {self.dimensions} dimensions, "
            f"{self.metric}, {self.dtype}>"
        )

    def _repr_html_(self) -> str:
        names = ("dimensions", "metric", "dtype", "quantization", "m", "ef_construction")
        settings = [(name, str(getattr(self, name))) for name in names]
        return html_table(["index", self.name], [("rows", self._size()), *settings])

    def _size(self) -> str:
        try:
            return counted(len(self), "row")
        except SpringgError as error:
            return str(error)
