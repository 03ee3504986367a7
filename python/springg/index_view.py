# SPDX-License-Identifier: MIT
"""`IndexView`: a pinned state of an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from springg._dtypes import numpy_dtype, row_width
from springg._scanning import ids_of_view
from springg._searching import Searching
from springg.types import counted

if TYPE_CHECKING:
    import numpy.typing as npt

    from springg import _core
    from springg.index import Index
    from springg.types import Dtype, Id, Metric

__all__ = ["IndexView"]


class IndexView(Searching):
    """A pinned state of an index: what was in it when `Index.view` was called.

    ``len(view)`` and iteration over ids in insertion order. Nothing that is written to the index
    afterwards shows, so that `ids`, `vectors`, and a mask over them for `search` agree.

    Attributes
    ----------
    dimensions : int
        Width of every vector.
    metric, dtype : str
        Those of the index.

    Notes
    -----
    Any thread may use it; it never waits for writers, nor they for it. It copies no row, and keeps
    the memory and the files of its rows until it is dropped: of rows that were deleted or merged
    meanwhile too. It outlives `Database.drop_index` and `Index.clear`. After `Database.close`, and
    in a forked child, every method raises FailedPrecondition; arrays that `vectors` gave stay
    valid. It cannot be pickled: another process cannot pin this one's state.

    >>> import numpy as np, springg
    >>> db = springg.open(":memory:")
    >>> index = db.create_index("a", 2)
    >>> index.add(["x", "y", "z"], np.eye(3)[:, :2] + 1)
    3
    >>> view = index.view()
    >>> index.delete("x")
    1
    >>> mask = np.array([id != "y" for id in view.ids])
    >>> sorted(view.search([1.0, 1.0], filter=mask).ids)
    ['x', 'z']
    >>> db.close()
    """

    __slots__ = ("__weakref__", "_core", "_database", "dimensions", "dtype", "metric")

    _core: _core.IndexView
    dimensions: int
    dtype: Dtype
    metric: Metric

    def __init__(self, index: Index) -> None:
        self._core = index._core.view()
        self._database = index._database  # keeps it open as long as a view of it is held
        self.dimensions = index.dimensions
        self.dtype = index.dtype
        self.metric = index.metric

    @property
    def ids(self) -> list[Id]:
        """Every id, in insertion order. A copy; O(rows)."""
        self._core.check_open()
        return self._core.ids(0, len(self._core))

    @property
    def vectors(self) -> npt.NDArray[Any]:
        """Every vector, as sent, in the order of `ids`; read-only, of the index's dtype.

        Shape (len(view), dimensions); of dtype binary uint8 and (len(view), bytes of the bits).
        Zero-copy or not as `Index.vectors` is; it stays valid when the view is dropped.
        """
        self._core.check_open()
        dtype = self.dtype
        return self._core.vectors(numpy_dtype(dtype), row_width(self.dimensions, dtype))

    def __len__(self) -> int:
        self._core.check_open()
        return len(self._core)

    def __iter__(self) -> Iterator[Id]:
        self._core.check_open()
        return ids_of_view(self._core)

    def __repr__(self) -> str:
        return (
            f"<springg.IndexView: {counted(len(self._core), 'row')}, {self.dimensions} dimensions, "
            f"{self.metric}, {self.dtype}>"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "cannot pickle a springg.IndexView: another process cannot pin this one's state; "
            "pickle its index, or its ids and vectors"
        )
