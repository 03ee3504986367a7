# SPDX-License-Identifier: MIT
"""`search` of what holds rows: of an index, and of a pinned state of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from springg import _arrays, _core
from springg.types import BatchHits, Hits

if TYPE_CHECKING:
    from springg.types import Includes

_FLAGS: dict[Any, int] = {("metadata",): _arrays.INCLUDE_METADATA, (): 0}
# Looked up once: a short search takes little longer than a few look-ups.
_search = _core.search
_ndarray = np.ndarray


class Searching:
    """`search`, for classes that hold an object of the extension in ``_core``."""

    __slots__ = ()

    @overload
    def search(
        self,
        vectors: Sequence[float],
        k: int = ...,
        *,
        ef: int | None = ...,
        exact: bool = ...,
        min_score: float | None = ...,
        filter: Any = ...,
        include: Includes = ...,
        rerank: int | None = ...,
        threads: int = ...,
    ) -> Hits: ...
    @overload
    def search(
        self,
        vectors: Sequence[Sequence[float]],
        k: int = ...,
        *,
        ef: int | None = ...,
        exact: bool = ...,
        min_score: float | None = ...,
        filter: Any = ...,
        include: Includes = ...,
        rerank: int | None = ...,
        threads: int = ...,
    ) -> BatchHits: ...
    @overload
    def search(
        self,
        vectors: Any,
        k: int = ...,
        *,
        ef: int | None = ...,
        exact: bool = ...,
        min_score: float | None = ...,
        filter: Any = ...,
        include: Includes = ...,
        rerank: int | None = ...,
        threads: int = ...,
    ) -> Any: ...
    def search(
        self: Any,  # with `_core`, `dimensions` and `dtype`, which no common base has
        vectors: Any,
        k: int = 10,
        *,
        ef: int | None = None,
        exact: bool = False,
        min_score: float | None = None,
        filter: Any = None,  # noqa: A002 - the word of the contract
        include: Includes = ("metadata",),
        rerank: int | None = None,
        threads: int = 0,
    ) -> Hits | BatchHits:
        """Find the nearest rows.

        Parameters
        ----------
        vectors : array_like, shape (dimensions,) or (n, dimensions)
            One query or many. C-contiguous float32 is read in place, and so is the index's own
            dtype if that is int8, uint8 or binary (packed bits; bools are packed). An index of int8
            or uint8 takes any numbers: a query of whole numbers within the dtype is compared in
            integers (distances are rounded to float32), another one in float32.
        k : int
            Hits a query, 1..10,000; fewer when fewer rows are live (and match).
        ef : int, optional
            Width of the graph search, 1..4,096: more is better recall and slower. None takes what
            `Index.tune` chose, else what the rows were measured to need for a recall of .95. Below
            `k` it counts as `k`; `k` above 4,096 scans every row. An index of several segments
            shares it out among them, so that recall is that of one.
        exact : bool
            Scan every row instead of walking the graph.
        min_score : float, optional
            Leave out hits with a lower score.
        filter : ndarray of bool, shape (rows,), or collection of ids, optional
            Rows that may be found: a mask over `ids`, or ids (unknown ones match nothing). An array
            of integers means ids, not places in `ids`. While others write, take a mask and search
            from one `Index.view`, so that they speak of the same rows. Few matching rows are
            all measured; else the graph is walked among them. Where `k` rows match, `k` are
            found.
        include : iterable of {"metadata", "vector"}
            What to bring besides ids, scores and distances.
        rerank : int, optional
            At least so many, 1..4,096, of the rows that a walk on codes kept are ranked on their
            vectors (``quantization``): those that are best by their codes, never fewer than `k`,
            in each segment. More finds what the codes misjudge, and reads a vector each; what
            a walk keeps grows with `ef` alone. None goes as far as the codes' error asks for; any
            number goes that far too. No effect without codes, and with ``exact=True``. 0 is
            refused: scores come from the stored vectors.
        threads : int
            For a batch or an exact search; 0 takes the database's.

        Returns
        -------
        Hits or BatchHits
            `Hits` for one dimension, `BatchHits` for two. Equal distances are ordered by
            insertion. Scores come from the stored vectors.

        Raises
        ------
        DimensionMismatch, InvalidArgument, TypeError

        Notes
        -----
        One approximate query runs on the caller's thread. Cost: about ``ef * 2m`` distances at
        most in one segment, in a hard place four times as many; where there are several segments,
        about two to three times as many, and at least ``k * 2m`` in each. A mask costs a pass over
        its bytes, an id a look-up; a batch pays that once.
        """
        allowed = None if filter is None else _arrays.row_filter(filter)
        try:
            flags = _FLAGS[include]
        except (KeyError, TypeError):
            flags = _arrays.include_flags(include)
        asked: Any = exact
        scan = asked if type(asked) is bool else _arrays.boolean("exact", asked)
        in_place = type(vectors) is _ndarray
        queries = vectors if in_place else _arrays.as_queries(vectors, self.dimensions, self.dtype)
        # Not by *arguments: packing them takes a tenth of the shortest search.
        found = _search(
            self._core, queries, k, ef, scan, min_score, allowed, flags, rerank, threads, Hits
        )
        if found is NotImplemented:
            queries = _arrays.as_queries(queries, self.dimensions, self.dtype)
            found = _search(
                self._core, queries, k, ef, scan, min_score, allowed, flags, rerank, threads, Hits
            )
        if type(found) is Hits:
            return found
        if len(found) == 0:
            _arrays.check_width_of_none(queries, self.dimensions, self.dtype)
        return BatchHits(found)
