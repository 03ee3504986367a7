# SPDX-License-Identifier: MIT
"""What the dtype of an index means to numpy: type and width of its rows, and which numbers fit.

Rows of ``binary`` are bits packed in uint8, as `numpy.packbits` makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from springg.errors import SpringgError, error_of

if TYPE_CHECKING:
    import numpy.typing as npt

_NUMPY_NAMES = {"binary": "uint8"}
BYTE_DTYPES = frozenset(("int8", "uint8", "binary"))


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Numpy's type of the elements of stored rows."""
    return np.dtype(_NUMPY_NAMES.get(dtype, dtype))


def row_width(dimensions: int, dtype: str) -> int:
    """Elements of a stored row: of binary the bytes."""
    return (dimensions + 7) // 8 if dtype == "binary" else dimensions


def in_dimensions(width: int, dimensions: int, dtype: str) -> int:
    """What an array's width means in dimensions, for messages: of binary all bits of its bytes."""
    if dtype != "binary":
        return width
    return dimensions if width == row_width(dimensions, dtype) else width * 8


def range_of(dtype: str) -> tuple[int, int]:
    """The least and the greatest number of a dtype of bytes."""
    info = np.iinfo(numpy_dtype(dtype))
    return int(info.min), int(info.max)


def fitting(array: npt.NDArray[Any], dtype: str) -> npt.NDArray[np.bool_]:
    """Which elements a dtype of bytes holds: whole numbers within its range."""
    low, high = range_of(dtype)
    fits: npt.NDArray[np.bool_] = (array >= low) & (array <= high)
    if array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            fits &= array == np.rint(array)
    return fits


def set_padding(rows: npt.NDArray[Any], dimensions: int) -> npt.NDArray[np.bool_]:
    """Which packed rows have a bit set beyond their dimensions."""
    unused = -dimensions % 8
    set_ones: npt.NDArray[np.bool_] = (rows[..., -1] & ((1 << unused) - 1)) != 0
    return set_ones


def misfit(element: int, value: Any, dtype: str) -> str:
    """What the engine says of an element that a dtype of bytes does not hold."""
    if not np.isfinite(value):
        return f"is not finite: element {element} is {value}"
    low, high = range_of(dtype)
    wanted = "eight bits, 0..255" if dtype == "binary" else f"a whole number of {low}..{high}"
    return f"does not fit {dtype}: element {element} is {value:.8g}, expected {wanted}"


def padding_fault(last: Any, dimensions: int) -> str:
    """What the engine says of a packed row with a bit beyond its dimensions."""
    byte = (dimensions - 1) // 8
    return (
        f"has bits beyond its {dimensions} dimensions: byte {byte} is {last}, "
        f"expected zeros in its lowest {-dimensions % 8} bits"
    )


def as_bytes(array: npt.NDArray[Any], dimensions: int, dtype: str, kind: str) -> npt.NDArray[Any]:
    """Rows of numbers as int8 or uint8; bools of binary are packed. Names what does not fit.

    Parameters
    ----------
    array : ndarray, shape (n, width) or (width,)
        Numbers or bools.
    dimensions, dtype
        The index's.
    kind : {"vector", "query"}
        For messages.
    """
    if dtype == "binary" and array.dtype.kind == "b":
        if array.shape[-1] != dimensions:
            raise wrong_width(dimensions, array.shape[-1])
        return np.packbits(array, axis=-1)
    target = numpy_dtype(dtype)
    if array.dtype == target or array.dtype.kind == "b":
        return np.require(array, target, ["C", "A"])
    fits = fitting(array, dtype)
    if not fits.all():
        row, element = divmod(int(np.argmin(fits)), array.shape[-1])
        value = array[row, element] if array.ndim == 2 else array[element]
        message = f"{kind} at row {row} {misfit(element, value, dtype)}"
        raise error_of("invalid_argument", message, row=row, element=element)
    return np.require(array.astype(target), None, ["C", "A"])


def wrong_width(expected: int, got: int) -> SpringgError:
    """The error of rows of another width, in dimensions."""
    return error_of(
        "dimension_mismatch",
        f"vector dimension mismatch: expected {expected}, got {got}",
        expected=expected,
        actual=got,
    )
