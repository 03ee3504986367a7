# SPDX-License-Identifier: MIT
"""What callers pass, turned into what the engine reads. Nothing is coerced anywhere else.

Vectors that are already float32 (or bytes as the index keeps them), aligned and contiguous within a
row are passed on in place, with no copy; every other array is converted once, to a new array of
float32, or of bytes for an index of those. Values that do not fit are refused, by row, here or, in
float32 arrays, by the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from springg import _core
from springg._dtypes import (
    BYTE_DTYPES,
    as_bytes,
    in_dimensions,
    numpy_dtype,
    row_width,
    wrong_width,
)
from springg.errors import error_of

if TYPE_CHECKING:
    import numpy.typing as npt

INCLUDE_METADATA = 1
INCLUDE_VECTORS = 2
_FLAG_OF = {
    "metadata": INCLUDE_METADATA,
    "vector": INCLUDE_VECTORS,
    "vectors": INCLUDE_VECTORS,
}


def id_column(ids: Any) -> _core.Ids:
    """Ids as the engine keeps them; ``.single`` when one id was given and no sequence."""
    if not isinstance(ids, (list, tuple, str, int, np.generic)) and hasattr(ids, "__array__"):
        _refuse_masked(ids, "ids")
        return _core.Ids(np.asarray(ids))
    return _core.Ids(ids)


def ordered_ids(ids: Any) -> _core.Ids:
    """Ids that go with rows; a set has no order to pair them by."""
    if isinstance(ids, (set, frozenset)):
        raise TypeError(f"ids must be a sequence, got {type(ids).__name__}: it has no order")
    return id_column(ids)


def boolean(name: str, value: Any) -> bool:
    """An argument that is a bool, or numpy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return bool(value)


def as_matrix(
    vectors: Any, dimensions: int, dtype: str = "float32", what: str = "vectors"
) -> npt.NDArray[Any]:
    """An array of one or two dimensions that the engine can read in place: float32 or bytes."""
    array = _numbers(vectors, what)
    if array.ndim == 1 and array.size == 0:
        # np.asarray([]): no rows, rather than one row of no width.
        return _no_rows(dimensions, dtype)
    if array.ndim not in (1, 2):
        raise error_of(
            "invalid_argument",
            f"{what} must have one or two dimensions: "
            f"expected shape (n, {row_width(dimensions, dtype)}), got {array.shape}",
        )
    if array.size == 0 and array.ndim == 2 and array.shape[0] == 0:
        check_width_of_none(array, dimensions, dtype)
        return _no_rows(dimensions, dtype)
    if _readable_in_place(array, dtype):
        return array
    # A query need not be of the index's dtype, unless that is no number.
    if dtype == "binary" or (dtype in BYTE_DTYPES and what == "vectors"):
        return as_bytes(array, dimensions, dtype, _kind_of(what))
    return converted(array, what)


def _no_rows(dimensions: int, dtype: str) -> npt.NDArray[Any]:
    kind = np.uint8 if dtype == "binary" else np.float32
    return np.empty((0, row_width(dimensions, dtype)), kind)


def check_width_of_none(array: npt.NDArray[Any], dimensions: int, dtype: str) -> None:
    """Refuse no rows of another width; the engine sees the width of rows alone."""
    if array.ndim != 2 or array.shape[0] != 0:
        return
    got = array.shape[1]
    if array.dtype.kind != "b":
        got = in_dimensions(got, dimensions, dtype)
    if got != dimensions:
        raise wrong_width(dimensions, got)


def converted(array: npt.NDArray[Any], what: str = "vectors") -> npt.NDArray[np.float32]:
    """An array as float32; a finite number that it cannot hold is refused by row."""
    try:
        with np.errstate(all="ignore", over="raise"):
            return np.require(array, np.float32, ["C", "A"])
    except FloatingPointError:
        with np.errstate(all="ignore"):
            narrow = np.require(array, np.float32, ["C", "A"])
    first = int(np.argmin(np.isfinite(narrow)))
    row, element = divmod(first, array.shape[-1])
    value = array[row, element] if array.ndim == 2 else array[element]
    if np.isfinite(value):
        raise error_of(
            "invalid_argument",
            f"{_kind_of(what)} at row {row} {does_not_fit(element, value)}",
            row=row,
            element=element,
        )
    return narrow


