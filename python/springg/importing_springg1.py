# SPDX-License-Identifier: MIT
"""Reader of an index of the Go Springg: ``NAME.bin``, and ``NAME.meta``, ``NAME.wal`` beside it.

What is read is what the Go program had acknowledged: the vectors of the ``.bin`` bit for bit, the
metadata of the ``.meta``, then the writes of the log. Metadata are records as Go returns them:
``published_date``, ``modified_date``, ``custom``, each left out when empty.

A save of the Go program renames ``.bin`` and ``.meta`` one after the other. When a crash came in
between, the new metadata still lie in ``.meta.tmp``, and are taken from there.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from struct import unpack_from

import numpy as np

from springg import _core
from springg._go_json import record_of
from springg._go_log import Log, Write
from springg._go_meta import damaged_meta, read_entries
from springg.errors import SpringgError, error_of
from springg.importing_table import (
    BadRowError,
    BadRows,
    Fields,
    Metadata,
    Table,
    in_file,
    map_file,
    unreadable,
)

# Vectors of more bytes are gathered in a temporary file, whose memory the system can take back.
GATHERED_IN_MEMORY = 64 * 1024 * 1024
ROWS_AT_ONCE = 8_192
# The .meta.tmp of a save is written after its .bin.tmp. One that is older than the .bin was left by
# an earlier save. Copies of files are not always this exact.
OLDER_NS = 1_000_000_000


def read_springg1(path: str, fields: Fields, width: int, bad: BadRows) -> Table:
    """Read NAME.bin with its metadata and its log."""
    before = state_of(path)
    file = map_file(path)
    try:
        dimensions, records = _core.parse_springg1(file)
    except SpringgError as error:
        raise in_file(error, path) from None
    if dimensions != width:
        message = f"{path}: vector dimension mismatch: expected {width}, got {dimensions}"
        raise error_of("dimension_mismatch", message, file=path, expected=width, actual=dimensions)
    ids = ids_of(file, records, bad)
    place = {identifier: row for row, identifier in enumerate(ids)}
    stored = read_metadata(path, place, fields, bad)
    log = read_log(path, width, place, bad)
    if state_of(path) != before:
        message = f"{path}: was replaced while it was read; stop the program that writes it"
        raise error_of("unavailable", message, file=path)
    if log is not None:
        bad.second = (len(ids), beside(path, ".wal"))
    return table_of(file, records, ids, stored, log, fields, width)


def beside(path: str, ending: str) -> str:
    """Return the name of a file that belongs to a .bin."""
    return path[: -len(".bin")] + ending


def state_of(path: str) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written to."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def ids_of(file: memoryview, records: np.ndarray, bad: BadRows) -> list[str]:
    """Return the ids of all records; a bad one is reported, and empty."""
    ids = []
    for row, offset in enumerate(records.tolist(), 1):
        (size,) = unpack_from("<I", file, offset)
        try:
            ids.append(str(file[offset + 4 : offset + 4 + size], "utf-8"))
        except UnicodeDecodeError as error:
            bad.add(row, f"id is not UTF-8 at its byte {error.start}")
            ids.append("")
    return ids


# Metadata


def read_metadata(
    path: str, place: dict[str, int], fields: Fields, bad: BadRows
) -> dict[int, Metadata]:
    """Return the metadata of the records of a .bin."""
    unfinished = beside(path, ".meta.tmp")
    if renames_were_cut(path, unfinished):
        try:
            trial = BadRows(unfinished, skip=False)
            return metadata_of(unfinished, place, fields, trial, whole=True)
        except SpringgError as error:  # it was not written to its end, or is of another save
            if error.code not in ("corruption", "invalid_argument"):
                raise
    meta = beside(path, ".meta")
    return metadata_of(meta, place, fields, bad, whole=False) if Path(meta).exists() else {}


def renames_were_cut(path: str, unfinished: str) -> bool:
    """Say whether a crash came after the rename of the .bin and before that of the .meta."""
    if Path(path + ".tmp").exists():
        return False
    try:
        written = Path(unfinished).stat().st_mtime_ns
    except OSError:
        return False
    return written > Path(path).stat().st_mtime_ns - OLDER_NS


def metadata_of(
    meta: str, place: dict[str, int], fields: Fields, bad: BadRows, *, whole: bool
) -> dict[int, Metadata]:
    """Return metadata by row of the .bin.

    An id without a vector is an error when the file must be `whole`; else its vector was deleted.
    """
    found: dict[int, Metadata] = {}
    try:
        for line, identifier, value in read_entries(meta):
            row = place.get(identifier)
            if row is None and whole:
                raise damaged_meta(meta, line, f"no vector has the id {identifier!r}")
            if row is None:
                continue
            if row in found:
                raise damaged_meta(meta, line, f"id {identifier!r} stands twice")
            try:
                found[row] = chosen(record_of(value), fields)
            except BadRowError as reason:
                if not bad.skip:
                    raise error_of(
                        reason.code, f"{meta}, line {line}: {reason}", file=meta, line=line
                    ) from None
                bad.add(row + 1, f"{Path(meta).name}, line {line}: {reason}")
                found[row] = None
    except SpringgError as error:
        if not bad.skip or error.code != "corruption":
            raise
        told = error.message.removeprefix(f"{meta}, line {error.details['line']}: ")
        bad.note(meta, error.details["line"], f"{told}; metadata from here on are left out")
    return found


def chosen(record: Metadata, fields: Fields) -> Metadata:
    """Return the parts of a record that were asked for."""
    if record is None or fields.metadata is None:
        return record
    return fields.compose(dict(record))


# The log


def read_log(path: str, width: int, place: dict[str, int], bad: BadRows) -> Log | None:
    """Return the log of a .bin, or None when there is none."""
    name = beside(path, ".wal")
    if not Path(name).exists():
        return None
    log = Log(name, width, place, skip=bad.skip)
    log.read()
    log.report(bad)
    return log


def last_writes(log: Log | None) -> dict[str, Write]:
    """Return the last write of each id, in the order of the log."""
    last: dict[str, Write] = {}
    for write in log.writes if log is not None else ():
        last.pop(write.identifier, None)
        last[write.identifier] = write
    return last


# All together


def table_of(
    file: memoryview,
    records: np.ndarray,
    ids: list[str],
    stored: dict[int, Metadata],
    log: Log | None,
    fields: Fields,
    width: int,
) -> Table:
    """Make a table of the records that the log leaves alone, and of what it writes."""
    last = last_writes(log)
    kept = [row for row, identifier in enumerate(ids) if identifier not in last]
    written = [write for write in last.values() if write.row >= 0]
    vectors = room(len(kept) + len(written), width)
    for begin in range(0, len(kept), ROWS_AT_ONCE):
        block = records[kept[begin : begin + ROWS_AT_ONCE]]
        _core.copy_springg1_vectors(file, block, vectors[begin : begin + len(block)])
    if log is not None and written:
        vectors[len(kept) :] = log.vectors([write.row for write in written])
    metadata = [
        *(stored.get(row) for row in kept),
        *(chosen(write.metadata, fields) for write in written),
    ]
    lines = [*(row + 1 for row in kept), *(len(ids) + write.line for write in written)]
    return Table(
        vectors,
        [*(ids[row] for row in kept), *(write.identifier for write in written)],
        metadata if any(record is not None for record in metadata) else None,
        np.array(lines, np.int64),
    )


def room(rows: int, width: int) -> np.ndarray:
    """Return float32 rows to fill; many of them lie in a temporary file, which has no name."""
    size = rows * width * 4
    if size <= GATHERED_IN_MEMORY:
        return np.empty((rows, width), np.float32)
    try:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, size)  # writing to a hole of a full disk kills
            mapped = mmap.mmap(file.fileno(), size)
    except OSError:
        return np.empty((rows, width), np.float32)
    return np.frombuffer(mapped, np.float32).reshape(rows, width)
