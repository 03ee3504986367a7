# SPDX-License-Identifier: MIT
"""`open` and `Database`: a directory of indexes, or memory alone."""

from __future__ import annotations

import atexit
import os
import re
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from springg import _core
from springg._arrays import boolean
from springg._settings import checked, dtype_name
from springg.errors import SpringgError, error_of
from springg.index import Index
from springg.maintenance import CheckReport, SnapshotInfo, real_path
from springg.types import counted, html_table

if TYPE_CHECKING:
    import numpy as np

    from springg.types import Dtype, Durability, Metric, Quantization

__all__ = ["Database", "open"]

_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_UNITS |= {"b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}

_open_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def open(  # noqa: A001 - springg.open, as gzip.open
    path: str | os.PathLike[str],
    *,
    durability: Durability = "disk",
    memory_limit: int | str | None = None,
    threads: int = 0,
    read_only: bool = False,
) -> Database:
    """Open a directory of indexes, or memory alone.

    Parameters
    ----------
    path : path-like
        A directory, made when it is not there, or ``":memory:"``.
    durability : {"disk", "process", "buffered"}
        What a write survives once its call has returned, unless the call says otherwise: a power
        cut (it was synced to the disk, together with what other threads wrote at that moment),
        the end of this process alone (a power cut may lose some 50 ms), or nothing (it is on the
        disk some 50 ms later). Means nothing in memory.
    memory_limit : int or str, optional
        Bytes over 0, or text like ``"2GiB"``, that all indexes together may take of memory. A
        write that would pass it first flushes rows that memory alone holds; where that is not
        enough, or in ``":memory:"``, it raises `ResourceExhausted` and changes nothing. In
        memory everything counts. In a directory vectors and metadata do not once they are in
        segments, so that an index may be larger than the limit: its vectors stay on the disk,
        graphs and codes in memory, and a search reads the few vectors that it ranks exactly. None:
        no limit, and what is read of the files stays mapped. It is held against an estimate, and a
        growing table of ids can pass it by one doubling.
    threads : int
        Threads for long work; 0 takes every core that the process may use (affinity and cgroup).
    read_only : bool
        Beside a process that writes, or alone: takes no lock and writes no file. What the writer
        writes is seen within 100 ms, or after `Database.refresh`; all rows of a call appear
        together. Whatever changes something raises `FailedPrecondition`.

    Returns
    -------
    Database
        Opening the same directory again in this process with equal options gives a second handle
        on the same database.

    Raises
    ------
    FailedPrecondition
        Another process holds the directory (its pid is named), or this process has it open with
        other options.
    NotFound
        `read_only`, and there is no database.
    Corruption, Unsupported, IoError
        The files are damaged, from a newer release, or cannot be read or written.

    Notes
    -----
    Writes go to a log before they are acknowledged, and opening a directory replays what is in
    the log and in no segment yet. A process that ends without closing closes its databases in an
    exit handler, so that the next open has nothing to replay; one that is killed loses no more
    than its durability says.

    A database of a directory, and an `Index` of it, can be pickled: it is opened again by its path,
    read-only, where it is unpickled.
    """
    encoded = real_path(path, memory=True)[1]
    level = checked("durability", durability)
    limit = _bytes_of(memory_limit)
    core = _core.Database.open(encoded, threads, limit, level, boolean("read_only", read_only))
    return Database(core, {"threads": threads, "memory_limit": limit, "durability": level})


class Database:
    """A directory of indexes, or memory alone; made by `springg.open`.

    ``db[name]`` is an index, ``name in db``, ``len(db)`` and iteration go over index names, and
    ``with springg.open(...) as db`` closes at the end. Any method may be called from any thread;
    the GIL is free while C++ works. After a fork the child must open the directory again: every
    call there raises `FailedPrecondition`.
    """

    def __init__(self, core: _core.Database, options: dict[str, Any]) -> None:
        self._core = core
        self._options = options
        self._process = os.getpid()
        _open_databases.add(self)

    @property
    def path(self) -> str:
        """The absolute path of the directory, without symbolic links, or ``":memory:"``."""
        return self._core.path

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._core.closed

    def create_index(
        self,
        name: str,
        dimensions: int,
        *,
        metric: Metric | None = None,
        dtype: Dtype | np.dtype[Any] | type[np.generic] = "float32",
        quantization: Quantization = "auto",
        m: int = 16,
        ef_construction: int = 200,
        seed: int = 0,
        exist_ok: bool = False,
    ) -> Index:
        """Make an index.

        Parameters
        ----------
        name : str
            1..255 of ``A-Z a-z 0-9 . _ -``, not starting with a dot.
        dimensions : int
            Width of every vector, 1..65,536; of dtype binary in bits.
        metric : {"cosine", "dot", "l2", "manhattan", "hamming"}
            What `Hits.distances` are: 1 - cos, -dot, Euclidean, sum of absolute differences,
            differing bits. None: cosine, and hamming for dtype binary, which go together alone.
        dtype : {"float32", "float16", "int8", "uint8", "binary"}, or numpy's type of that name
            How vectors are kept. int8 and uint8 hold whole numbers, and compare them in integers.
            binary holds bits, packed in uint8 as `numpy.packbits` makes them.
        quantization : {"auto", "none", "int8", "int4", "rabitq"}
            "int8", "int4", "rabitq": the graphs of segments are walked on codes of a byte, half a
            byte or a bit an element, kept beside the vectors, and those that may be among the
            results are then ranked on these: faster, and results are exact distances. A row of
            codes takes a multiple of 64 bytes, and 4 or 8 more. "rabitq" takes the least memory,
            and finds a little less at an equal ``ef``. Not for metric "manhattan", nor for dtypes
            of a byte or a bit. "none": on the vectors as they are stored. "auto": "int4" from 128
            dimensions on, below that "int8", and "none" where there are no codes. Where a row
            would be no shorter, longer codes are kept: "int8" up to 64 dimensions, and "int4" up
            to 128 for "rabitq". Rows get codes with their segment: below 4,096 of them `flush` or
            `Index.optimize` makes one.
        m : int
            Links of a row on the upper layers of the graph, 2..64; twice as many on layer 0.
            More is better recall and more memory.
        ef_construction : int
            How widely a new row's neighbors are searched for, 4..4,096. More is a better graph and
            a slower build.
        seed : int
            Equal seed and rows give an equal graph when it is built in bulk.
        exist_ok : bool
            An index of that name and equal settings is given back instead of an error.

        Returns
        -------
        Index

        Raises
        ------
        AlreadyExists, InvalidArgument, Unsupported

        References
        ----------
        Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
        Hierarchical Navigable Small World graphs", 2018: `m` is M there.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, got {type(name).__name__}")
        kind = checked("dtype", dtype_name(dtype))
        if metric is None:
            metric = "hamming" if kind == "binary" else "cosine"
        core = self._core.create_index(
            _encodable(name),
            dimensions,
            checked("metric", metric),
            kind,
            checked("quantization", quantization),
            m,
            ef_construction,
            seed,
            boolean("exist_ok", exist_ok),
        )
        return Index(core, self)

    def index(self, name: str) -> Index:
        """Give the index of a name.

        Raises
        ------
        NotFound
            A `KeyError` that names near spellings.
        """
        return Index(self._core.index(_name(name)), self)

    def indexes(self) -> list[str]:
        """Names of all indexes, sorted."""
        return self._core.index_names()

    def drop_index(self, name: str) -> None:
        """Delete an index with its files and memory.

        Arrays that `Index.vectors` gave stay valid. Other calls on its handles raise
        `FailedPrecondition`.

        Raises
        ------
        NotFound
        """
        self._core.drop_index(_name(name))

    def rename_index(self, old: str, new: str) -> None:
        """Give an index another name; its handles follow.

        Raises
        ------
        NotFound, AlreadyExists, InvalidArgument
        """
        self._core.rename_index(_name(old), _name(new))

    def flush(self) -> None:
        """Write everything acknowledged so far into segments with their graphs, and cut the log.

        Not needed for durability: the log has every write already. It makes the next open faster,
        and happens by itself when the log has grown long, and in `close`. Called, it also writes
        segments anew of whose rows more than a fifth are deleted, with all threads; a merge of such
        segments that is under way is given up for that. The old files stay until it has ended.

        Atomic: after an error (`ResourceExhausted` for a full disk, `IoError`) the old state is
        intact on disk, and memory is unchanged. When an index is damaged the others are flushed,
        its records stay in the log, and `Corruption` is raised.
        """
        self._core.flush()

    def sync(self) -> None:
        """Wait until everything acknowledged so far is on the disk, whatever its durability.

        Raises `IoError` when the disk failed.
        """
        self._core.sync()

    def refresh(self) -> None:
        """Show what the writer has written by now; for a database that was opened read-only.

        It follows by itself within 100 ms. This waits for what the writer has given to the system,
        whether or not it is on the disk yet, and says why when it cannot follow. Any other
        database is up to date, and nothing is done.

        Raises
        ------
        Corruption, IoError
            What was seen before stays; the next `refresh` tries again.
        FailedPrecondition
            Another database is in the directory now.
        """
        self._core.refresh()

    def snapshot(self, path: str | os.PathLike[str]) -> SnapshotInfo:
        """Take a copy of the database as it is at one moment, while writers go on.

        The copy is a database: `springg.open` opens it and may write to it, which never touches
        its source, and `springg.restore` makes others of it. Segments are shared with the source
        by hard links where the file system has them, so it takes little time and space; only what
        no segment has yet is written anew. A flush comes first.

        Parameters
        ----------
        path : path-like
            A directory that is empty, or not there.

        Returns
        -------
        SnapshotInfo

        Raises
        ------
        FailedPrecondition
            There is something at `path`, or the database is in memory alone.
        InvalidArgument
            `path` lies in the database's own directory.
        ResourceExhausted, IoError
            Nothing is left of it.
        """
        return SnapshotInfo(*self._core.snapshot(real_path(path)[1]))

    def check(self, repair: bool = False) -> CheckReport:
        """Verify every checksum, graph and count of the directory, and its log, as `springg.check`.

        Writers may go on. To repair, close the database and call `springg.check` with ``repair``:
        here that raises `FailedPrecondition` when there is damage.
        """
        return CheckReport(self._core.check(boolean("repair", repair)))

    def stats(self) -> dict[str, Any]:
        """Generation of the manifest, last sequence, positions in the log, and counts.

        ``background_error`` is the error of background work that the next write will raise, or
        None. ``torn_bytes`` were cut off the end of the log when the database was opened: of a
        write that no crash let finish. Read-only, ``last_lsn`` is the position that is shown, and
        ``stale`` is 1 when the writer could not be followed the last time; `refresh` says why.
        """
        return self._core.stats()

    def memory_usage(self) -> dict[str, int]:
        """Bytes by component: vectors, graphs, codes, ids, metadata, other, and their total.

        ``mapped`` are those of them, vectors and metadata in files, whose pages the system may
        take away, and ``counted`` is what is held against ``memory_limit`` now, with the rows of
        writes that are running and with parts that were replaced and are still being read.
        """
        return self._core.memory_usage()

    def close(self) -> None:
        """Flush, then let go of files, threads and memory.

        Calls that are running finish first; later ones raise `FailedPrecondition`. Closing twice
        is fine. Another handle on the same database stays open. After an error, such as a full
        disk, the database is open as before. Only with two it is closed all the same: `IoError`
        when its log has failed, and `Corruption` when an index is damaged (the others are
        written, and what the log has of that one stays).
        """
        self._core.close()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.path == ":memory:":
            raise TypeError("a database in memory cannot be pickled: it has no path")
        return open_again, (self.path, self._options)

    def __enter__(self) -> Database:
        if self.closed:
            raise error_of("failed_precondition", f"database {self.path} is closed: open it again")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> Index:
        return self.index(name)

    def __contains__(self, name: object) -> bool:
        return name in self.indexes()

    def __len__(self) -> int:
        return len(self.indexes())

    def __iter__(self) -> Iterator[str]:
        return iter(self.indexes())

    def __repr__(self) -> str:
        return f"<springg.Database {self.path!r}: {self._state()}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = []
        if self._state() != "closed":
            for name in self:
                index = self[name]
                rows.append((name, f"{len(index):,}", str(index.dimensions), index.metric))
        table = html_table(["index", "rows", "dimensions", "metric"], rows)
        return html_table(["database", "state"], [(self.path, self._state())]) + table

    def _state(self) -> str:
        if self.closed:
            return "closed"
        try:
            count = len(self)
        except SpringgError as error:
            return str(error)
        return counted(count, "index", "indexes")


def open_again(path: str, options: dict[str, Any]) -> Database:
    """Open what was pickled."""
    return open(path, read_only=True, **options)


def open_index_again(path: str, options: dict[str, Any], name: str) -> Index:
    """Open an index that was pickled."""
    return open_again(path, options).index(name)


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"index name must be a str, got {type(name).__name__}")
    return _encodable(name)


def _encodable(text: str) -> str:
    """The text, when UTF-8 can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise error_of(
            "invalid_argument", f"expected valid unicode, got a lone surrogate in {text!a}"
        ) from None
    return text


def _bytes_of(limit: int | str | None) -> Any:
    if not isinstance(limit, str):
        if limit == 0 and not isinstance(limit, (bool, float)):
            raise error_of(
                "invalid_argument",
                "memory_limit must be over 0 bytes, got 0: every write would be refused "
                "(None is no limit)",
            )
        return limit
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", limit.lower())
    if match is None or match[2] not in _UNITS:
        raise error_of(
            "invalid_argument",
            f"memory_limit must be bytes or text like '2GiB' or '500MB', got {limit!r}",
        )
    return _bytes_of(int(float(match[1]) * _UNITS[match[2]]))


@atexit.register
def _close_all() -> None:
    """Close what this process opened; a forked child opened nothing of it."""
    first_error: SpringgError | None = None
    for database in list(_open_databases):
        if database._process != os.getpid():
            continue
        try:
            database.close()
        except SpringgError as error:
            first_error = first_error or error
    _core.wait_for_closings()
    if first_error is not None:
        raise first_error
