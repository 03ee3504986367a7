# SPDX-License-Identifier: MIT
"""The Go Springg's NAME.meta, one JSON object of metadata records, read a piece at a time.

The file is as large as all metadata together; what is in memory is one record and a block of text.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from springg._go_json import DECODER, refuse_surrogates
from springg.errors import SpringgError, error_of
from springg.importing_table import BadRowError, unreadable

BLOCK_BYTES = 1024 * 1024
# 64 KiB of metadata fit many times, indented.
ENTRY_CHARACTERS_MAX = 16 * 1024 * 1024
BLANKS = " \t\n\r"


def damaged_meta(path: str, line: int, what: object) -> SpringgError:
    """Return the error of a .meta that is not what the Go program writes."""
    return error_of("corruption", f"{path}, line {line}: {what}", file=path, line=line)


def read_entries(path: str) -> Iterator[tuple[int, str, Any]]:
    """Give line, id and JSON value of each record; `Corruption` names the line."""
    try:
        with Path(path).open("rb") as file:
            yield from Entries(path, file).all()
    except OSError as error:
        if isinstance(error, SpringgError):
            raise
        raise unreadable(path, error) from error


class Entries:
    """Walks through the text of a .meta."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def all(self) -> Iterator[tuple[int, str, Any]]:
        """Give the entries of the object that the file holds."""
        self._expect("{")
        more = self._next() != "}"
        while more:
            line = self._line
            identifier = self._value()
            if not isinstance(identifier, str):
                self._fail(f"expected an id in quotes, got {type(identifier).__name__}")
            self._expect(":")
            self._next()
            yield line, identifier, self._value()
            more = self._next() == ","
            if more:
                self._expect(",")
                self._next()
        self._expect("}")
        if self._next():
            self._fail("expected nothing after the object")

    def _fail(self, what: object) -> NoReturn:
        raise damaged_meta(self._path, self._line, what)

    def _read(self, size: int) -> None:
        """Let go of the text behind, and read on."""
        block = self._file.read(size)
        self._ended = not block
        try:
            text = self._decode.decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            self._fail(f"is not UTF-8: {error.reason}")
        self._text = self._text[self._at :] + text
        self._at = 0

    def _advance(self, end: int) -> None:
        self._line += self._text.count("\n", self._at, end)
        self._at = end

    def _next(self) -> str:
        """Return the next character that is no blank, which is not taken; "" at the end."""
        while True:
            end = self._at
            while end < len(self._text) and self._text[end] in BLANKS:
                end += 1
            self._advance(end)
            if end < len(self._text):
                return self._text[end]
            if self._ended:
                return ""
            self._read(BLOCK_BYTES)

    def _expect(self, character: str) -> None:
        found = self._next()
        if found != character:
            self._fail(f"expected {character!r}, got {found!r}" if found else "ends too early")
        self._at += 1

    def _value(self) -> Any:
        """Return the JSON value that begins here."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
                refuse_surrogates(self._text[self._at : end], value)
            except json.JSONDecodeError as error:
                left = len(self._text) - self._at
                if left > ENTRY_CHARACTERS_MAX:
                    self._fail(f"a record must not be over {ENTRY_CHARACTERS_MAX} characters")
                if self._ended:
                    self._advance(min(error.pos, len(self._text)))
                    self._fail(f"is not valid JSON: {error.msg}")
                self._read(max(BLOCK_BYTES, left))  # it may not have been read to its end
            except (ValueError, RecursionError, BadRowError) as error:
                self._fail("is nested too deep" if isinstance(error, RecursionError) else error)
            else:
                self._advance(end)
                return value
