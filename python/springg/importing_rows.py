# SPDX-License-Identifier: MIT
"""Readers of records: ``.jsonl`` and ``.parquet``."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from springg._arrays import does_not_fit
from springg.errors import SpringgError, error_of
from springg.importing_table import (
    ID_NAMES,
    VECTOR_NAMES,
    BadRowError,
    BadRows,
    Fields,
    Metadata,
    Table,
    choose,
    damaged,
    ids_of_kinds,
    metadata_of_columns,
    refuse_constant,
    require_vectors,
)

# 65,536 numbers and 64 KiB of metadata fit several times.
LINE_BYTES_MAX = 16 * 1024 * 1024
ROWS_AT_FIRST = 1024


class GrowingRows:
    """float32 rows of one width; the memory is doubled in place."""

    def __init__(self, width: int) -> None:
        self._rows = np.empty((ROWS_AT_FIRST, width), np.float32)
        self._count = 0

    def append(self, row: np.ndarray) -> int:
        """Add a row and return its number; raise `BadRowError` for a value beyond float32."""
        if self._count == len(self._rows):
            self._rows.resize((2 * self._count, self._rows.shape[1]), refcheck=False)
        try:
            with np.errstate(over="raise"):
                self._rows[self._count] = row
        except FloatingPointError:
            with np.errstate(over="ignore"):
                beyond = np.isinf(row.astype(np.float32)) & np.isfinite(row)
            element = int(np.argmax(beyond))
            raise BadRowError(f"vector {does_not_fit(element, row[element])}") from None
        self._count += 1
        return self._count - 1

    def row(self, number: int) -> np.ndarray:
        """Return a copy of a row."""
        return np.array(self._rows[number])

    def take(self) -> np.ndarray:
        """Return the rows; nothing may be appended afterwards."""
        return self._rows[: self._count]


def read_lines(path: str, bad: BadRows) -> Iterator[tuple[int, bytes]]:
    """Give the lines of a file that are not blank, with their numbers from 1."""
    try:
        with Path(path).open("rb") as file:
            number = 0
            while line := file.readline(LINE_BYTES_MAX):
                number += 1
                if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
                    bad.add(number, f"a line must not be over {LINE_BYTES_MAX} bytes")
                    while line and not line.endswith(b"\n"):
                        line = file.readline(LINE_BYTES_MAX)
                    continue
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if not line.isspace() and line:
                    yield number, line
    except OSError as error:
        if isinstance(error, SpringgError):
            raise
        message = f"cannot read {path}: {error.strerror or error}"
        raise error_of("io_error", message, file=path) from error


def read_jsonl(path: str, fields: Fields, width: int, bad: BadRows) -> Table:
    """Read one JSON object a line, a line at a time."""
    reader = JsonRows(path, fields, width)
    lines: list[int] = []
    for number, line in read_lines(path, bad):
        try:
            reader.take(line)
        except BadRowError as reason:
            bad.add(number, str(reason), reason.code)
        else:
            lines.append(number)
    return reader.table(np.asarray(lines, np.int64))


class JsonRows:
    """Turns lines into rows; the first good line decides the names of the fields."""

    def __init__(self, path: str, fields: Fields, width: int) -> None:
        self._path = path
        self._fields = fields
        self._width = width
        self._vectors = GrowingRows(width)
        self._ids: list[Any] = []
        self._metadata: list[Metadata] = []
        self._id_name = fields.ids
        self._vector_name = fields.vectors
        self._named = False

    def take(self, line: bytes) -> None:
        """Add the row of one line, or raise `BadRowError` and add nothing."""
        row = parse_line(line)
        if not self._named:
            self._name_fields(row)
        if self._vector_name not in row:
            raise BadRowError(f"no field {self._vector_name!r}")
        vector = vector_of_json(row.pop(self._vector_name), self._width, line)
        identifier = self._take_id(row)
        metadata = self._fields.compose(row)
        self._vectors.append(vector)
        self._ids.append(identifier)
        self._metadata.append(metadata)
        self._named = True

    def table(self, lines: np.ndarray) -> Table:
        """Return all rows."""
        ids = None if self._id_name is None else self._ids
        metadata = self._metadata if any(m is not None for m in self._metadata) else None
        return Table(self._vectors.take(), ids, metadata, lines)

    def _name_fields(self, row: dict[str, Any]) -> None:
        if self._fields.ids is None:
            self._id_name = next((name for name in ID_NAMES if name in row), None)
        if self._fields.vectors is None:
            self._vector_name = next((n for n in VECTOR_NAMES if n in row), VECTOR_NAMES[0])

    def _take_id(self, row: dict[str, Any]) -> Any:
        if self._id_name is None:
            if "id" in row:
                raise BadRowError("has a field 'id', which the first line does not have")
            return None
        if self._id_name not in row:
            raise BadRowError(f"no field {self._id_name!r}")
        found = row.pop(self._id_name)
        if isinstance(found, dict) and found.keys() == {"uuid"}:
            try:
                return uuid.UUID(found["uuid"])
            except (ValueError, AttributeError, TypeError):
                raise BadRowError(f"id is not a UUID: {found['uuid']!r}") from None
        return found


def parse_line(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line."""
    try:
        row = json.loads(line.decode(), parse_constant=refuse_constant)
    except UnicodeDecodeError as error:
        raise BadRowError(f"is not UTF-8: byte {error.start} of the line") from None
    except RecursionError:
        raise BadRowError("is nested too deep") from None
    except ValueError as error:
        raise BadRowError(f"is not valid JSON: {error}") from None
    if not isinstance(row, dict):
        raise BadRowError(f"must be a JSON object, got {type(row).__name__}")
    return row


