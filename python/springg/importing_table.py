# SPDX-License-Identifier: MIT
"""What every reader of a file gives back: rows with their lines, and the rows that are bad.

A reader fills a `Table`. What is wrong with one row goes through `BadRows`, which raises the error
that names file and line, or notes it when the caller asked to skip. What is wrong with the whole
file (it is cut, it is not of its format) is raised at once, whatever was asked.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import mmap
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from springg._file_formats import KIND_OF_ID
from springg.errors import SpringgError, error_of
from springg.types import counted

Metadata = dict[str, Any] | None

ID_NAMES = ("id", "ids")
VECTOR_NAMES = ("vector", "vectors")


class SkippedRow(NamedTuple):
    """A row of a file that was not stored: its line (from 1) and why."""

    line: int
    reason: str


class ImportReport(int):
    """The number of rows that an import added, with what it skipped.

    Attributes
    ----------
    skipped : list of SkippedRow
        ``(line, reason)`` of each row that was left out, by line. Empty unless
        ``on_error="skip"`` was given, or a crash had cut a write in the log of a Go Springg.
    """

    skipped: list[SkippedRow]

    def __new__(cls, rows: int, skipped: Iterable[SkippedRow] = ()) -> ImportReport:
        """Make the report of an import that added `rows`."""
        report = super().__new__(cls, rows)
        report.skipped = list(skipped)
        return report

    def __getnewargs__(self) -> tuple[int, list[SkippedRow]]:  # type: ignore[override]
        return int(self), self.skipped

    def __repr__(self) -> str:
        return f"ImportReport({counted(int(self), 'row')} added, {len(self.skipped)} skipped)"


class BadRowError(Exception):
    """Says why one row cannot be taken; never leaves the import."""

    def __init__(self, reason: str, code: str = "invalid_argument") -> None:
        super().__init__(reason)
        self.code = code


class BadRows:
    """Where readers report bad rows: raises, or notes them when `skip` is set.

    Attributes
    ----------
    reasons : dict of int to str
        What is wrong with the row of a line.
    notes : list of SkippedRow
        What was left out and is no row of the table.
    second : tuple of (int, str), optional
        Lines after this number are those of a second file, counted on.
    """

    def __init__(self, path: str, *, skip: bool) -> None:
        self.path = path
        self.skip = skip
        self.reasons: dict[int, str] = {}
        self.notes: list[SkippedRow] = []
        self.second: tuple[int, str] | None = None

    def place(self, line: int) -> tuple[str, int]:
        """Return the file of a line, and its number there."""
        if self.second is None or line <= self.second[0]:
            return self.path, line
        return self.second[1], line - self.second[0]

    def add(self, line: int, reason: str, code: str = "invalid_argument") -> None:
        """Report one row; the first reason of a line stays."""
        if not self.skip:
            path, number = self.place(line)
            message = f"{path}, line {number}: {reason}"
            raise error_of(code, message, file=path, line=number)
        self.reasons.setdefault(line, reason)

    def note(self, path: str, line: int, reason: str) -> None:
        """Report what is left out whatever was asked, such as a write that a crash cut."""
        self.notes.append(SkippedRow(line, f"{Path(path).name}: {reason}"))

    def skipped(self) -> list[SkippedRow]:
        """Return what was noted, by line; a reason names a file that is not the one imported."""
        rows = []
        for line in sorted(self.reasons):
            path, number = self.place(line)
            reason = self.reasons[line]
            rows.append(
                SkippedRow(number, reason if path == self.path else f"{Path(path).name}: {reason}")
            )
        return rows + self.notes


@dataclasses.dataclass(frozen=True)
class Fields:
    """Which fields of a file are ids, vectors and metadata; None stands for the usual names."""

    ids: str | None = None
    vectors: str | None = None
    metadata: str | Sequence[str] | None = None

    def wanted_metadata(self) -> set[str] | None:
        """Names of the metadata fields; None: all that are left."""
        if self.metadata is None:
            return None
        return {self.metadata} if isinstance(self.metadata, str) else set(self.metadata)

    def compose(self, row: dict[str, Any]) -> Metadata:
        """Make the metadata of a row from its other fields (ids and vector already taken out)."""
        if isinstance(self.metadata, str):
            name = self.metadata
            if name not in row:
                return None
            found = row[name]
            if found is None or isinstance(found, dict) or found == "":
                return found if isinstance(found, dict) else None
            if isinstance(found, str) and found.lstrip()[:1] == "{":
                return parse_object(name, found)
            return {name: found}
        if self.metadata is not None:
            chosen = {name: row[name] for name in self.metadata if name in row}
            return chosen or None
        if "metadata" not in row:
            return row or None
        rest = {name: value for name, value in row.items() if name != "metadata"}
        whole = parse_object("metadata", row["metadata"])
        if not rest:
            return whole
        twice = sorted(rest.keys() & (whole or {}).keys())
        if twice:
            raise BadRowError(f"field {twice[0]!r} stands in metadata and beside it")
        return {**(whole or {}), **rest}


@dataclasses.dataclass
class Table:
    """The rows of a file. `vectors` may be a view of the mapped file."""

    vectors: np.ndarray  # (n, width), any real dtype
    ids: list[Any] | np.ndarray | None = None
    metadata: list[Metadata] | None = None
    lines: np.ndarray | None = None  # line of each row; None: row + 1

    def __len__(self) -> int:
        return len(self.vectors)

    def line(self, row: int) -> int:
        """Line of a row, from 1."""
        return row + 1 if self.lines is None else int(self.lines[row])

    def keep(self, rows: np.ndarray) -> Table:
        """Return the table of some rows, copied."""
        return Table(
            self.vectors[rows],
            None if self.ids is None else [self.ids[i] for i in rows],
            None if self.metadata is None else [self.metadata[i] for i in rows],
            rows + 1 if self.lines is None else self.lines[rows],
        )


def parse_object(name: str, value: Any) -> Metadata:
    """Return a JSON object that came as an object, as JSON text, or not at all."""
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, str):
        if not value:
            return None
        try:
            value = json.loads(value, parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            raise BadRowError(f"{name} is not valid JSON: {error}") from None
        if value is None or isinstance(value, dict):
            return value
    raise BadRowError(f"{name} must be a JSON object, got {type(value).__name__}")


def refuse_constant(text: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{text} is not a JSON number")


def plain(value: Any) -> Any:
    """Return a value of a column as what JSON can hold; times become ISO 8601 text."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadRowError("bytes that are not UTF-8 have no JSON form") from None
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    raise BadRowError(f"a value of type {type(value).__name__} has no JSON form")


