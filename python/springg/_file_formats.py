# SPDX-License-Identifier: MIT
"""What readers and writers of files must agree on: endings, elements, numbers for ids' types."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from springg.errors import error_of

ENDINGS = (
    ".bin",
    ".bvecs",
    ".fvecs",
    ".h5",
    ".hdf5",
    ".ivecs",
    ".jsonl",
    ".npy",
    ".npz",
    ".parquet",
)
# The format's own name, beside its ending.
ENDING_OF_NAME = {".springg1": ".bin"}
# The Go Springg keeps an index in three files; NAME.bin stands for all of them.
BESIDE_BIN = (".meta", ".wal")
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
    ending = ENDING_OF_NAME.get(ending, ending) if given is not None else ending
    if ending not in ENDINGS:
        named = f"ending {ending!r} of {path}" if given is None else f"format {given!r}"
        known = list(ENDINGS)
        if given is not None:
            known = sorted({name.lstrip(".") for name in (*ENDINGS, *ENDING_OF_NAME)})
        message = f"unknown file {named}: expected one of {', '.join(known)}"
        raise error_of("invalid_argument", message)
    return ending


def file_to_read(path: str) -> str:
    """Return the file that a path means: NAME.bin for its .meta and .wal, and for NAME alone."""
    found = Path(path)
    if found.suffix.lower() in BESIDE_BIN:
        return str(found.with_suffix(".bin"))
    whole = path + ".bin"
    if found.suffix.lower() not in ENDINGS and not found.exists() and Path(whole).exists():
        return whole
    return path


def file_to_write(path: str, ending: str) -> str:
    """Return the file that is written: the Go Springg finds an index by the ending ``.bin``."""
    return path + ".bin" if ending == ".bin" and not path.lower().endswith(".bin") else path