def _kind_of(what: str) -> str:
    return "query" if what == "queries" else "vector"


def does_not_fit(element: int, value: Any, dtype: str = "float32") -> str:
    """What the engine says of a number beyond a dtype."""
    largest = "65504" if dtype == "float16" else "3.4028235e+38"
    return f"does not fit {dtype}: element {element} is {value:.8g}, the largest is {largest}"


def as_queries(vectors: Any, dimensions: int, dtype: str = "float32") -> npt.NDArray[Any]:
    """Like `as_matrix`; an empty one-dimensional query is one query of no width."""
    none = np.empty(0, np.uint8 if dtype == "binary" else np.float32)
    if isinstance(vectors, np.ndarray) and vectors.shape == (0,):
        return none
    array = as_matrix(vectors, dimensions, dtype, "queries")
    return none if array.size == 0 and np.ndim(vectors) == 1 else array


def _readable_in_place(array: npt.NDArray[Any], dtype: str) -> bool:
    own = dtype in BYTE_DTYPES and array.dtype == numpy_dtype(dtype)
    if not (own or (array.dtype == np.float32 and dtype != "binary")) or not array.flags.aligned:
        return False
    if array.size == 0:
        return True
    width, size = array.shape[-1], array.dtype.itemsize
    if width > 1 and array.strides[-1] != size:
        return False
    if array.ndim == 1 or array.shape[0] <= 1:
        return True
    stride = array.strides[0]
    return stride >= width * size and stride % size == 0


def _numbers(source: Any, what: str) -> npt.NDArray[Any]:
    if isinstance(source, (str, bytes, bytearray, Mapping)) or source is None:
        raise TypeError(f"{what} must be an array of numbers, got {type(source).__name__}")
    _refuse_masked(source, what)
    try:
        array = np.asarray(source)
    except (ValueError, TypeError, RuntimeError) as error:
        _raise_if_ragged(source, what)
        raise TypeError(f"{what} cannot be read as an array of numbers: {error}") from error
    if array.dtype.kind == "O":
        array = _stacked(array, source, what)
    if array.dtype.kind not in "fiub":
        where = _first_bad(source) or _first_bad(array) or f"got dtype {array.dtype}"
        raise TypeError(f"{what} must be an array of real numbers: {where}")
    return array


def _refuse_masked(source: Any, what: str) -> None:
    # By what it has: numpy.ma is not imported for those who do not use it.
    if hasattr(source, "filled") and hasattr(source, "mask") and np.any(source.mask):
        raise error_of(
            "invalid_argument",
            f"{what} are a masked array with masked elements: say what stands for them "
            "with .filled(value)",
        )


def _first_bad(source: Any) -> str | None:
    """Where nested lists, or an array of objects, have their first element that is no number."""
    if not isinstance(source, (list, tuple, np.ndarray)):
        return None
    for row, values in enumerate(source):
        inner = isinstance(values, (list, tuple, np.ndarray)) and np.ndim(values) != 0
        for element, value in enumerate(values) if inner else ((None, values),):
            if isinstance(value, (int, float, np.number, np.bool_, np.ndarray, list, tuple)):
                continue
            place = f"element {row}" if element is None else f"row {row}, element {element}"
            text = repr(value)
            return f"{place} is {text if len(text) <= 40 else text[:37] + '...'}"
    return None


def _stacked(array: npt.NDArray[Any], source: Any, what: str) -> npt.NDArray[Any]:
    """Rows of a pandas column of lists or arrays; any other array of objects is refused."""
    if array.ndim == 0:
        raise TypeError(f"{what} must be an array of numbers, got {type(source).__name__}")
    if array.size == 0:
        return np.empty(array.shape, np.float32)
    rows = list(array) if array.ndim == 1 else []
    if rows and all(isinstance(row, (list, tuple, np.ndarray)) for row in rows):
        _raise_if_ragged(rows, what)
        stacked = np.asarray(rows)
        if stacked.dtype.kind != "O":
            return stacked
    where = _first_bad(source) or _first_bad(array) or "expected dtype float32, got dtype object"
    raise error_of("invalid_argument", f"{what} must be numbers: {where}")


