# SPDX-License-Identifier: MIT
"""Readers of arrays: ``.npy``, ``.npz``, ``.fvecs``/``.bvecs``/``.ivecs``, ``.hdf5``.

Layouts of ``.npy`` and ``.fvecs`` are parsed by the C++ core against the bytes at hand, and the
rows are views of the mapped file. Nothing here loads a pickle.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from springg import _core
from springg._file_formats import ELEMENT_OF_VECS
from springg.errors import SpringgError, error_of
from springg.importing_rows import read_jsonl, read_parquet
from springg.importing_springg1 import read_springg1
from springg.importing_table import (
    ID_NAMES,
    VECTOR_NAMES,
    BadRows,
    Fields,
    Table,
    choose,
    damaged,
    ids_of_kinds,
    in_file,
    map_file,
    metadata_of_columns,
    require_vectors,
    unreadable,
)

# Sets of ann-benchmarks hold these beside the rows; they are not columns of the rows.
BENCHMARK_NAMES = ("test", "neighbors", "distances")


def check_matrix(path: str, array: np.ndarray, what: str = "vectors") -> np.ndarray:
    """Return an array of real numbers in rows and columns, native byte order."""
    if array.dtype.kind not in "fiu":
        message = f"{path}: {what} must be numbers, got dtype {array.dtype}"
        raise error_of("unsupported", message, file=path)
    if array.ndim != 2:
        message = f"{path}: {what} must have 2 dimensions (rows, width), got shape {array.shape}"
        raise error_of("invalid_argument", message, file=path)
    if array.dtype.kind in "iu":
        return array if array.dtype.itemsize == 1 else array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def read_array(path: str) -> np.ndarray:
    """Read the array of a ``.npy`` file; a view of the mapped file."""
    return array_of_npy(path, map_file(path))


def array_of_npy(path: str, file: memoryview) -> np.ndarray:
    """Return the array whose ``.npy`` form lies in memory; a view of it."""
    try:
        descr, fortran_order, shape, offset, data_bytes = _core.parse_npy(file)
    except SpringgError as error:
        raise in_file(error, path) from None
    order: Literal["C", "F"] = "F" if fortran_order else "C"
    try:
        if data_bytes == 0:
            return np.empty(tuple(shape), np.dtype(descr), order)
        flat = np.frombuffer(file[offset : offset + data_bytes], np.dtype(descr))
        return flat.reshape(tuple(shape), order=order)
    except (ValueError, TypeError, MemoryError) as error:
        raise damaged(path, f"not an array that numpy can hold: {error}") from error


def read_npy(path: str, fields: Fields, width: int, bad: BadRows) -> Table:  # noqa: ARG001
    """Read one array of shape (rows, width)."""
    return Table(check_matrix(path, read_array(path)))


def read_vecs(path: str, fields: Fields, width: int, bad: BadRows) -> Table:  # noqa: ARG001
    """Read rows that each begin with their width; a strided view of the mapped file."""
    dtype = np.dtype(ELEMENT_OF_VECS[Path(path).suffix.lower()])
    file = map_file(path)
    if not file:
        return Table(np.empty((0, width), np.float32))
    try:
        rows, dimensions, row_bytes = _core.parse_vecs(file, dtype.itemsize)
    except SpringgError as error:
        raise in_file(error, path) from None
    strides = (row_bytes, dtype.itemsize)
    array = np.ndarray((rows, dimensions), dtype, file, offset=4, strides=strides)
    return Table(check_matrix(path, array))


def read_npz(path: str, fields: Fields, width: int, bad: BadRows) -> Table:  # noqa: ARG001
    """Read `ids`, `vectors` and `metadata`; other arrays of as many rows are metadata."""

    def read(name: str) -> np.ndarray:
        return array_of_npy(f"{path}, array {name!r}", memoryview(archive.read(name + ".npy")))

    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            names = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]
            return table_of_arrays(path, names, read, fields, bad)
    except SpringgError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        struct.error,
        ValueError,
        RuntimeError,  # encrypted
        NotImplementedError,  # a compression that zipfile does not know
    ) as error:
        raise damaged(path, f"not a whole .npz archive: {error}") from error


def read_hdf5(path: str, fields: Fields, width: int, bad: BadRows) -> Table:  # noqa: ARG001
    """Read the datasets of the root group; `train` holds the rows, as ann-benchmarks has it."""
    with open_hdf5(path) as (names, read):
        return table_of_arrays(path, names, read, fields, bad)


def read_benchmark_queries(path: str, bad: BadRows) -> np.ndarray:
    """Read the dataset `test` of an ann-benchmarks file, else its rows."""
    with open_hdf5(path) as (names, read):
        if "test" in names:
            return check_matrix(path, read("test"), "array 'test'")
        return table_of_arrays(path, names, read, Fields(metadata=()), bad).vectors


@contextlib.contextmanager
def open_hdf5(path: str) -> Iterator[tuple[list[str], Callable[[str], np.ndarray]]]:
    """Give the names of the datasets in the root group, and a function that reads one."""
    try:
        import h5py
    except ImportError as error:
        message = "reading and writing .hdf5 needs h5py: pip install h5py"
        raise error_of("unsupported", message) from error
    try:
        with Path(path).open("rb"):  # the system's reason is clearer than the library's
            pass
    except OSError as error:
        raise unreadable(path, error) from error

    def read(name: str) -> np.ndarray:
        dataset: Any = file[name]
        if h5py.check_string_dtype(dataset.dtype) is not None:
            return np.asarray(dataset.asstr()[...], dtype=object)
        return np.asarray(dataset[...])

    try:
        with h5py.File(path, "r") as file:
            groups: Any = file
            yield [name for name in groups if isinstance(groups.get(name), h5py.Dataset)], read
    except SpringgError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise damaged(path, f"not a whole HDF5 file: {error}") from error


def table_of_arrays(
    path: str,
    names: list[str],
    read: Callable[[str], np.ndarray],
    fields: Fields,
    bad: BadRows,
) -> Table:
    """Make a table of named arrays, of which those with as many rows as the vectors are columns."""
    usual = ("train", *VECTOR_NAMES) if "train" in names else VECTOR_NAMES
    chosen = choose(path, fields.vectors, usual, names)
    vector_name = require_vectors(path, chosen, usual, names)
    vectors = check_matrix(path, read(vector_name), f"array {vector_name!r}")
    rows = len(vectors)
    id_name = choose(path, fields.ids, ID_NAMES, names)
    taken = {vector_name, id_name, "id_kinds", *BENCHMARK_NAMES}
    wanted = fields.wanted_metadata()
    for name in sorted((wanted or set()) | ({id_name} if id_name else set())):
        choose(path, name, (), names)
    columns: dict[str, list[Any]] = {}
    for name in names:
        asked = wanted is not None and name in wanted
        if not asked and (wanted is not None or name in taken):
            continue
        array = read(name)
        if array.ndim == 0 or len(array) != rows:
            if asked:
                raise unequal(path, name, rows, array)
            continue  # not a column of the rows
        columns[name] = array.tolist()
    ids = None
    if id_name is not None:
        kinds = read("id_kinds") if "id_kinds" in names else None
        ids = ids_of_array(path, id_name, read(id_name), kinds, rows)
    return Table(vectors, ids, metadata_of_columns(columns, rows, fields, bad))


def unequal(path: str, name: str, rows: int, array: np.ndarray) -> SpringgError:
    """Return the error of a column whose length is not the number of vectors."""
    got = len(array) if array.ndim else "a single value"
    message = f"{path}: field {name!r} must have {rows} rows, as the vectors have, got {got}"
    return error_of("invalid_argument", message, file=path, field=name)


def ids_of_array(
    path: str, name: str, array: np.ndarray, kinds: np.ndarray | None, rows: int
) -> list[Any] | np.ndarray:
    """Return ids of an array: integers as they are, text as str, and by `id_kinds` when mixed."""
    if array.ndim != 1 or len(array) != rows:
        raise unequal(path, name, rows, array)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind not in "OUS":
        message = f"{path}: ids must be integers or text, got dtype {array.dtype}"
        raise error_of("invalid_argument", message, file=path, field=name)
    texts = [text.decode() if isinstance(text, bytes) else text for text in array.tolist()]
    if kinds is None:
        return texts
    if kinds.shape != (rows,):
        raise unequal(path, "id_kinds", rows, kinds)
    return ids_of_kinds(path, texts, kinds.tolist())


READERS: dict[str, Callable[[str, Fields, int, BadRows], Table]] = {
    ".bin": read_springg1,
    ".npy": read_npy,
    ".npz": read_npz,
    ".fvecs": read_vecs,
    ".bvecs": read_vecs,
    ".ivecs": read_vecs,
    ".hdf5": read_hdf5,
    ".h5": read_hdf5,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}
