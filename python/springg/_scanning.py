# SPDX-License-Identifier: MIT
"""Going over every row of a pinned state of an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from springg import _core
from springg.errors import error_of
from springg.types import Record, records

if TYPE_CHECKING:
    from springg.types import Id

_IDS_AT_ONCE = 65_536


def scan_view(view: _core.IndexView, size: int, flags: int) -> Iterator[list[Record]]:
    """Records of a pinned state, `size` at a time."""
    for begin in range(0, len(view), size):
        _, ids, documents, vectors = view.records(begin, min(begin + size, len(view)), flags)
        yield list(records(ids, documents, vectors))


def ids_of_view(view: _core.IndexView) -> Iterator[Id]:
    """Ids of a pinned state, in Python's memory a part at a time."""
    for begin in range(0, len(view), _IDS_AT_ONCE):
        yield from view.ids(begin, min(begin + _IDS_AT_ONCE, len(view)))


def checked_batch_size(batch_size: Any) -> int:
    """A batch size of at least one."""
    if isinstance(batch_size, (bool, np.bool_)) or not hasattr(batch_size, "__index__"):
        raise TypeError(f"batch_size must be an integer, got {type(batch_size).__name__}")
    size = int(batch_size)
    if size < 1:
        raise error_of("invalid_argument", f"batch_size must be at least 1, got {size}")
    return size
