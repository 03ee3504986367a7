# SPDX-License-Identifier: MIT
"""What calls give back: `Record`, `Hit`, `Hits`, `BatchHits`, `TuneReport`."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

import numpy as np

from springg import _core

if TYPE_CHECKING:
    import uuid

    import numpy.typing as npt

    Id: TypeAlias = str | int | uuid.UUID

__all__ = ["BatchHits", "Hit", "Hits", "Record", "TuneReport"]

Metric: TypeAlias = Literal["cosine", "dot", "l2", "manhattan", "hamming"]
Dtype: TypeAlias = Literal["float32", "float16", "int8", "uint8", "binary"]
Quantization: TypeAlias = Literal["auto", "none", "int8", "int4", "rabitq"]
Durability: TypeAlias = Literal["buffered", "process", "disk"]
Include: TypeAlias = Literal["metadata", "vector"]
Includes: TypeAlias = Include | Iterable[Include]
OnError: TypeAlias = Literal["raise", "skip"]

_ROWS_SHOWN = 20
_TEXT_SHOWN = 60
_VALUES_SHOWN = 4


class Record(NamedTuple):
    """One row of an index.

    Attributes
    ----------
    id : str, int or uuid.UUID
        As it was given.
    vector : ndarray, shape (dimensions,), or None
        As it was sent, not normalised; None when it was not asked for. float32, or int8 and uint8
        of an index of that dtype; of one of binary the packed bits, uint8. Rows of one call share
        their memory.
    metadata : dict or None
        None when the row has none, or it was not asked for.
    """

    id: Id
    vector: npt.NDArray[Any] | None = None
    metadata: dict[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)

    def __repr__(self) -> str:
        return f"Record(id={self.id!r}, vector={_vector(self.vector)}, metadata={self.metadata!r})"

    def _repr_html_(self) -> str:
        cells = [("id", repr(self.id)), ("vector", _vector(self.vector))]
        cells += [(str(key), repr(value)) for key, value in (self.metadata or {}).items()]
        return html_table(["field", "value"], cells)


class Hit(NamedTuple):
    """One row that a search found.

    Attributes
    ----------
    id : str, int or uuid.UUID
        As it was given.
    score : float
        Higher is better.
    distance : float
        Lower is better.
    metadata : dict or None
        None when the row has none, or it was not asked for.
    vector : ndarray, shape (dimensions,), or None
        As `Record.vector`; None when it was not asked for.
    """

    id: Id
    score: float
    distance: float
    metadata: dict[str, Any] | None = None
    vector: npt.NDArray[Any] | None = None

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)

    def __repr__(self) -> str:
        text = f"Hit(id={self.id!r}, score={self.score:.4f}, distance={self.distance:.4f}"
        if self.metadata is not None:
            text += f", metadata={self.metadata!r}"
        if self.vector is not None:
            text += f", vector={_vector(self.vector)}"
        return text + ")"


class Hits(_core.QueryHits, Sequence[Hit]):
    """Rows that a search found for one query, best first.

    A copy of the answer in C++: it pins nothing of the index, and makes Python objects when an
    attribute is read; ``distances_computed`` says how much work the search was. ``len(hits)``,
    iteration and ``hits[i]`` give `Hit`; a slice gives `Hits`. Any thread may read it. Made by
    `Index.search`. Columns are made once and shared: `scores` and `distances` are read-only,
    ``.copy()`` gives an array of your own. It cannot be pickled or copied: take the columns.
    """

    __slots__ = ("_distances", "_ids", "_metadata", "_scores", "_vectors")

    _distances: npt.NDArray[np.float32]
    _ids: list[Id]
    _metadata: list[dict[str, Any] | None] | None
    _scores: npt.NDArray[np.float32]
    _vectors: npt.NDArray[Any] | None

    @property
    def ids(self) -> list[Id]:
        """Ids as they were given, best first."""
        try:
            return self._ids
        except AttributeError:
            self._ids = self._make_ids()
            return self._ids

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """Higher is better; float32, shape (len,), read-only."""
        try:
            return self._scores
        except AttributeError:
            self._scores = _read_only(self._make_scores())
            return self._scores

    @property
    def distances(self) -> npt.NDArray[np.float32]:
        """Lower is better; float32, shape (len,), read-only."""
        try:
            return self._distances
        except AttributeError:
            self._distances = _read_only(self._make_distances())
            return self._distances

    @property
    def metadata(self) -> list[dict[str, Any] | None] | None:
        """One dict (or None) a hit, decoded at the first access; None when not asked for."""
        try:
            return self._metadata
        except AttributeError:
            self._metadata = decoded(self._make_documents())
            return self._metadata

    @property
    def vectors(self) -> npt.NDArray[Any] | None:
        """Vectors as they were sent, shape (len, dimensions); None when not asked for."""
        try:
            return self._vectors
        except AttributeError:
            self._vectors = self._make_vectors()
            return self._vectors

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Hits: ...
    def __getitem__(self, index: int | slice) -> Hit | Hits:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            return self._select(start, step, len(range(start, stop, step)))
        i = operator.index(index)
        return Hit(
            self.ids[i],
            float(self.scores[i]),
            float(self.distances[i]),
            None if self.metadata is None else self.metadata[i],
            None if self.vectors is None else self.vectors[i],
        )

    def __iter__(self) -> Iterator[Hit]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return _text_table(counted(len(self), "hit"), *self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())

    def _table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        shown = self[:_ROWS_SHOWN]
        heads = ["#", "id", "score", "distance"]
        rows: list[tuple[str, ...]] = [
            (str(i), _short(repr(id_)), f"{score:.4f}", f"{distance:.4f}")
            for i, (id_, score, distance) in enumerate(
                zip(shown.ids, shown.scores, shown.distances, strict=True)
            )
        ]
        if shown.metadata is not None:
            heads.append("metadata")
            texts = ["" if m is None else _short(_json_text(m)) for m in shown.metadata]
            rows = [(*row, text) for row, text in zip(rows, texts, strict=True)]
        if len(self) > _ROWS_SHOWN:
            rows.append(("...", *[""] * (len(heads) - 1)))
        return heads, rows


class BatchHits(Sequence[Hits]):
    """Rows that a search found for many queries.

    Made without a Python object for each hit; ``len(batch)`` is the number of queries, and
    ``batch[i]`` and iteration give `Hits`. Made by `Index.search` with a 2-D array. It cannot be
    pickled: take the columns.
    """

    __slots__ = ("_core", "_ids")

    _ids: list[list[Id]]

    def __init__(self, core: _core.BatchResult) -> None:
        self._core = core

    @property
    def ids(self) -> list[list[Id]]:
        """Ids of each query, best first; as many as it has hits."""
        try:
            return self._ids
        except AttributeError:
            self._ids = self._core.ids()
            return self._ids

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """Higher is better; float32, shape (queries, k), nan after the last hit.

        A read-only view.
        """
        return _read_only(self._core.scores())

    @property
    def distances(self) -> npt.NDArray[np.float32]:
        """Lower is better; float32, shape (queries, k), nan after the last hit.

        A read-only view.
        """
        return _read_only(self._core.distances())

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Hits of each query, shape (queries,)."""
        return self._core.counts()

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """Integer ids, uint64, shape (queries, k); 2^64-1 after the last hit (see `counts`).

        No Python object is made. `InvalidArgument` when an id of the hits is no int.
        """
        return self._core.keys()

    @property
    def distances_computed(self) -> int:
        """Distances that the search computed over all queries, a measure of its work."""
        return self._core.distances_computed

    def __len__(self) -> int:
        return len(self._core)

    @overload
    def __getitem__(self, index: int) -> Hits: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hits]: ...
    def __getitem__(self, index: int | slice) -> Hits | list[Hits]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"query {i} out of range: there are {len(self)}")
        return self._core.query(i % len(self), Hits)

    def __iter__(self) -> Iterator[Hits]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        k = self.scores.shape[1]
        return _text_table(f"{counted(len(self), 'query', 'queries')}, k = {k}", *self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())

    def _table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        rows: list[tuple[str, ...]] = [
            (
                str(i),
                str(len(hits)),
                repr(hits.ids[0]) if len(hits) else "",
                f"{hits.scores[0]:.4f}" if len(hits) else "",
            )
            for i, hits in enumerate(self[:_ROWS_SHOWN])
        ]
        if len(self) > _ROWS_SHOWN:
            rows.append(("...", "", "", ""))
        return ["query", "hits", "best id", "score"], rows


