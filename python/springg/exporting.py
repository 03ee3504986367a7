# SPDX-License-Identifier: MIT
"""An index into a file: ``index.export_file(path)``.

What is written is one moment of the index, whatever writers do meanwhile, and the file is there as
a whole or not at all: it is written beside its place, synced, and renamed. ``.jsonl``,
``.parquet``, ``.npz`` and ``.hdf5`` keep ids, vectors and metadata; ``.npy`` and ``.fvecs`` keep
vectors alone. ``.bin`` is the Go Springg's format, of two files.
"""

from __future__ import annotations

import json
import os
import secrets
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from springg._arrays import boolean
from springg._dtypes import numpy_dtype, row_width
from springg._file_formats import (
    ELEMENT_OF_VECS,
    KIND_OF_ID,
    file_to_write,
    format_of,
    path_text,
)
from springg.errors import error_of
from springg.exporting_springg1 import write_springg1

if TYPE_CHECKING:
    from springg.index import Index
    from springg.types import Include

__all__ = ["export_file", "keeps_ids", "written_file"]

ROWS_AT_ONCE = 1_000
# Range of the elements that a file of whole numbers can hold.
RANGE_OF_VECS = {".bvecs": (0, 255), ".ivecs": (-(2**31), 2**31 - 1)}


def export_file(
    index: Index,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002
    normalise: bool = False,
) -> int:
    """Write the rows of an index to a file that `Index.import_file` reads again.

    Parameters
    ----------
    index : Index
        What to write, as it is at the moment of the call.
    path : path-like
        The file. One that is there is replaced, as a whole.
    format : str, optional
        ``"npy"``, ``"jsonl"``, ``"springg1"``, ...; else the ending of `path` says it.
    normalise : bool
        For ``.bin`` alone; see `Index.export_file`.

    Returns
    -------
    int
        The number of rows written.

    Raises
    ------
    InvalidArgument
        The format is unknown, ``.bvecs``/``.ivecs`` cannot hold the values, or two ids are one as
        text in ``.bin``.
    IoError
        The file cannot be written.
    Unsupported
        h5py or pyarrow is missing.

    Notes
    -----
    ``.jsonl``, ``.*vecs`` and ``.bin`` are written in small blocks; the others hold one copy of
    the vectors in memory.
    """
    name = path_text(path)
    if format is not None and not isinstance(format, str):
        raise TypeError(f"format must be a str such as 'npy', got {type(format).__name__}")
    ending = format_of(name, format)
    target = Path(file_to_write(name, ending))
    if boolean("normalise", normalise) and ending != ".bin":
        message = f"normalise goes with the format springg1 alone, got {ending}"
        raise error_of("invalid_argument", message)
    try:
        if ending == ".bin":
            return write_springg1(index, target, normalise=normalise)
        return write_one(index, target, ending)
    except OSError as error:
        if error.errno is None:  # one of ours, or of a library that has its own words
            raise
        message = f"cannot write {target}: {error.strerror}"
        raise error_of("io_error", message, file=name) from error


def write_one(index: Index, target: Path, ending: str) -> int:
    """Write a file beside its place, sync it, and rename it."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x+b") as file:
            rows = WRITERS[ending](index, file, ending)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def keeps_ids(path: str | os.PathLike[str], format: str | None = None) -> bool:  # noqa: A002
    """Say whether the format of a file keeps ids and metadata beside the vectors."""
    return format_of(os.fspath(path), format) not in (".npy", *ELEMENT_OF_VECS)


def written_file(path: str, format: str | None = None) -> str:  # noqa: A002
    """Return the file that an export to a path writes."""
    return file_to_write(path, format_of(path, format))


def blocks(index: Index, *include: Include) -> Iterator[list[Any]]:
    """Give the records of one moment in blocks."""
    return iter(index.scan(ROWS_AT_ONCE, include=include))


def stack(records: list[Any]) -> np.ndarray:
    """Return the vectors of some records as rows."""
    return np.stack([record.vector for record in records])


def gather(index: Index) -> tuple[list[Any], np.ndarray, list[str]]:
    """Return ids, vectors in the index's dtype, and metadata as JSON text ("" for none)."""
    ids: list[Any] = []
    dtype = numpy_dtype(index.dtype)
    vectors: list[np.ndarray] = [np.empty((0, row_width(index.dimensions, index.dtype)), dtype)]
    texts: list[str] = []
    for records in blocks(index, "vector", "metadata"):
        ids.extend(record.id for record in records)
        vectors.append(stack(records).astype(dtype, copy=False))
        texts.extend("" if r.metadata is None else compact(r.metadata) for r in records)
    return ids, np.concatenate(vectors), texts


def compact(value: Any) -> str:
    """Return the shortest JSON text of a value."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def id_columns(ids: list[Any]) -> tuple[np.ndarray | list[str], np.ndarray | None]:
    """Return ids as one column, and their kinds when the column does not say them."""
    kinds = {type(identifier) for identifier in ids}
    if kinds <= {int}:
        return np.array(ids, np.uint64), None
    if kinds == {str}:
        return ids, None
    numbers = np.array([KIND_OF_ID[type(identifier)] for identifier in ids], np.uint8)
    return [str(identifier) for identifier in ids], numbers


def write_npy(index: Index, file: BinaryIO, ending: str) -> int:  # noqa: ARG001
    """Write the vectors in the index's dtype."""
    vectors = index.vectors
    np.lib.format.write_array(file, vectors, allow_pickle=False)
    return len(vectors)


