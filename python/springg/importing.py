# SPDX-License-Identifier: MIT
"""Files into an index: ``index.import_file(path)``.

A file is read and checked whole, then stored by one `add`, so that it is in the index with all of
its rows or not at all. The vectors of ``.npy`` and ``.fvecs`` files are read from the mapped file.

======================== ==========================================================================
``.npy``                 one array (rows, width) of any real dtype
``.npz``                 arrays ``ids``, ``vectors``, ``metadata`` (JSON text each)
``.fvecs .bvecs .ivecs`` rows of float32, bytes, int32, each after its width
``.hdf5 .h5``            ``train``, ``test``, ``neighbors``, ``distances``, as ann-benchmarks
``.jsonl``               ``{"id": ..., "vector": [...], "metadata": {...}}`` a line
``.parquet``             columns ``id``, ``vector`` (lists) and more
``.bin``                 ``SPRINGG1`` of the Go Springg, with the ``.meta`` and ``.wal`` beside it
======================== ==========================================================================
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from springg import _arrays
from springg._dtypes import (
    BYTE_DTYPES,
    fitting,
    in_dimensions,
    misfit,
    padding_fault,
    row_width,
    set_padding,
)
from springg._file_formats import file_to_read, format_of, path_text
from springg.errors import SpringgError, error_of
from springg.importing_formats import (
    READERS,
    check_matrix,
    read_array,
    read_benchmark_queries,
)
from springg.importing_table import (
    BadRows,
    Fields,
    ImportReport,
    SkippedRow,
    Table,
    in_file,
)

if TYPE_CHECKING:
    from springg.index import Index
    from springg.types import OnError

__all__ = ["ImportReport", "SkippedRow", "file_to_read", "import_file", "read_queries"]

ID_BYTES_MAX = 512
METADATA_BYTES_MAX = 64 * 1024
METADATA_DEPTH_MAX = 64
# Rows that are checked at once: a few MiB.
CHECKED_ROWS = 8_192


def import_file(
    index: Index,
    path: str | os.PathLike[str],
    *,
    ids: str | None = None,
    vectors: str | None = None,
    metadata: str | Sequence[str] | None = None,
    on_error: OnError = "raise",
    progress: Any = None,
) -> ImportReport:
    """Add the rows of a file to an index.

    Parameters
    ----------
    index : Index
        Where the rows go.
    path : path-like
        The ending names the format: ``.npy .npz .fvecs .bvecs .ivecs .hdf5 .h5 .jsonl .parquet
        .bin``. NAME.meta, NAME.wal and NAME alone stand for NAME.bin.
    ids : str, optional
        The field that holds ids; else ``id`` or ``ids``. A file without ids counts its stored
        rows from ``len(index)``.
    vectors : str, optional
        The field that holds vectors; else ``vector`` or ``vectors`` (``train`` in HDF5).
    metadata : str or sequence of str, optional
        One field whose objects (or JSON texts) are the metadata, or the fields that become its
        keys. By default the objects of a field ``metadata`` and all fields that are left.
    on_error : {"raise", "skip"}
        What a bad row does: raise and store nothing, or be left out and reported.
    progress : callable or tqdm-like, optional
        As for `Index.add`.

    Returns
    -------
    ImportReport
        The number of rows added, with ``.skipped``.

    Raises
    ------
    InvalidArgument, DimensionMismatch, AlreadyExists
        A row is not acceptable; the message names file and line (from 1).
    Corruption
        The file is cut or not of its format.
    IoError
        The file cannot be read.
    Unsupported
        h5py or pyarrow is missing, or the file holds what springg does not take.
    """
    if on_error not in ("raise", "skip"):
        message = f"unknown on_error {on_error!r}: expected 'raise' or 'skip'"
        raise error_of("invalid_argument", message)
    check_fields(ids, vectors, metadata)
    name = file_to_read(path_text(path))
    read = READERS[format_of(name)]
    bad = BadRows(name, skip=on_error == "skip")
    fields = Fields(ids, vectors, metadata)
    try:
        table = read(name, fields, row_width(index.dimensions, index.dtype), bad)
        check_width(name, table, index.dimensions, index.dtype)
        check_ids(table, bad)
        if bad.skip:
            check_rows(index, table, bad)
            table = without(table, bad)
        return store(index, name, table, bad, progress)
    except MemoryError as error:
        if isinstance(error, SpringgError):
            raise
        message = f"{name}: not enough memory to read the file"
        raise error_of("resource_exhausted", message, file=name) from error


def check_fields(ids: Any, vectors: Any, metadata: Any) -> None:
    """Refuse names of fields that are no text."""
    for argument, name in (("ids", ids), ("vectors", vectors)):
        if name is not None and not isinstance(name, str):
            kind = type(name).__name__
            raise TypeError(f"{argument} must be the name of a field, a str, got {kind}")
    if metadata is None or isinstance(metadata, str):
        return
    if isinstance(metadata, Iterable) and all(isinstance(name, str) for name in metadata):
        return
    raise TypeError(
        f"metadata must be the name of a field or a sequence of names, got {metadata!r:.60}"
    )


def read_queries(
    path: str | os.PathLike[str], dimensions: int, dtype: str = "float32"
) -> np.ndarray:
    """Read vectors to search with.

    Parameters
    ----------
    path : path-like
        Any format of `import_file`. Of HDF5 the dataset ``test`` is taken when it is there; a
        ``.npy`` file may hold one vector.
    dimensions, dtype
        The index's.

    Returns
    -------
    ndarray
        float32, (queries, dimensions); of dtype binary packed bits, uint8.
    """
    name = file_to_read(path_text(path))
    ending = format_of(name)
    bad = BadRows(name, skip=False)
    if ending == ".npy":
        array = read_array(name)
        vectors = check_matrix(name, array[None, :] if array.ndim == 1 else array)
    elif ending in (".hdf5", ".h5"):
        vectors = read_benchmark_queries(name, bad)
    else:
        width = row_width(dimensions, dtype)
        vectors = READERS[ending](name, Fields(metadata=()), width, bad).vectors
    check_width(name, Table(vectors), dimensions, dtype)
    return np.ascontiguousarray(_arrays.as_queries(vectors, dimensions, dtype))


def check_width(path: str, table: Table, dimensions: int, dtype: str) -> None:
    """Refuse a file whose rows all have another width."""
    got = in_dimensions(int(table.vectors.shape[1]), dimensions, dtype)
    if len(table) and got != dimensions:
        message = f"{path}, line 1: vector dimension mismatch: expected {dimensions}, got {got}"
        raise error_of(
            "dimension_mismatch", message, file=path, line=1, expected=dimensions, actual=got
        )


def check_ids(table: Table, bad: BadRows) -> None:
    """Report ids that are no id; makes integers of numpy into one array."""
    if table.ids is None:
        return
    if isinstance(table.ids, np.ndarray):
        if table.ids.dtype.kind == "i":
            for row in np.flatnonzero(table.ids < 0).tolist():
                bad.add(table.line(row), f"id must be 0..2^64-1, got {table.ids[row]}")
            table.ids = table.ids.astype(np.uint64)
        return
    for row, identifier in enumerate(table.ids):
        reason = wrong_id(identifier)
        if reason is not None:
            bad.add(table.line(row), reason)


def wrong_id(identifier: Any) -> str | None:
    """Say what is wrong with an id, or None."""
    if isinstance(identifier, str):
        if not identifier:
            return "id must not be empty"
        if len(identifier) <= ID_BYTES_MAX // 4:
            return surrogate(identifier)
        reason = surrogate(identifier)
        size = 0 if reason else len(identifier.encode())
        if size > ID_BYTES_MAX:
            return f"id must be at most {ID_BYTES_MAX} UTF-8 bytes, got {size}"
        return reason
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        if 0 <= identifier < 2**64:
            return None
        return f"id must be 0..2^64-1, got {identifier}"
    if isinstance(identifier, uuid.UUID):
        return None
    return f"id must be text, an integer or a UUID, got {type(identifier).__name__}"


def surrogate(text: str) -> str | None:
    """Say that a text has no UTF-8 form, or None."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"id has a lone surrogate at character {error.start}"
    return None


