# SPDX-License-Identifier: MIT
"""What readers and writers of files must agree on: endings, elements, numbers for ids' types."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from springg.errors import error_of

ENDINGS = (".bvecs", ".fvecs", ".h5", ".hdf5", ".ivecs", ".jsonl", ".npy", ".npz", ".parquet")
ELEMENT_OF_VECS = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}
# Written to files: never change a number (they are those of IdKind in springg/types.h).
KIND_OF_ID: dict[type, int] = {int: 1, str: 2, uuid.UUID: 3}


def path_text(path: Any) -> str:
    """Return a path as text."""
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or os.PathLike[str], got {type(path).__name__}")
    return name


def format_of(path: str, given: str | None = None) -> str:
    """Return the ending that names a file's format, lower case."""
    ending = Path(path).suffix.lower() if given is None else "." + given.lower().lstrip(".")
    if ending not in ENDINGS:
        named = f"format {given!r}" if given is not None else f"ending {ending!r} of {path}"
        message = f"unknown file {named}: expected one of {', '.join(ENDINGS)}"
        raise error_of("invalid_argument", message)
    return ending
