# SPDX-License-Identifier: MIT
"""Commands that keep a database safe: check, snapshot, restore."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import typer

import springg
from springg.cli.screen import (
    Directory,
    Json,
    bytes_text,
    existing,
    print_json,
    print_table,
    say,
)
from springg.maintenance import lost_text
from springg.types import counted


def check(
    directory: Directory,
    repair: Annotated[
        bool, typer.Option("--repair", help="Drop what is lost, make again what can be.")
    ] = False,
    json: Json = False,
) -> None:
    """Verify every checksum, graph and count, and the log.

    Exit code 0: clean; 1: damage found. Nothing is changed, and another process may be writing
    meanwhile.

    With --repair nobody may have the database open. Rows whose bytes are damaged are dropped, and
    the table says how many of which index; graphs and tables of ids are made again. The originals
    of damaged files are kept in DIR/damaged. If you have a snapshot, look at that first. The exit
    code is 1 also when everything was repaired; check again for 0.

    For example:
        springg check data/
        springg check data/ --json
        springg check data/ --repair
    """
    report = springg.check(directory, repair=repair)
    if json:
        print_json({"directory": directory, **document_of(report)})
    else:
        show(directory, report)
    if not report.ok:
        raise typer.Exit(1)


def document_of(report: springg.CheckReport) -> dict[str, Any]:
    """Return a report for JSON."""
    return {
        "ok": report.ok,
        "repaired": report.repaired,
        "problems": [dataclasses.asdict(problem) for problem in report.problems],
        "unknown_files": report.unknown_files,
        "leftover_files": report.leftover_files,
        "kept_files": report.kept_files,
    }


def show(directory: str, report: springg.CheckReport) -> None:
    """Print a report for people."""
    if report.problems:
        rows = [
            (p.file, "" if p.offset is None else f"{p.offset:,}", p.index, lost_text(p), p.what)
            for p in report.problems
        ]
        columns = ("file", "offset", "index", "rows lost", "what")
        print_table(columns, rows, right=("offset", "rows lost"))
    for name in report.unknown_files:
        say(f"not a file of springg, left alone: {name}")
    for name in report.leftover_files:
        say(f"left over, removed when the database is next opened: {name}")
    for name in report.kept_files:
        say(f"original kept: {name}")
    if report.ok:
        say(f"{directory}: clean")
    elif report.repaired:
        say(f"{directory}: {counted(len(report.problems), 'problem')}, repaired")
    else:
        found = f"{directory}: {counted(len(report.problems), 'problem')}"
        manifest = any("manifest-" in problem.file for problem in report.problems)
        say(f"{found}; see --repair" + (", or restore a snapshot" if manifest else ""))


def snapshot(
    directory: Directory,
    destination: Annotated[str, typer.Argument(metavar="DEST", help="Empty, or not there yet.")],
    json: Json = False,
) -> None:
    """Copy a database as it is at one moment; another process may be writing to it.

    The copy is a database of its own. Segments are shared with the source by hard links where the
    file system has them, so that it takes little time and space.

    For example:
        springg snapshot data/ backups/monday
        springg search backups/monday articles --id architect
    """
    with existing(directory, read_only=True) as database:
        info = database.snapshot(destination)
    if json:
        print_json(info._asdict())
        return
    how = "linked" if info.linked else "copied"
    say(
        f"{info.path}: {counted(info.rows, 'row')}, {bytes_text(info.bytes)}, {how}, "
        f"log position {info.lsn:,}"
    )


def restore(
    snapshot: Annotated[str, typer.Argument(metavar="SNAPSHOT", help="What snapshot made.")],
    directory: Annotated[str, typer.Argument(metavar="DIR", help="Empty, or not there yet.")],
    json: Json = False,
) -> None:
    """Verify a snapshot and make a database of it; the snapshot stays as it is.

    For example:
        springg restore backups/monday data/
    """
    path = springg.restore(snapshot, directory)
    with springg.open(path, read_only=True) as database:
        rows = database.stats()["rows"]
    if json:
        print_json({"path": path, "rows": rows})
    else:
        say(f"{path}: {counted(rows, 'row')}")


COMMANDS = (check, snapshot, restore)