def metadata_of_columns(
    columns: Mapping[str, Sequence[Any]], rows: int, fields: Fields, bad: BadRows
) -> list[Metadata] | None:
    """Make the metadata of each row from the columns that are left."""
    if not columns:
        return None
    names = list(columns)
    composed: list[Metadata] = []
    for row, values in enumerate(zip(*columns.values(), strict=True)):
        try:
            composed.append(fields.compose(dict(zip(names, map(plain, values), strict=True))))
        except BadRowError as reason:
            bad.add(row + 1, str(reason), reason.code)
            composed.append(None)
    assert len(composed) == rows
    return composed


def in_file(error: SpringgError, path: str, line: int | None = None) -> SpringgError:
    """Return the error with the file (and line) in front of its message."""
    details = {**error.details, "file": path}
    if line is None:
        return type(error)(error.code, f"{path}: {error.message}", details)
    # The row of the call means nothing to whoever looks at the file.
    message = re.sub(r":? (?:at|of) rows? \d+(?: and \d+)?", "", error.message, count=1)
    details["line"] = line
    return type(error)(error.code, f"{path}, line {line}: {message}", details)


def map_file(path: str) -> memoryview:
    """Map a file read-only; what is made of the view keeps the mapping."""
    try:
        with Path(path).open("rb") as file:
            if file.seek(0, 2) == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: Exception) -> SpringgError:
    """Return the error of a file that the system does not give out."""
    reason = getattr(error, "strerror", None) or str(error)
    return error_of("io_error", f"cannot read {path}: {reason}", file=path)


def damaged(path: str, what: object) -> SpringgError:
    """Return the error of a file that is not whole or not of its format."""
    return error_of("corruption", f"{path}: {what}", file=path)


def choose(path: str, given: str | None, usual: Sequence[str], names: Iterable[str]) -> str | None:
    """Return the field that was asked for, or the first usual one that is there."""
    present = list(names)
    if given is None:
        return next((name for name in usual if name in present), None)
    if given not in present:
        there = ", ".join(sorted(present)) or "none"
        message = f"{path}: no field {given!r}; the file has {there}"
        raise error_of("invalid_argument", message, file=path, field=given)
    return given


def require_vectors(path: str, name: str | None, usual: Sequence[str], names: Iterable[str]) -> str:
    """Return the name of the vector field, or raise the error that lists what is there."""
    if name is None:
        there = ", ".join(sorted(names)) or "none"
        message = f"{path}: no field {' or '.join(map(repr, usual))}; the file has {there}"
        raise error_of("invalid_argument", message, file=path)
    return name


def ids_of_kinds(path: str, texts: Sequence[Any], kinds: Sequence[Any]) -> list[Any]:
    """Return ids of several types from their texts."""
    types: dict[Any, Any] = {number: kind for kind, number in KIND_OF_ID.items()}
    try:
        return [types[kind](text) for kind, text in zip(kinds, texts, strict=True)]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise damaged(path, f"id_kinds does not fit the ids: {error!r}") from error