@dataclasses.dataclass(frozen=True, repr=False)
class TuneReport:
    """What `Index.tune` chose: how searches go about it that name no ``ef``.

    Attributes
    ----------
    recall : float
        What was asked for, 0..1.
    reached : float or None
        What was measured: with `queries` theirs at this `ef`, less than `recall` where no ``ef`` up
        to 4,096 has it; without, that of the segments' own rows. None: some rows that are walked
        were never measured, or not for this `k`.
    ef : int
        Of a search for `k`; a larger `k` gets more. Of no use while every row is scanned.
    k : int
        How many nearest rows the recall is of.
    queries : int
        How many queries were measured. 0: the recall was kept, for each segment's own measurement
        to be asked for: there were no queries, or no graph to measure them with.
    met : bool
        Whether `reached` is `recall` or more.
    """

    recall: float
    reached: float | None
    ef: int
    k: int
    queries: int

    @property
    def met(self) -> bool:
        """Whether the recall was reached."""
        return self.reached is not None and self.reached >= self.recall

    def __repr__(self) -> str:
        if self.reached is None:
            found = f"recall {self.recall:g} asked, not measured"
        else:
            missed = "" if self.met else ", NOT MET"
            found = f"recall {self.reached:.4f} of {self.recall:g} asked{missed}"
        source = counted(self.queries, "query", "queries") if self.queries else "by calibration"
        return f"<springg.TuneReport: {found}, ef {self.ef:,}, k {self.k:,}, {source}>"


