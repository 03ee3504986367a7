# SPDX-License-Identifier: MIT
"""Snapshots, restoring them, and whether files are whole: `restore`, `check`, and their reports."""

from __future__ import annotations

import dataclasses
import os
from typing import NamedTuple

from springg import _core
from springg._arrays import boolean
from springg.errors import error_of
from springg.types import counted, html_table

_Found = tuple[str, int | None, str, str, int | None]
_Report = tuple[list[_Found], list[str], list[str], bool, list[str]]

__all__ = ["CheckReport", "Problem", "SnapshotInfo", "check", "restore"]


class SnapshotInfo(NamedTuple):
    """A snapshot that `Database.snapshot` took.

    Attributes
    ----------
    path : str
        Its directory: a database that `springg.open` opens.
    lsn : int
        It holds exactly what the log of its source had up to this position.
    generation : int
        Of its manifest.
    rows : int
        Of all indexes, without deleted ones.
    bytes : int
        Of its files, those included that it shares with its source.
    linked : bool
        It shares all segments with its source, so that they take no space of their own. Sharing is
        safe: files of a database never change.
    """

    path: str
    lsn: int
    generation: int
    rows: int
    bytes: int
    linked: bool


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Attributes
    ----------
    file : str
        Its name in the directory; empty when it is of no one file.
    offset : int or None
        In bytes, where that is known.
    what : str
    index : str
        Name of the index whose rows are concerned; empty when it is of no one index.
    rows_lost : int or None
        By repairing it; None when nobody can tell.
    """

    file: str
    offset: int | None
    what: str
    index: str
    rows_lost: int | None


class CheckReport:
    """What a check found.

    Attributes
    ----------
    ok : bool
        Nothing was found. Unknown and leftover files are no damage.
    problems : list of Problem
    unknown_files : list of str
        Files that springg did not write. They are left alone.
    leftover_files : list of str
        Of a process that ended, which the next open removes; or what a writer is making now.
    repaired : bool
        The problems are what a repair found; they are there no more.
    kept_files : list of str
        Originals of damaged files that a repair put into ``damaged/``.
    """

    def __init__(self, report: _Report) -> None:
        found, self.unknown_files, self.leftover_files, self.repaired, self.kept_files = report
        self.problems = [Problem(*problem) for problem in found]

    @property
    def ok(self) -> bool:
        """True when there are no problems."""
        return not self.problems

    def __bool__(self) -> bool:
        raise TypeError("use report.ok: a report is neither true nor false")

    def __repr__(self) -> str:
        state = "ok" if self.ok else counted(len(self.problems), "problem")
        if self.repaired:
            state += ", repaired"
        return f"<springg.CheckReport: {state}>"

    def _repr_html_(self) -> str:
        rows = [
            (p.file, "" if p.offset is None else f"{p.offset:,}", p.index, p.what, lost_text(p))
            for p in self.problems
        ]
        table = html_table(["file", "offset", "index", "what", "rows lost"], rows)
        return html_table(["check"], [(repr(self),)]) + table


def lost_text(problem: Problem) -> str:
    """Rows that are lost, as people read it."""
    return "unknown" if problem.rows_lost is None else f"{problem.rows_lost:,}"


def restore(snapshot: str | os.PathLike[str], path: str | os.PathLike[str]) -> str:
    """Make a database of a snapshot.

    Everything in the snapshot is verified first. Then its files are linked, or copied where the
    file system has no links, and the copy is opened once. The snapshot stays as it is, whatever is
    done to the database. Any directory of a database that nobody writes to will do for a snapshot.

    Parameters
    ----------
    snapshot : path-like
        What `Database.snapshot` made.
    path : path-like
        A directory that is empty, or not there.

    Returns
    -------
    str
        The absolute path of the database, for `springg.open`.

    Raises
    ------
    Corruption
        The snapshot is damaged (file and offset); nothing is restored.
    FailedPrecondition
        There is something at `path`.
    InvalidArgument
        `path` lies in the snapshot.
    NotFound, ResourceExhausted, IoError

    Examples
    --------
    >>> import tempfile, springg
    >>> folder = tempfile.mkdtemp()
    >>> with springg.open(f"{folder}/data") as db:
    ...     _ = db.create_index("points", 2).add("a", [1, 0])
    ...     db.snapshot(f"{folder}/monday").rows
    1
    >>> with springg.open(springg.restore(f"{folder}/monday", f"{folder}/again")) as db:
    ...     db["points"].ids
    ['a']
    """
    absolute, encoded = real_path(path)
    _core.restore(real_path(snapshot)[1], encoded)
    return absolute


def check(path: str | os.PathLike[str], *, repair: bool = False) -> CheckReport:
    """Verify every checksum, graph and count of a directory, and what it still needs of its log.

    Without `repair` nothing is changed and no lock is taken: a process may be writing meanwhile.

    Parameters
    ----------
    path : path-like
        Directory of a database.
    repair : bool
        Drop what is lost, and make again what can be: graphs and tables of ids. Nobody may have
        the directory open. The originals of damaged files are kept in ``damaged/``, and the report
        says how many rows of which index are gone.

    Returns
    -------
    CheckReport

    Raises
    ------
    FailedPrecondition
        `repair`, there is damage, and somebody has it open.
    Corruption
        `repair`, and no manifest is whole: nothing is changed, but for links to the files in
        ``damaged/``.
    NotFound, IoError
    """
    return CheckReport(_core.check(real_path(path)[1], boolean("repair", repair)))


def real_path(path: str | os.PathLike[str], *, memory: bool = False) -> tuple[str, bytes]:
    """Return a directory's one name, however it was spelled and whatever chdir() follows.

    `memory`: ":memory:" is allowed as well.
    """
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"path must be a str or os.PathLike[str], got {type(path).__name__}")
    if "\0" in name:
        raise error_of("invalid_argument", f"path must not hold a nul character, got {name!r}")
    if not name:
        raise error_of("invalid_argument", "path is empty: expected a directory")
    try:
        if name != ":memory:":
            name = os.path.realpath(name)
        elif not memory:
            raise error_of("invalid_argument", "path is ':memory:': expected a directory")
        return name, os.fsencode(name)
    except UnicodeEncodeError as error:
        raise error_of("invalid_argument", f"path is no file name: {error}") from None