def check_rows(index: Index, table: Table, bad: BadRows) -> None:
    """Note every row that `add` would refuse, so that all of them are skipped at once."""
    for begin in range(0, len(table), CHECKED_ROWS):
        if index.dtype in BYTE_DTYPES:
            note_misfits(table, begin, index, bad)
        else:
            note_not_finite(table, begin, index.dtype, bad)
    if table.metadata is not None:
        for row, metadata in enumerate(table.metadata):
            reason = wrong_metadata(metadata)
            if reason is not None:
                bad.add(table.line(row), reason)
    if table.ids is None:
        return
    first: dict[Any, int] = {}
    ids = table.ids.tolist() if isinstance(table.ids, np.ndarray) else table.ids
    for row, identifier in enumerate(ids):
        line = table.line(row)
        if line in bad.reasons:
            continue
        if identifier in first:
            bad.add(line, f"id {identifier!r} comes twice, first on line {first[identifier]}")
        elif identifier in index:
            bad.add(line, f"id {identifier!r} exists already")
        else:
            first[identifier] = line


def note_not_finite(table: Table, begin: int, dtype: str, bad: BadRows) -> None:
    """Note the rows of one block that have NaN, infinity or a number beyond the index's dtype."""
    block = table.vectors[begin : begin + CHECKED_ROWS]
    with np.errstate(over="ignore"):
        wide = block.astype(np.float32)
        stored = wide.astype(dtype, copy=False)
    finite = np.isfinite(stored)
    for row in np.flatnonzero(~finite.all(axis=1)):
        column = int(np.argmin(finite[row]))
        value = block[row, column]
        if np.isfinite(value):
            narrow = "float32" if np.isinf(wide[row, column]) else dtype
            reason = f"vector {_arrays.does_not_fit(column, value, narrow)}"
        else:
            reason = f"vector element {column} is not finite, got {value}"
        bad.add(table.line(begin + int(row)), reason)


