# SPDX-License-Identifier: MIT
"""What commands share: results on stdout, progress on stderr, and opening a database.

To a pipe there are no colours, no bars and no line is folded; `--json` is one document on stdout.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import springg
from springg.errors import error_of

Directory = Annotated[str, typer.Argument(metavar="DIR", help="Directory of the database.")]
IndexName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the index.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

PIPE_WIDTH = 240


def console(stream: IO[str]) -> Console:
    """Return a console that has colours on a terminal only."""
    tty = stream.isatty()
    return Console(
        file=stream,
        force_terminal=None if tty else False,
        width=None if tty else PIPE_WIDTH,
        no_color=None if tty else True,
        markup=False,
        emoji=False,
        highlight=False,
    )


def say(text: str = "") -> None:
    """Print one line of a result."""
    console(sys.stdout).print(text, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print the one document of `--json`; a number that is not finite is null."""
    try:
        text = json.dumps(document, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(document), ensure_ascii=False, default=str, allow_nan=False)
    print(text)


def finite(value: Any) -> Any:
    """Return a document with null for what JSON has no number for: infinity and nan."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[str] = ()
) -> None:
    """Print a table; the columns named in `right` are set to the right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        to_right = name in right
        table.add_column(name, justify="right" if to_right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(text_of(cell) for cell in row))
    out = console(sys.stdout)
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def text_of(value: Any) -> str:
    """Return a value as a cell shows it: no control characters."""
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    text = str(value)
    return text if text.isprintable() else json.dumps(text)


def json_id(identifier: Any) -> Any:
    """Return an id as JSON has it; a UUID is text."""
    return str(identifier) if isinstance(identifier, uuid.UUID) else identifier


def bytes_text(count: int) -> str:
    """Return a size as people read it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def is_database(directory: str) -> bool:
    """Say whether a directory holds a database, whole or just begun."""
    folder = Path(directory)
    return folder.is_dir() and any(
        entry.name == "LOCK" or entry.name.startswith("manifest-") for entry in folder.iterdir()
    )


@contextlib.contextmanager
def existing(directory: str, *, read_only: bool = False) -> Iterator[springg.Database]:
    """Open a database that is there; a misspelt directory is not created."""
    if not is_database(directory):
        what = "no springg database" if Path(directory).is_dir() else "no directory"
        raise error_of("not_found", f"{what} at {directory}", path=directory)
    with springg.open(directory, read_only=read_only) as database:
        yield database


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Give a function for `progress=`; a bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None, rows="reading")

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, rows=f"{done:,} of {total:,} rows")

        yield show