def _read_only(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    array.setflags(write=False)
    return array


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _equal(row: tuple[Any, ...], other: object) -> bool:
    """Compare tuples that may hold arrays, which have no single truth value."""
    return (
        type(other) is type(row)
        and len(row) == len(other)
        and all(
            np.array_equal(a, b) if isinstance(a, np.ndarray) else a is b or bool(a == b)
            for a, b in zip(row, other, strict=True)
        )
    )


def records(
    ids: list[Id], documents: list[str | None] | None, vectors: npt.NDArray[Any] | None
) -> Iterator[Record]:
    """Records of the columns that the extension gives."""
    metadata = decoded(documents)
    for i, id_ in enumerate(ids):
        yield Record(
            id_,
            None if vectors is None else vectors[i],
            None if metadata is None else metadata[i],
        )


def decoded(documents: list[str | None] | None) -> list[dict[str, Any] | None] | None:
    """Metadata of many rows from their JSON text."""
    if documents is None:
        return None
    import json  # here, and html below: `import springg` is to take no time

    return [None if text is None else json.loads(text) for text in documents]


def _json_text(metadata: dict[str, Any]) -> str:
    import json

    return json.dumps(metadata, ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "..."


def _vector(vector: npt.NDArray[Any] | None) -> str:
    if vector is None:
        return "None"
    shown = ", ".join(f"{x:.4g}" for x in vector[:_VALUES_SHOWN])
    more = ", ..." if len(vector) > _VALUES_SHOWN else ""
    return f"[{shown}{more}] ({len(vector)} x {vector.dtype})"


def _text_table(title: str, heads: list[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return title
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *rows]
    ]
    return "\n".join([title, *lines])


def html_table(heads: list[str], rows: Sequence[Sequence[str]]) -> str:
    import html

    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