def write_vecs(index: Index, file: BinaryIO, ending: str) -> int:
    """Write each row after its width."""
    dtype = np.dtype(ELEMENT_OF_VECS[ending])
    elements_of_row = row_width(index.dimensions, index.dtype)
    width = np.frombuffer(np.array([elements_of_row], "<i4").tobytes(), np.uint8)
    rows = 0
    for records in blocks(index, "vector"):
        elements = whole_numbers(stack(records), ending, rows).astype(dtype)
        block = np.empty((len(records), 4 + elements_of_row * dtype.itemsize), np.uint8)
        block[:, :4] = width
        block[:, 4:] = elements.view(np.uint8)
        file.write(block.tobytes())
        rows += len(records)
    return rows


def whole_numbers(vectors: np.ndarray, ending: str, first_row: int) -> np.ndarray:
    """Return the vectors, or raise when the file's whole numbers cannot hold them."""
    if ending not in RANGE_OF_VECS:
        return vectors
    least, greatest = RANGE_OF_VECS[ending]
    wide = vectors.astype(np.float64)
    fits = (wide == np.rint(wide)) & (wide >= least) & (wide <= greatest)
    if not fits.all():
        row, column = np.argwhere(~fits)[0]
        message = (
            f"{ending} holds whole numbers {least}..{greatest}: row {first_row + row}, "
            f"element {column} is {vectors[row, column]}"
        )
        raise error_of("invalid_argument", message, row=int(first_row + row))
    return wide


def write_npz(index: Index, file: BinaryIO, ending: str) -> int:  # noqa: ARG001
    """Write arrays `ids`, `vectors` and, when there is any, `metadata`."""
    ids, vectors, texts = gather(index)
    column, kinds = id_columns(ids)
    arrays = {"ids": text_array(column), "vectors": vectors}
    if kinds is not None:
        arrays["id_kinds"] = kinds
    if any(texts):
        arrays["metadata"] = text_array(texts)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return len(ids)


def text_array(texts: np.ndarray | list[str]) -> np.ndarray:
    """Return texts as a numpy array of fixed width, which cannot end in a NUL."""
    if isinstance(texts, np.ndarray):
        return texts
    cut = next((text for text in texts if text.endswith("\0")), None)
    if cut is not None:
        message = f".npz cannot hold text that ends in a NUL character, got {cut!r}"
        raise error_of("unsupported", message)
    return np.array(texts, dtype=np.str_)


def write_hdf5(index: Index, file: BinaryIO, ending: str) -> int:  # noqa: ARG001
    """Write datasets `train` (the rows), `ids` and, when there is any, `metadata`."""
    try:
        import h5py
    except ImportError as error:
        message = "reading and writing .hdf5 needs h5py: pip install h5py"
        raise error_of("unsupported", message) from error
    ids, vectors, texts = gather(index)
    column, kinds = id_columns(ids)
    text = h5py.string_dtype()
    with h5py.File(file, "w") as out:
        out.create_dataset("train", data=vectors)
        numbers = isinstance(column, np.ndarray)
        out.create_dataset("ids", data=column, dtype=None if numbers else text)
        if kinds is not None:
            out.create_dataset("id_kinds", data=kinds)
        if any(texts):
            out.create_dataset("metadata", data=texts, dtype=text)
        # What ann-benchmarks calls the metrics that it knows.
        names = {"cosine": "angular", "l2": "euclidean"}
        out.attrs["distance"] = names.get(index.metric, index.metric)
    return len(ids)


def write_jsonl(index: Index, file: BinaryIO, ending: str) -> int:  # noqa: ARG001
    """Write one object a line."""
    rows = 0
    form = "[" + ",".join(["%.9g"] * row_width(index.dimensions, index.dtype)) + "]"
    for records in blocks(index, "vector", "metadata"):
        lines = [json_line(record, form) for record in records]
        file.write("".join(lines).encode())
        rows += len(records)
    return rows


def json_line(record: Any, form: str) -> str:
    """Return the line of a record; nine digits give every float32 back."""
    identifier = record.id
    if isinstance(identifier, uuid.UUID):
        identifier = {"uuid": str(identifier)}
    numbers = record.vector.tolist()
    # Readers of JSON take -0 for the integer 0, which has no sign.
    signed_zero = bool(np.any((record.vector == 0) & np.signbit(record.vector)))
    vector = compact(numbers) if signed_zero else form % tuple(numbers)
    line = f'{{"id":{compact(identifier)},"vector":{vector}'
    if record.metadata is not None:
        line += f',"metadata":{compact(record.metadata)}'
    return line + "}\n"


def write_parquet(index: Index, file: BinaryIO, ending: str) -> int:  # noqa: ARG001
    """Write columns `id`, `vector` and, when there is any, `metadata` (JSON text)."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        message = "reading and writing .parquet needs pyarrow: pip install pyarrow"
        raise error_of("unsupported", message) from error
    ids, vectors, texts = gather(index)
    column, kinds = id_columns(ids)
    flat = pa.array(vectors.reshape(-1))
    columns = {
        "id": pa.array(column, pa.uint64() if isinstance(column, np.ndarray) else pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    }
    if kinds is not None:
        columns["id_kinds"] = pa.array(kinds)
    if any(texts):
        columns["metadata"] = pa.array([text or None for text in texts], pa.string())
    pq.write_table(pa.table(columns), file, write_page_checksum=True)
    return len(ids)


WRITERS: dict[str, Callable[[Index, BinaryIO, str], int]] = {
    ".npy": write_npy,
    ".npz": write_npz,
    ".fvecs": write_vecs,
    ".bvecs": write_vecs,
    ".ivecs": write_vecs,
    ".hdf5": write_hdf5,
    ".h5": write_hdf5,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
}