def _raise_if_ragged(source: Any, what: str) -> None:
    if not isinstance(source, (list, tuple)):
        return
    widths = [len(row) if hasattr(row, "__len__") else None for row in source]
    for row, width in enumerate(widths):
        if width == widths[0]:
            continue
        raise error_of(
            "invalid_argument",
            f"{what} are ragged: expected {_width(widths[0])} as in row 0, "
            f"got {_width(width)} in row {row}",
            row=row,
        )


def _width(width: int | None) -> str:
    return "a number" if width is None else f"width {width}"


def documents(metadata: Any, rows: int, *, single: bool) -> _core.Documents | None:
    """Metadata of `rows` rows as JSON text; `single` says that a mapping is one row's object."""
    if metadata is None:
        return None
    if isinstance(metadata, (str, bytes, bytearray)) or not isinstance(metadata, Iterable):
        raise TypeError(
            "metadata must be one dict or None a row, or a mapping of columns, "
            f"got {type(metadata).__name__}"
        )
    if isinstance(metadata, Mapping):
        return _core.Documents([metadata] if single else _rows_of_columns(metadata, rows))
    if hasattr(metadata, "columns"):  # a pandas or polars DataFrame, by what it has
        table: Any = metadata
        return _core.Documents(_rows_of_columns({c: table[c] for c in table.columns}, rows))
    return _core.Documents(list(metadata))


def _rows_of_columns(columns: Mapping[Any, Any], rows: int) -> list[dict[Any, Any]]:
    names = list(columns)
    values = [_column(name, columns[name], rows) for name in names]
    if not names:
        return [{} for _ in range(rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _column(name: Any, column: Any, rows: int) -> list[Any]:
    if isinstance(column, (str, bytes, Mapping)) or not isinstance(column, Iterable):
        raise error_of(
            "invalid_argument",
            f"metadata column {name!r} must have one value a row: expected {rows} values, "
            f"got {type(column).__name__} (one row's own metadata goes in a list: [{{...}}])",
        )
    if hasattr(column, "__array__"):
        _refuse_masked(column, f"metadata column {name!r}: values")
        array = np.asarray(column)
        if array.dtype.kind in "mM":
            raise error_of(
                "invalid_argument",
                f"metadata column {name!r}: json cannot hold a {array.dtype}; "
                "expected text or a number of your choice",
            )
        column = array.tolist()
    values = list(column)
    if len(values) != rows:
        raise error_of(
            "invalid_argument",
            f"metadata column {name!r} must have one value a row: "
            f"expected {rows} values, got {len(values)}",
            expected=rows,
            actual=len(values),
        )
    return values


def row_filter(source: Any) -> npt.NDArray[np.bool_] | _core.Ids:
    """A mask (one bool a row of ``index.ids``), or ids."""
    values = source
    if hasattr(source, "__array__") and not isinstance(source, np.generic):
        _refuse_masked(source, "filter: values")
        values = np.asarray(source)
        if values.dtype.kind == "b":
            if values.ndim != 1:
                raise error_of(
                    "invalid_argument",
                    f"a mask must have one dimension: expected shape (rows,), got {values.shape}",
                )
            return np.ascontiguousarray(values)
    wanted = "filter must be a numpy bool mask over index.ids or a collection of ids"
    if isinstance(values, (str, Mapping)) or callable(values):
        raise TypeError(f"{wanted}, got {type(source).__name__}")
    try:
        ids = id_column(values)
    except TypeError as error:
        if isinstance(values, (list, tuple, np.ndarray)) and any(
            isinstance(value, (bool, np.bool_)) for value in values
        ):
            raise TypeError(
                "filter: a mask must be a numpy bool array, such as np.array(mask, bool), "
                f"got a {type(source).__name__} with bools in it"
            ) from None
        raise TypeError(f"{wanted}: {error}") from None
    if ids.single:
        raise TypeError(f"{wanted}, got {type(source).__name__}")
    return ids


def include_flags(include: Any) -> int:
    """What a call brings besides ids, as the bits that the extension takes."""
    names = (include,) if isinstance(include, str) else include
    if not isinstance(names, Iterable):
        raise TypeError(f"include must be a sequence of names, got {type(include).__name__}")
    flags = 0
    for name in names:
        flag = _FLAG_OF.get(name) if isinstance(name, str) else None
        if flag is None:
            raise error_of(
                "invalid_argument",
                f"unknown name in include: expected 'metadata' or 'vector', got {name!r}",
            )
        flags |= flag
    return flags
