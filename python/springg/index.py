# SPDX-License-Identifier: MIT
"""`Index`: a named set of vectors with one dimension and one metric."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from springg import _arrays, _core
from springg._dtypes import BYTE_DTYPES, numpy_dtype, row_width
from springg._index_files import IndexFiles
from springg._index_settings import IndexSettings
from springg._progress import reporting
from springg._scanning import checked_batch_size, ids_of_view, scan_view
from springg._searching import Searching
from springg._settings import checked
from springg.errors import InvalidArgument, error_of
from springg.index_view import IndexView
from springg.types import BatchHits, Record, TuneReport, records

if TYPE_CHECKING:
    import numpy.typing as npt

    from springg.types import Durability, Id, Includes

__all__ = ["Index"]


def _level(durability: Durability | None) -> str | None:
    return None if durability is None else checked("durability", durability)


class Index(IndexFiles, IndexSettings, Searching):
    """A named set of vectors with one dimension and one metric.

    Made by `Database.create_index` and ``db[name]``. ``len(index)``, ``id in index``, iteration
    over ids in insertion order (a row that was upserted or updated with a vector counts as
    inserted then) and ``index[id]``, a `Record`.

    Notes
    -----
    Every call is atomic: all rows of it or none. Any method may be called from any thread; the
    GIL is free while C++ works, and searches never wait for writers. Ids are str, int
    (0..2^64-1) or `uuid.UUID`; the type given is the type returned, and ``"1"`` and ``1`` differ.
    Ctrl-C stops a long call and leaves the index as it was.
    """

    __slots__ = ()

    def add(
        self,
        ids: Any,
        vectors: npt.ArrayLike,
        metadata: Any = None,
        *,
        durability: Durability | None = None,
        progress: Any = None,
    ) -> int:
        """Store new rows.

        Parameters
        ----------
        ids : sequence of str, int or uuid.UUID, numpy array, or one id
            One id goes with a vector of one dimension.
        vectors : array_like, shape (n, dimensions)
            C-contiguous float32, or int8 and uint8 for an index of that dtype, is read in place,
            with one copy into the engine's memory; other numbers and layouts are converted first.
            An index of int8 or uint8 takes whole numbers of that range, floats too. One of binary
            takes bits packed in uint8, as `numpy.packbits` makes them, shape (n, bytes), with zeros
            behind the last dimension; or bools, shape (n, dimensions).
        metadata : sequence of dict or None, or mapping of columns, optional
            One JSON object (or None) a row, or ``{"year": array, "tag": list}``. With one id and
            a vector of one dimension a mapping is that row's object.
        durability : {"buffered", "process", "disk"}, optional
            What these rows survive once the call returns: nothing, the end of this process, or a
            power cut. None: as the database was opened.
        progress : callable(done, total), tqdm-like object or True, optional
            Told about ten times a second, and at the start and the end. An exception that it
            raises stops the call. A tqdm bar that was used before is set back to 0.

        Returns
        -------
        int
            Rows added.

        Raises
        ------
        AlreadyExists
            Names the first id that exists, or that comes twice in the call.
        DimensionMismatch, InvalidArgument
            Names the row whose width, value (nan, infinite, beyond the index's dtype), id or
            metadata is not allowed. Nothing of the call is stored after any error.
        ResourceExhausted
            The database's ``memory_limit`` would be passed, or the disk is full.
        IoError
            The disk failed. Whether the rows are there shows when the database is opened again;
            until then it takes no more writes, and searches go on.

        Notes
        -----
        Rows are found as soon as the call returns. The graph (HNSW) follows in the background, and
        a writer that is more than about 8,192 rows ahead of it helps to build it. One call of
        more than 65,536 rows is faster: its graph is built at once, on all cores. While merges are
        far behind (more than 16,384 rows and a quarter of the live ones are deleted and still
        held), a call waits for them, at most 2 ms a row; so do `upsert` and `update` with vectors.
        """
        column, rows, documents = self._rows(ids, vectors, metadata)
        with reporting(progress, "add") as callback:
            return self._core.add(column, rows, documents, _level(durability), callback)

    def upsert(
        self,
        ids: Any,
        vectors: npt.ArrayLike,
        metadata: Any = None,
        *,
        durability: Durability | None = None,
    ) -> int:
        """Insert rows, or replace them with their metadata (none given: none afterwards).

        Parameters are those of `add`. The last of equal ids in one call wins.

        Returns
        -------
        int
            Distinct ids stored.

        Raises
        ------
        DimensionMismatch, InvalidArgument, ResourceExhausted, IoError
        """
        column, rows, documents = self._rows(ids, vectors, metadata)
        return self._core.upsert(column, rows, documents, _level(durability), None)

    def update(
        self,
        ids: Any,
        *,
        vectors: npt.ArrayLike | None = None,
        metadata: Any = None,
        durability: Durability | None = None,
    ) -> int:
        """Replace vectors, metadata or both of existing rows.

        Parameters
        ----------
        ids : sequence of str, int or uuid.UUID, numpy array, or one id
            Rows to change.
        vectors : array_like, shape (n, dimensions), optional
            None leaves the vectors. A row with a new vector counts as inserted now.
        metadata : sequence of dict or None, or mapping of columns, optional
            None leaves the metadata, of all rows or of one; ``{}`` makes it an empty object, and
            `upsert` without metadata takes it away. For one id, a mapping is its object.
        durability : {"buffered", "process", "disk"}, optional
            As `add` has it.

        Returns
        -------
        int
            Rows changed.

        Raises
        ------
        NotFound
            Names the first unknown id; nothing is stored.
        DimensionMismatch, InvalidArgument, ResourceExhausted, IoError
        """
        column = _arrays.ordered_ids(ids)
        rows = None if vectors is None else _arrays.as_matrix(vectors, self.dimensions, self.dtype)
        single = column.single or (rows is not None and rows.ndim == 1)
        documents = _arrays.documents(metadata, len(column), single=single)
        return self._core.update(column, rows, documents, _level(durability))

    def delete(self, ids: Any, *, durability: Durability | None = None) -> int:
        """Delete rows.

        Parameters
        ----------
        ids : sequence of str, int or uuid.UUID, numpy array, or one id
            Unknown ids are passed over.
        durability : {"buffered", "process", "disk"}, optional
            As `add` has it.

        Returns
        -------
        int
            How many existed.
        """
        return self._core.remove(_arrays.id_column(ids), _level(durability))

    def clear(self) -> None:
        """Delete every row; files and memory are given back."""
        self._core.clear()

    @overload
    def get(self, ids: Id, *, include: Includes = ...) -> Record | None: ...
    @overload
    def get(
        self, ids: list[Any] | tuple[Any, ...] | npt.NDArray[Any], *, include: Includes = ...
    ) -> list[Record | None]: ...
    @overload
    def get(self, ids: Any, *, include: Includes = ...) -> Any: ...
    def get(
        self, ids: Any, *, include: Includes = ("vector", "metadata")
    ) -> list[Record | None] | Record | None:
        """Look rows up.

        Parameters
        ----------
        ids : sequence of str, int or uuid.UUID, numpy array, or one id
            Rows to look up.
        include : iterable of {"vector", "metadata"}
            What to bring.

        Returns
        -------
        list of Record or None
            In the order asked for, None for an unknown id. One id gives one Record or None.
        """
        column = _arrays.id_column(ids)
        flags = _arrays.include_flags(include)
        found, known, documents, vectors = self._core.get(column, flags)
        live = records(known, documents, vectors)
        answer = [next(live) if there else None for there in found]
        return answer[0] if column.single else answer

    @property
    def vectors(self) -> npt.NDArray[Any]:
        """Every vector, as sent, in the order of `ids`; read-only, of the index's dtype.

        Shape (len(index), dimensions); of dtype binary uint8 and (len(index), bytes of the bits).
        A zero-copy view when the index is one segment without
        deleted rows (after `optimize`), else a copy. The view stays valid after `optimize`,
        `Database.drop_index` and `Database.close`: it keeps the memory (or mapping) it shows.
        Whoever holds a view gets no error when the file behind it is truncated or the disk fails
        later: what cannot be read shows zeros. Methods of the index raise Corruption then.
        """
        dtype = self.dtype
        return self._core.view().vectors(numpy_dtype(dtype), row_width(self.dimensions, dtype))

    @property
    def ids(self) -> list[Id]:
        """Every id, in insertion order. A copy; O(rows)."""
        view = self._core.view()
        return view.ids(0, len(view))

    def view(self) -> IndexView:
        """Pin the state of this moment: its `ids`, its `vectors`, and `search` in it.

        While others write, ``index.ids`` and a later ``index.search(..., filter=mask)`` may speak
        of different rows; those of one view never do. Copies no row; it keeps the memory of its
        rows until it is dropped.

        Returns
        -------
        IndexView
        """
        return IndexView(self)

    def scan(
        self, batch_size: int = 1000, *, include: Includes = ("vector", "metadata")
    ) -> Iterator[list[Record]]:
        """Go over all rows in insertion order.

        Parameters
        ----------
        batch_size : int
            Records a list, at least 1.
        include : iterable of {"vector", "metadata"}
            What to bring.

        Returns
        -------
        iterator of list of Record
            The rows of the moment of this call, whatever writers do meanwhile. It holds the
            memory of those rows until it ends.
        """
        size = checked_batch_size(batch_size)
        flags = _arrays.include_flags(include)
        # Taken now and not at the first next().
        return scan_view(self._core.view(), size, flags)

    def get_vectors(self, ids: Any) -> npt.NDArray[Any]:
        """Vectors of some rows, shape (n, dimensions); a copy.

        float32 of an index of float32 or float16, else as `vectors` has them.

        Raises
        ------
        NotFound
            Names the first unknown id.
        """
        column = _arrays.id_column(ids)
        found, _, _, vectors = self._core.get(column, _arrays.INCLUDE_VECTORS)
        missing = found.find(0)
        if missing >= 0:
            unknown = column.to_list()[missing]
            raise error_of(
                "not_found",
                f"no id {unknown!r} in index {self.name!r}",
                id=str(unknown),
                row=missing,
            )
        if vectors is None or len(column) == 0:
            dtype = self.dtype
            kind = numpy_dtype(dtype) if dtype in BYTE_DTYPES else np.float32
            return np.empty((0, row_width(self.dimensions, dtype)), kind)
        return vectors

    def optimize(self, *, progress: Any = None) -> None:
        """Make memtable and segments one segment without deleted rows.

        When a segment with most of the rows comes first, its graph is taken over and the other rows
        are inserted; else the graph is built anew. Takes all of the database's threads. The
        background does the same on one thread, a second after rows were last added, replaced or
        deleted, when more than a tenth of them (of 4,096 and more) are outside the largest segment
        or deleted.

        Searches and writes go on meanwhile; rows written meanwhile stay outside. `progress` is
        as in `add`; an exception that it raises stops the call, and leaves the index as it was.
        """
        with reporting(progress, "optimize") as callback:
            self._core.optimize(callback)

    def tune(
        self,
        queries: npt.ArrayLike | None = None,
        recall: float | None = 0.95,
        *,
        k: int = 10,
        progress: Any = None,
    ) -> TuneReport:
        """Choose, and keep, what ``ef=None`` does from now on: the recall that such searches have.

        Parameters
        ----------
        queries : array_like, shape (n, dimensions), optional
            As they will come: some hundreds, and no rows of the index, which find themselves too
            easily; one dimension is one query. The least ``ef`` is found, to within 3 %, with which
            they find that share of their exact nearest rows in the index as it is. Other queries
            find a little less. If None, every search asks what its segments were measured to need
            with their own rows, with a margin, and later segments bring their own measurement.
        recall : float or None
            A share, above 0, at most 1. None goes back to the default, .95. Without queries the
            next of four steps is taken: .75, .875, .95, .975; a higher recall takes the last, and
            ``met`` says whether the rows' own measurement reaches it.
        k : int
            How many nearest rows, 1..4,096. A later search for more takes an ``ef`` that is wider
            in proportion to the root of that, one for fewer the same.
        progress
            ``progress(done, total)`` now and then, of the queries of each search anew, or a
            tqdm-like object. An exception that it raises stops the call, and nothing has changed.

        Returns
        -------
        TuneReport
            Where no ``ef`` has the recall, the least that found most is kept, and ``reached`` says
            what that was (``met`` is False): ``exact=True`` finds all.

        Raises
        ------
        InvalidArgument, DimensionMismatch, TypeError
        FailedPrecondition
            The database is open read-only, or the index takes no writes.
        IoError
            The disk failed; see `add`.

        Notes
        -----
        It is kept with the index, in the files too and through `clear`, until the next call;
        readers in other processes follow, a view of before does not. What was measured with queries
        is one ``ef`` for all rows: tune again when the index has grown much or its data has
        changed.
        Searches with a filter take no less than they would by default. Cost of queries, on all of
        the database's threads: graphs are completed, then an exact search of all of them and about
        ten others. Without queries nothing is measured.

        Examples
        --------
        >>> report = index.tune(queries, recall=0.99)  # doctest: +SKIP
        >>> report  # doctest: +SKIP
        <springg.TuneReport: recall 0.9904 of 0.99 asked, ef 58, k 10, 500 queries>
        """
        asked = None
        if queries is not None:
            asked = np.atleast_2d(_arrays.as_queries(queries, self.dimensions, self.dtype))
        with reporting(progress, "tune") as callback:
            return TuneReport(**self._core.tune(asked, recall, k, callback))

    def recall(self, queries: npt.ArrayLike, k: int = 10, *, ef: int | None = None) -> float:
        """Share of the exact nearest rows that `search` finds.

        Parameters
        ----------
        queries : array_like, shape (n, dimensions)
            One dimension is one query.
        k, ef
            As in `search`.

        Returns
        -------
        float
            0..1; a hit as near as the k-th exact one counts. 1.0 when there is nothing to find.
        """
        asked = np.atleast_2d(_arrays.as_queries(queries, self.dimensions, self.dtype))
        found: BatchHits = self.search(asked, k, ef=ef, include=())
        truth: BatchHits = self.search(asked, k, exact=True, include=())
        wanted = int(truth.counts.sum())
        if wanted == 0:
            return 1.0
        farthest = np.nanmax(truth.distances, axis=1, keepdims=True)
        return min(1.0, float((found.distances <= farthest).sum()) / wanted)

    def stats(self) -> dict[str, Any]:
        """Counts of rows and segments, bytes, positions in the log, errors, and how searches go.

        ``settled`` tells whether the background has nothing left to do: every graph covers its
        rows, and nothing is to become or to be merged into a segment, now or when the index has
        been at rest for a second. What it made may still be on its way to the disk. It speaks of
        this process, which merges nothing when it opened the database read-only.

        ``lsn`` is the position in the log up to which searches see all writes; ``last_sequence``
        counts rows that were ever stored; ``bytes`` has vectors, graph, codes, metadata, ids, other
        and total, in memory or mapped; ``background_error`` is the error of background work that
        the next write will raise, or None; ``read_only`` says why the index takes no writes (it was
        opened so, or its records in the log are damaged), or None.

        ``search`` explains a search with ``k=10`` and all else by default: the ``recall`` that
        ``ef=None`` is to have, the ``ef`` it comes to, ``tuned`` (the fields of the TuneReport that
        `tune` kept, or None), and ``parts``. Each part has its ``kind`` ("segment" or "memtable"),
        live ``rows``, and ``path``: "scan", "graph on vectors" or "graph on codes"; the ``ef`` of
        its walk (None: a scan); its ``codes``, "int8", "int4", "rabitq" or None, and ``why`` it has
        none or others than were asked for; and ``reached``, the recall that its own rows were
        measured to have with the margin that queries get (None: not measured, or `tune` measured an
        ``ef`` for all). Queries that are unlike the rows may have less: `recall` measures theirs.
        """
        return self._core.stats()

    def __reduce__(self) -> tuple[Any, ...]:
        from springg.database import open_index_again

        _, (path, options) = self._database.__reduce__()
        return open_index_again, (path, options, self.name)

    def __contains__(self, id: object) -> bool:  # noqa: A002
        try:
            column = _arrays.id_column(id)
        except (TypeError, InvalidArgument):  # as a dict: what can be no key is not in it
            return False
        return column.single and self._core.contains(column)

    def __iter__(self) -> Iterator[Id]:
        return ids_of_view(self._core.view())

    def __getitem__(self, id: Id) -> Record:  # noqa: A002
        asked: Any = id
        record: Any = None if isinstance(asked, slice) else self.get(asked)
        if isinstance(asked, slice) or isinstance(record, list):
            kind = type(asked).__name__
            raise TypeError(f"index[...] takes one id, got {kind}; use get(), ids or scan()")
        if record is None:
            raise error_of("not_found", f"no id {id!r} in index {self.name!r}", id=str(id))
        found: Record = record
        return found

    def _rows(
        self, ids: Any, vectors: Any, metadata: Any
    ) -> tuple[_core.Ids, npt.NDArray[Any], _core.Documents | None]:
        column = _arrays.ordered_ids(ids)
        rows = _arrays.as_matrix(vectors, self.dimensions, self.dtype)
        single = column.single or rows.ndim == 1
        return column, rows, _arrays.documents(metadata, len(column), single=single)
