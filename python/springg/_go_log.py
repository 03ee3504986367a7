# SPDX-License-Identifier: MIT
"""The Go Springg's log, NAME.wal: a JSON line for each write since the last save.

``{"op":"add","id":"a","vector":[0.6,0,0.8],"metadata":{...}}``; ``op`` is ``add`` (the vector of
unit length), ``update`` (the vector as it was sent) or ``delete``. A crash may cut the last line;
what was written after it stands on the same line. A log that the Go program has started on goes
on with echoes of itself: see `springg._go_passes`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterable

import numpy as np

from springg._arrays import does_not_fit
from springg._go_json import decode_line, go_metadata, record_of
from springg._go_passes import Echoes, find_echoes
from springg._go_vectors import is_unit, nearest_float32, normalised
from springg.importing_rows import GrowingRows, read_lines, vector_of_json
from springg.importing_table import BadRowError, BadRows, Metadata, SkippedRow

CUT = "a write that a crash cut is left out"
BEGIN = b'{"op":"'
# Cuts on one line that are looked behind.
CUTS_MAX = 16
# Writes after which a log is first looked through for echoes; then at each doubling.
FIRST_LOOK = 4096
# Passes in memory after which a log that consists of echoes is read no further.
PASSES_ENOUGH = 3
PAIRS_AT_ONCE = 1024
# Directions of vectors that differ by less are the same but for rounding.
ROUNDING = 1e-5
BUCKET = 1e-4


@dataclasses.dataclass(slots=True)
class Write:
    """One write of the log."""

    line: int
    identifier: str
    metadata: Metadata
    vector: np.ndarray | None  # None: a delete
    sent: bool  # the vector is as it was sent: the line is an update
    alone: bool  # nothing that was cut stands before it on its line
    key: int = -1
    row: int = -1  # of the log's vectors


class Log:
    """The writes of a log, in order, without their echoes."""

    def __init__(self, path: str, width: int, ids: Iterable[str], *, skip: bool) -> None:
        self.writes: list[Write] = []
        self._path = path
        self._width = width
        self._ids = frozenset(ids)  # of the .bin
        self._skip = skip
        self._end: int | None = None  # line where the echoes begin
        self._start_again()

    def read(self) -> None:
        """Read the file; raises the error of a bad line."""
        if not self._read(stop_early=True):
            self._start_again()
            self._read(stop_early=False)
        echoes = self._echoes()
        if echoes is not None:
            self._end = self.writes[echoes.writes].line
            del self.writes[echoes.writes :]

    def vectors(self, rows: list[int] | np.ndarray) -> np.ndarray:
        """Return copies of vectors of some writes, by their `row`."""
        return self._vectors.take()[rows]

    def report(self, bad: BadRows) -> None:
        """Hand on what was left out; what stands among the echoes was told already."""
        for row in self._bad.skipped():
            if self._end is None or row.line <= self._end:
                bad.note(self._path, row.line, row.reason)

    def _start_again(self) -> None:
        self.writes.clear()
        self._bad = BadRows(self._path, skip=self._skip)
        self._vectors = GrowingRows(self._width)
        self._keys = Keys(self._width, self._vectors)
        self._live = set(self._ids)
        self._took: list[bool] = []  # whether Go's replay takes the write

    def _read(self, *, stop_early: bool) -> bool:
        """Read all lines; False when it did not store lines that turned out to be no echoes."""
        known: set[int] | None = None
        next_look = FIRST_LOOK
        for number, line in read_lines(self._path, self._bad):
            write = self._write_of(number, line)
            if write is None:
                continue
            if known is not None:
                if write.sent or self._keys.find(write) not in known:
                    return False
                continue
            self._store(write)
            if not stop_early or len(self.writes) < next_look:
                continue
            next_look *= 2
            echoes = self._echoes()
            if echoes is None or len(self.writes) < PASSES_ENOUGH * echoes.writes:
                continue
            if echoes.proven:
                return True  # the program never came to serve: what follows is echoes
            known = {write.key for write in self.writes[: echoes.writes]}
        return True

    def _write_of(self, number: int, line: bytes) -> Write | None:
        """Return the write of a line; None when it is bad, or cut."""
        try:
            return self._parse(number, line)
        except BadRowError as bad:
            reason = bad
        after_cut = self._after_cut(number, line)
        if after_cut is not None or not line.endswith(b"\n"):
            self._bad.notes.append(SkippedRow(number, CUT))
            return after_cut
        self._bad.add(number, str(reason), reason.code)
        return None

    def _after_cut(self, number: int, line: bytes) -> Write | None:
        """Return the write that stands behind writes that were cut."""
        at = 0
        for _ in range(CUTS_MAX):
            at = line.find(BEGIN, at + 1)
            if at < 0:
                break
            with contextlib.suppress(BadRowError):
                return dataclasses.replace(self._parse(number, line[at:]), alone=False)
        return None

    def _parse(self, number: int, line: bytes) -> Write:
        row = decode_line(line)
        kind, identifier = row.get("op"), row.get("id")
        if kind not in ("add", "update", "delete"):
            raise BadRowError(f"op must be 'add', 'update' or 'delete', got {kind!r:.60}")
        if not isinstance(identifier, str):
            raise BadRowError(f"id must be text, got {type(identifier).__name__}")
        if not identifier:
            raise BadRowError("id must not be empty")
        sent = kind == "update"
        if kind == "delete":
            return Write(number, identifier, None, None, sent, alone=True)
        values = vector_of_json(row.get("vector"), self._width, line).astype(np.float64)
        vector = nearest_float32(values, lambda: json.loads(line, parse_float=str)["vector"])
        if not np.isfinite(vector).all():
            place = int(np.argmin(np.isfinite(vector)))
            raise BadRowError(f"vector {does_not_fit(place, values[place])}")
        if not sent and not is_unit(vector):
            vector = normalised(vector[None])[0]  # as Go's replay does
        metadata = record_of(row.get("metadata"))
        return Write(number, identifier, metadata, vector, sent, alone=True)

    def _store(self, write: Write) -> None:
        takes = write.alone
        if write.vector is None:
            takes = takes and write.identifier in self._live
        else:
            write.row = self._vectors.append(write.vector)
        if takes and write.vector is None:
            self._live.discard(write.identifier)
        elif takes:
            self._live.add(write.identifier)
        write.key = self._keys.enter(write)
        write.vector = None  # it is in the rows
        self._took.append(takes)
        self.writes.append(write)

    def _echoes(self) -> Echoes | None:
        keys = [write.key for write in self.writes]
        last_update = max((i for i, write in enumerate(self.writes) if write.sent), default=-1)
        found: Echoes | None = None
        while True:  # what a second start echoed may hold the echoes of the first
            inner = find_echoes(keys, self._took[: len(keys)], last_update, self._evidence)
            if inner is None or (found is not None and found.proven and not inner.proven):
                return found
            found = inner
            del keys[inner.writes :]

    def _evidence(self, pairs: Iterable[tuple[int, int]]) -> bool | None:
        """Say whether the second of each pair is the first one normalised once more."""
        # A client may well have added what it had updated before.
        written = ((self.writes[a], self.writes[b]) for a, b in pairs if not self.writes[a].sent)
        rows = ((first.row, second.row) for first, second in written if first.row >= 0)
        told = None
        while block := list(itertools.islice(rows, PAIRS_AT_ONCE)):
            places = np.array(block)
            first, second = self.vectors(places[:, 0]), self.vectors(places[:, 1])
            if not np.array_equal(first, second):
                return True
            if not np.array_equal(normalised(first), first):
                told = False  # a client sent the same once more
        return told


class Keys:
    """Numbers of writes; equal for writes that differ by the rounding of their vectors alone."""

    def __init__(self, width: int, vectors: GrowingRows) -> None:
        self._vectors = vectors
        # A number that is near for near directions, so that few must be compared.
        self._weights = np.cos(np.arange(1, width + 1)) / np.sqrt(width)
        self._found: dict[tuple[str, str | None, int | None], list[tuple[int, int]]] = {}
        self._count = 0

    def enter(self, write: Write) -> int:
        """Return the number of a write whose vector lies in the rows; a new one when it is new."""
        key = self.find(write)
        if key is not None:
            return key
        bucket = None if write.vector is None else self._bucket(direction(write.vector))
        same = self._found.setdefault((write.identifier, text_of(write.metadata), bucket), [])
        same.append((write.row, self._count))
        self._count += 1
        return self._count - 1

    def find(self, write: Write) -> int | None:
        """Return the number of a write that was entered, or None."""
        head = write.identifier, text_of(write.metadata)
        if write.vector is None:
            return next((key for _, key in self._found.get((*head, None), ())), None)
        wanted = direction(write.vector)
        bucket = self._bucket(wanted)
        for near in (bucket, bucket - 1, bucket + 1):
            for row, key in self._found.get((*head, near), ()):
                if np.abs(direction(self._vectors.row(row)) - wanted).max() < ROUNDING:
                    return key
        return None

    def _bucket(self, unit: np.ndarray) -> int:
        return int(np.floor(self._weights @ unit / BUCKET))


def direction(vector: np.ndarray) -> np.ndarray:
    """Return a vector of unit length in float64, or zeros."""
    wide = vector.astype(np.float64)
    length = np.sqrt(wide @ wide)
    return wide / length if length else wide


def text_of(metadata: Metadata) -> str | None:
    """Return metadata as something to compare."""
    return None if metadata is None else go_metadata(metadata)
