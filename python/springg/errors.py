# SPDX-License-Identifier: MIT
# ruff: noqa: N818 - the names are the contract's, and one for each code of the C++ API
"""Every error that springg raises on purpose.

::

    SpringgError
    ├── InvalidArgument      (ValueError)           a value outside what is documented
    │   └── DimensionMismatch                       a vector's width is not the index's
    ├── NotFound             (KeyError)             no index or id of that name
    ├── AlreadyExists        (ValueError)           an index or id of that name is there already
    ├── FailedPrecondition   (RuntimeError)         right call, wrong state: closed, locked, forked
    ├── ResourceExhausted    (MemoryError)          memory limit, full disk, too many rows
    ├── Unavailable                                 try again later
    ├── DeadlineExceeded     (TimeoutError)         the time that was allowed is over
    ├── Corruption           (OSError)              bytes on disk are not what was written
    ├── IoError              (OSError)              the operating system refused a file operation
    ├── Unsupported          (NotImplementedError)  from a newer release, or not built in
    └── Internal                                    a bug in springg

Catch `SpringgError` for all of them, or the built-in class in brackets. A value of the wrong
Python type is a plain `TypeError`, as everywhere in Python. This module imports nothing of springg.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "AlreadyExists",
    "Corruption",
    "DeadlineExceeded",
    "DimensionMismatch",
    "FailedPrecondition",
    "Internal",
    "InvalidArgument",
    "IoError",
    "NotFound",
    "ResourceExhausted",
    "SpringgError",
    "Unavailable",
    "Unsupported",
    "error_of",
]


class SpringgError(Exception):
    """Base class of every error that springg raises on purpose.

    Parameters
    ----------
    code : str
        The kind of error, spelled alike in Python, JSON and logs: ``"not_found"``.
    message : str
        What happened, with the expected and the actual value. ``str(error)`` is this alone.
    details : mapping of str to int or str, optional
        The facts of the message for programs: ``{"row": 3, "expected": 384, "actual": 512}``.
    """

    code: str
    message: str
    details: dict[str, Any]

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        # OSError and KeyError read meaning into their arguments, so that each subclass would
        # print and pickle differently; the three values are kept here for all of them.
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})

    def __str__(self) -> str:
        """The message alone."""
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.message, self.details)


class InvalidArgument(SpringgError, ValueError):
    """A value is outside what is documented; names row or argument, expected and actual."""


class DimensionMismatch(InvalidArgument):
    """A vector's width is not the index's."""


class NotFound(SpringgError, KeyError):
    """No index or id of that name."""


class AlreadyExists(SpringgError, ValueError):
    """An index or id of that name is there already."""


class FailedPrecondition(SpringgError, RuntimeError):
    """The right call in the wrong state: closed, locked by another process, or forked."""


class ResourceExhausted(SpringgError, MemoryError):
    """A memory limit, a full disk or too many rows; nothing of the call is stored."""


class Unavailable(SpringgError):
    """Not possible now; try again later."""


class DeadlineExceeded(SpringgError, TimeoutError):
    """The time that was allowed for a call is over."""


class Corruption(SpringgError, OSError):
    """Bytes on disk are not what was written; names file and offset."""


class IoError(SpringgError, OSError):
    """The operating system refused a file operation."""


class Unsupported(SpringgError, NotImplementedError):
    """Written by a newer release of springg, or not built for this machine."""


class Internal(SpringgError):
    """A bug in springg."""


_CLASS_OF: dict[str, type[SpringgError]] = {
    "invalid_argument": InvalidArgument,
    "dimension_mismatch": DimensionMismatch,
    "not_found": NotFound,
    "already_exists": AlreadyExists,
    "failed_precondition": FailedPrecondition,
    "resource_exhausted": ResourceExhausted,
    "unavailable": Unavailable,
    "deadline_exceeded": DeadlineExceeded,
    "corruption": Corruption,
    "io_error": IoError,
    "unsupported": Unsupported,
    "internal": Internal,
}


def error_of(code: str, message: str, /, **details: int | str) -> SpringgError:
    """Make the error of a code; the one place where codes become classes.

    Parameters
    ----------
    code : str
        ``"invalid_argument"``, ... A code without a class of its own gives a `SpringgError`.
    message : str
        Lower case, no full stop, with the expected and the actual value.
    **details : int or str
        Facts for programs.

    Returns
    -------
    SpringgError
        Not raised: ``raise error_of("not_found", "no index named 'x'", name="x")``.
    """
    return _CLASS_OF.get(code, SpringgError)(code, message, details)