def note_misfits(table: Table, begin: int, index: Index, bad: BadRows) -> None:
    """Note the rows of one block that an index of bytes does not hold."""
    block = table.vectors[begin : begin + CHECKED_ROWS]
    dtype = index.dtype
    fits = fitting(block, dtype)
    for row in np.flatnonzero(~fits.all(axis=1)):
        column = int(np.argmin(fits[row]))
        reason = f"vector {misfit(column, block[row, column], dtype)}"
        bad.add(table.line(begin + int(row)), reason)
    if dtype != "binary":
        return
    whole = np.where(fits, block, 0).astype(np.uint8)
    for row in np.flatnonzero(set_padding(whole, index.dimensions)):
        reason = f"vector {padding_fault(whole[row, -1], index.dimensions)}"
        bad.add(table.line(begin + int(row)), reason)


def wrong_metadata(metadata: Any) -> str | None:
    """Say what is wrong with the metadata of a row, or None."""
    if metadata is None:
        return None
    try:
        text = json.dumps(metadata, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
        levels = depth(metadata)
    except RecursionError:
        return f"metadata must not be nested deeper than {METADATA_DEPTH_MAX} levels"
    except (TypeError, ValueError) as error:  # UnicodeEncodeError is a ValueError
        return f"metadata has no JSON form: {error}"
    if size > METADATA_BYTES_MAX:
        return f"metadata must be at most {METADATA_BYTES_MAX} bytes of JSON, got {size}"
    if levels > METADATA_DEPTH_MAX:
        return f"metadata must not be nested deeper than {METADATA_DEPTH_MAX} levels"
    return wide_integer(metadata)


def depth(value: Any) -> int:
    """Return how many objects and lists lie in each other; a bare value has 0."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def wide_integer(value: Any) -> str | None:
    """Say that an integer is beyond 64 bits, or None."""
    if isinstance(value, int):
        if -(2**63) <= value < 2**64:
            return None
        return "metadata has an integer beyond 64 bits"
    children: Sequence[Any] = ()
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    return next((reason for reason in map(wide_integer, children) if reason is not None), None)


def without(table: Table, bad: BadRows) -> Table:
    """Return the table without the rows that were noted."""
    if not bad.reasons:
        return table
    lines = np.arange(1, len(table) + 1) if table.lines is None else table.lines
    gone = np.fromiter(bad.reasons, np.int64, len(bad.reasons))
    return table.keep(np.flatnonzero(~np.isin(lines, gone)))


def store(index: Index, path: str, table: Table, bad: BadRows, progress: Any) -> ImportReport:
    """Add the rows by one call, so that all are stored or none."""
    add: Callable[..., int] = index.add
    while True:
        ids = table.ids
        if ids is None:
            begin = len(index)
            ids = np.arange(begin, begin + len(table), dtype=np.uint64)
        if len(table) == 0:
            return ImportReport(0, bad.skipped())
        try:
            added = add(ids, table.vectors, table.metadata, progress=progress)
        except SpringgError as error:
            row = row_of(error, ids)
            if row is None:
                raise in_file(error, path) from error
            if not bad.skip:
                raise in_file(error, *bad.place(table.line(row))) from error
            bad.add(table.line(row), error.message)  # a writer beside us was first
            table = without(table, bad)
        else:
            return ImportReport(added, bad.skipped())


def row_of(error: SpringgError, ids: Any) -> int | None:
    """Return the row of the call that an error names, if it names one."""
    row = error.details.get("row")
    return row if isinstance(row, int) and 0 <= row < len(ids) else None