def vector_of_json(value: Any, width: int, line: bytes) -> np.ndarray:
    """Return a list of `width` numbers as an array."""
    if not isinstance(value, list):
        raise BadRowError(f"vector must be a list of numbers, got {type(value).__name__}")
    if len(value) != width:
        reason = f"vector dimension mismatch: expected {width}, got {len(value)}"
        raise BadRowError(reason, "dimension_mismatch")
    # numpy would read true as 1.
    if (b"true" in line or b"false" in line) and any(isinstance(x, bool) for x in value):
        raise BadRowError("vector must be a list of numbers, got bool in it")
    try:
        vector = np.array(value)
    except (ValueError, OverflowError):
        raise BadRowError("vector must be a flat list of numbers") from None
    if vector.dtype.kind == "O" and all(isinstance(x, (int, float)) for x in value):
        raise BadRowError("vector has a number beyond float32")
    if vector.ndim != 1 or vector.dtype.kind not in "fiu":
        raise BadRowError("vector must be a flat list of numbers")
    return vector


def read_parquet(path: str, fields: Fields, width: int, bad: BadRows) -> Table:
    """Read a table with a column of lists (or of lists of fixed size) for the vectors."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        message = "reading and writing .parquet needs pyarrow: pip install pyarrow"
        raise error_of("unsupported", message) from error
    try:
        with (
            Path(path).open("rb") as handle,
            pq.ParquetFile(handle, page_checksum_verification=True) as file,
        ):
            names = list(file.schema_arrow.names)
            id_name = choose(path, fields.ids, ID_NAMES, names)
            chosen = choose(path, fields.vectors, VECTOR_NAMES, names)
            vector_name = require_vectors(path, chosen, VECTOR_NAMES, names)
            wanted = fields.wanted_metadata()
            for name in sorted(wanted or ()):
                choose(path, name, (), names)
            taken = {id_name, vector_name, "id_kinds"}
            others = [n for n in names if (n in wanted if wanted is not None else n not in taken)]
            table = file.read(columns=[n for n in names if n in taken or n in others])
            table.validate(full=True)  # lengths, and that text is UTF-8
    except SpringgError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            message = f"cannot read {path}: {error.strerror}"
            raise error_of("io_error", message, file=path) from error
        raise damaged(path, f"not a whole Parquet file: {error}") from error
    return table_of_arrow(path, table, (id_name, vector_name, others), fields, width, bad)


def table_of_arrow(
    path: str,
    table: Any,
    names: tuple[str | None, str, list[str]],
    fields: Fields,
    width: int,
    bad: BadRows,
) -> Table:
    """Make a table of the columns that were read."""
    id_name, vector_name, others = names
    vectors = vectors_of_arrow(path, table.column(vector_name), width, bad)
    ids: list[Any] | None = None
    if id_name is not None:
        ids = list(table.column(id_name).to_pylist())
        if "id_kinds" in table.column_names:
            ids = ids_of_kinds(path, ids, table.column("id_kinds").to_pylist())
    columns = {name: table.column(name).to_pylist() for name in others}
    return Table(vectors, ids, metadata_of_columns(columns, table.num_rows, fields, bad))


def vectors_of_arrow(path: str, column: Any, width: int, bad: BadRows) -> np.ndarray:
    """Return a column of lists as rows; a row of another width or with nulls is bad."""
    import pyarrow as pa

    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list or pa.types.is_fixed_size_list(kind)):
        message = f"{path}: the vector column must hold lists of numbers, got {kind}"
        raise error_of("invalid_argument", message, file=path)
    number = kind.value_type
    if not (pa.types.is_floating(number) or pa.types.is_integer(number)):
        message = f"{path}: the vector column must hold lists of numbers, got {kind}"
        raise error_of("invalid_argument", message, file=path)
    vectors = np.empty((len(column), width), number.to_pandas_dtype())
    if vectors.dtype.kind in "iu" and vectors.dtype.itemsize > 1:
        vectors = vectors.astype(np.float32)
    begin = 0
    for chunk in column.chunks:
        fill_vectors(vectors[begin : begin + len(chunk)], chunk, begin + 1, bad)
        begin += len(chunk)
    return vectors


def fill_vectors(rows: np.ndarray, chunk: Any, first_line: int, bad: BadRows) -> None:
    """Copy one chunk of an Arrow column of lists."""
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its functions are made when it is imported
    width = rows.shape[1]
    flat = chunk.flatten()  # without null rows
    even = chunk.null_count == 0 and flat.null_count == 0
    if even and bool((compute.list_value_length(chunk).to_numpy() == width).all()):
        rows[:] = flat.to_numpy(zero_copy_only=False).reshape(rows.shape)
        return
    for row, value in enumerate(chunk.to_pylist()):
        if value is None:
            bad.add(first_line + row, "vector is null")
        elif len(value) != width:
            reason = f"vector dimension mismatch: expected {width}, got {len(value)}"
            bad.add(first_line + row, reason, "dimension_mismatch")
        elif None in value:
            bad.add(first_line + row, "vector has a null in it")
        else:
            rows[row] = value
            continue
        rows[row] = 0
