# SPDX-License-Identifier: MIT
"""Writer of an index of the Go Springg: ``NAME.bin``, and ``NAME.meta`` when there are metadata.

The bytes are those that the Go program writes for these ids, vectors and records: records in the
order of their ids' bytes, JSON as its encoder has it. A log beside them belongs to what is
replaced, and is removed.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import secrets
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from springg._go_json import go_metadata, go_record, go_string
from springg._go_vectors import normalised
from springg.errors import error_of

if TYPE_CHECKING:
    from springg.index import Index

ROWS_AT_ONCE = 1_000
VERSION = 1


def write_springg1(index: Index, target: Path, *, normalise: bool) -> int:
    """Write the files of an index; returns its rows."""
    if index.dtype == "binary":
        message = (
            "the Go Springg keeps float32 vectors and has no metric hamming: "
            "an index of dtype binary cannot be written as .bin"
        )
        raise error_of("unsupported", message)
    meta = target.with_suffix(".meta")
    with temporary(target) as bin_file, temporary(meta) as meta_file:
        # Rows come in the order of insertion; unsorted, they wait in a file that has no name.
        with tempfile.TemporaryFile(dir=target.parent) as unsorted:
            ids, records = spool(index, unsorted)
            order = sorted(range(len(ids)), key=ids.__getitem__)
            refuse_equal(ids, order)
            vectors = mapped(unsorted, len(ids), index.dimensions)
            write_bin(bin_file, ids, vectors, order, normalise=normalise)
        write_meta(meta_file, ids, records, order)
        for file in (bin_file, meta_file):
            file.flush()
            os.fsync(file.fileno())
        publish(Path(bin_file.name), Path(meta_file.name) if records else None, target)
    return len(ids)


@contextlib.contextmanager
def temporary(target: Path) -> Iterator[BinaryIO]:
    """A file beside its place; removed unless it was renamed."""
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with path.open("xb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def spool(index: Index, file: BinaryIO) -> tuple[list[str], dict[int, str]]:
    """Write all vectors to a file; return ids as text, and records of metadata by row."""
    ids: list[str] = []
    records: dict[int, str] = {}
    for rows in index.scan(ROWS_AT_ONCE, include=("vector", "metadata")):
        for place, row in enumerate(rows, len(ids)):
            if row.metadata is not None:
                records[place] = go_metadata(go_record(row.metadata), "  ")
        ids.extend(str(row.id) for row in rows)
        vectors: list[Any] = [row.vector for row in rows]
        file.write(np.stack(vectors).astype(np.float32, copy=False).tobytes())
    file.flush()
    return ids, records


def refuse_equal(ids: list[str], order: list[int]) -> None:
    """Refuse ids that are one as text, such as 1 and "1"."""
    for before, after in itertools.pairwise(order):
        if ids[before] == ids[after]:
            message = f"two ids have the text {ids[after]!r}, and the Go Springg has text ids alone"
            raise error_of("invalid_argument", message, id=ids[after])


def mapped(file: Any, rows: int, width: int) -> np.ndarray:
    """Return the rows that lie in a file."""
    if rows == 0:
        return np.empty((0, width), np.float32)
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(memory, np.float32).reshape(rows, width)


def write_bin(
    file: BinaryIO, ids: list[str], vectors: np.ndarray, order: list[int], *, normalise: bool
) -> None:
    """Write the header and the records."""
    width = vectors.shape[1]
    file.write(b"SPRINGG1" + struct.pack("<III12x", VERSION, width, len(ids)))
    for begin in range(0, len(order), ROWS_AT_ONCE):
        rows = order[begin : begin + ROWS_AT_ONCE]
        block = normalised(vectors[rows]) if normalise else vectors[rows]
        parts = []
        for row, vector in zip(rows, block, strict=True):
            name = ids[row].encode()
            parts += [struct.pack("<I", len(name)), name, vector.tobytes()]
        file.write(b"".join(parts))


def write_meta(file: BinaryIO, ids: list[str], records: dict[int, str], order: list[int]) -> None:
    """Write the object of all records, by id."""
    before = "{\n"
    for row in order:
        if row in records:
            file.write(f"{before}  {go_string(ids[row])}: {records[row]}".encode())
            before = ",\n"
    file.write(b"\n}")


def publish(new_bin: Path, new_meta: Path | None, target: Path) -> None:
    """Give the files their names, in the order in which the Go program does it.

    After a crash in between, the new metadata lie in ``.meta.tmp``, where an import finds them.
    """
    unfinished = target.with_suffix(".meta.tmp")
    target.with_suffix(".wal").unlink(missing_ok=True)
    waiting = new_bin.replace(target.with_suffix(".bin.tmp"))
    if new_meta is not None:
        new_meta.replace(unfinished)
    else:
        unfinished.unlink(missing_ok=True)
    waiting.replace(target)
    if new_meta is not None:
        unfinished.replace(target.with_suffix(".meta"))
    else:
        target.with_suffix(".meta").unlink(missing_ok=True)
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
