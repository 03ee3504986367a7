# SPDX-License-Identifier: MIT
"""Commands on a database's data: create, import, search, info, export."""

from __future__ import annotations

import contextlib
import enum
import json as json_module
import sys
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import springg
from springg.cli.screen import (
    Directory,
    IndexName,
    Json,
    bytes_text,
    existing,
    is_database,
    json_id,
    print_json,
    print_table,
    progress_bar,
    say,
    text_of,
)
from springg.errors import error_of
from springg.exporting import keeps_ids, written_file
from springg.importing import ImportReport, file_to_read, read_queries
from springg.types import counted

SKIPPED_SHOWN = 10


class MetricName(enum.StrEnum):
    """Words of `--metric`: others end with 2, and the help lists these."""

    COSINE = "cosine"
    DOT = "dot"
    L2 = "l2"
    MANHATTAN = "manhattan"
    HAMMING = "hamming"


class DtypeName(enum.StrEnum):
    """Words of `--dtype`."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"
    UINT8 = "uint8"
    BINARY = "binary"


class QuantizationName(enum.StrEnum):
    """Words of `--quantization`."""

    AUTO = "auto"
    NONE = "none"
    INT8 = "int8"
    INT4 = "int4"
    RABITQ = "rabitq"


class OnErrorName(enum.StrEnum):
    """Words of `--on-error`."""

    RAISE = "raise"
    SKIP = "skip"


def create(
    directory: Directory,
    name: IndexName,
    dimensions: Annotated[int, typer.Option("--dimensions", "-d", help="Width of the vectors.")],
    metric: Annotated[
        MetricName | None, typer.Option(help="What is near; by default cosine, of binary hamming.")
    ] = None,
    dtype: Annotated[DtypeName, typer.Option(help="How vectors are kept.")] = DtypeName.FLOAT32,
    quantization: Annotated[
        QuantizationName, typer.Option(help="Short codes of vectors, for faster walks.")
    ] = QuantizationName.AUTO,
    m: Annotated[int, typer.Option("--m", help="Links of a row in the graph (M).")] = 16,
    ef_construction: Annotated[int, typer.Option(help="Width of the search when building.")] = 200,
    seed: Annotated[int, typer.Option(help="Equal rows in one import, equal graphs.")] = 0,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="An equal index may be there already.")
    ] = False,
    json: Json = False,
) -> None:
    """Create an index; the directory is created too.

    For example:
        springg create data/ articles --dimensions 384
        springg create data/ faces --dimensions 512 --metric l2 --dtype float16
        springg create data/ pages --dimensions 768 --quantization rabitq
    """
    words: Any = {"dtype": dtype.value, "quantization": quantization.value, "m": m, "seed": seed}
    words["metric"] = None if metric is None else metric.value
    words["ef_construction"] = ef_construction
    if not is_database(directory):
        with springg.open(":memory:") as trial:  # no directory is made for what is refused
            trial.create_index(name, dimensions, **words)
    with springg.open(directory) as database:
        index = database.create_index(name, dimensions, **words, exist_ok=exist_ok)
        settings = settings_of(index)
    if json:
        print_json({"directory": directory, **settings})
    else:
        kind = f"{settings['metric']}, {settings['dtype']}"
        say(f"index {name} in {directory}: {dimensions} dimensions, {kind}")


def import_command(
    directory: Directory,
    name: IndexName,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of vectors.")],
    ids: Annotated[str | None, typer.Option(metavar="FIELD", help="Field with the ids.")] = None,
    vectors: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Field with the vectors.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Field with metadata; may come again."),
    ] = None,
    on_error: Annotated[
        OnErrorName, typer.Option(help="What a bad row does; raise: nothing of its file is stored.")
    ] = OnErrorName.RAISE,
    json: Json = False,
) -> None:
    """Add the rows of files to an index, each file as a whole or not at all.

    An error ends the command; the files before it stay stored, and --json lists them.

    The ending of a file names its format: .npy .npz .fvecs .bvecs .ivecs .hdf5 .jsonl .parquet,
    and .bin of the Go Springg, with the .meta and .wal of the same name beside it.
    A file without ids counts its rows from the number of rows that the index has.

    For example:
        springg import data/ articles embeddings.npy
        springg import data/ articles part1.jsonl part2.jsonl --on-error skip
        springg import data/ articles table.parquet --ids url --vectors embedding
    """
    fields = metadata[0] if metadata and len(metadata) == 1 else metadata or None
    words: Any = {"ids": ids, "vectors": vectors, "metadata": fields, "on_error": on_error.value}
    reports: list[dict[str, Any]] = []
    with existing(directory) as database:
        index = database[name]
        for file in without_companions(files):
            begin = time.perf_counter()
            with progress_bar(file) as progress:
                try:
                    report = index.import_file(file, **words, progress=progress)
                    database.sync()  # each file that was reported is on the disk
                except springg.SpringgError as error:
                    if json:
                        print_json({**head(index), "files": reports, "error": str(error)})
                    raise
            seconds = time.perf_counter() - begin
            reports.append(report_of(file, report, seconds))
            if not json:
                say_report(file, report, seconds)
        document = {**head(index), "files": reports}
    if json:
        print_json(document)
    else:
        say(f"index {name} has {counted(document['rows'], 'row')}")


def without_companions(files: list[str]) -> list[str]:
    """Return the files without each .meta and .wal whose .bin is given too, as by `old.*`."""
    kept: list[str] = []
    for file in files:
        whole = file_to_read(file)
        if file == whole or whole not in (*files, *kept):
            kept.append(whole)
    return kept


def head(index: springg.Index) -> dict[str, Any]:
    """Return what stands first in the document of an import."""
    return {"index": index.name, "rows": len(index)}


def report_of(file: str, report: ImportReport, seconds: float) -> dict[str, Any]:
    """Return what happened to a file, for JSON."""
    return {
        "file": file,
        "rows": int(report),
        "seconds": round(seconds, 6),
        "skipped": [{"line": row.line, "reason": row.reason} for row in report.skipped],
    }


def say_report(file: str, report: ImportReport, seconds: float) -> None:
    """Print what happened to a file."""
    rows = int(report)
    skipped = len(report.skipped)
    tail = f", {skipped:,} skipped" if skipped else ""
    say(f"{file}: {counted(rows, 'row')} in {seconds:.2f} s ({rows / seconds:,.0f} rows/s){tail}")
    for row in report.skipped[:SKIPPED_SHOWN]:
        say(f"  line {row.line}: {text_of(row.reason)}")
    if skipped > SKIPPED_SHOWN:
        say(f"  and {skipped - SKIPPED_SHOWN:,} more")


def search(
    directory: Directory,
    name: IndexName,
    vector: Annotated[
        str | None, typer.Option(metavar="JSON", help="The query as a JSON list of numbers.")
    ] = None,
    identifier: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="ID",
            help="Search with a stored row's vector. Of equal ids the text wins, then the integer, "
            "then the UUID.",
        ),
    ] = None,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file of queries (.npy, .fvecs, ...).")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Hits of a query.")] = 10,
    ef: Annotated[int | None, typer.Option(help="Width of the search; more finds more.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every row.")] = False,
    json: Json = False,
) -> None:
    """Find the nearest rows of a vector, of a stored row, or of each query in a file.

    For example:
        springg search data/ articles --id architect -k 5
        springg search data/ points --vector '[0.1, 0.2, 0.3]' --json
        springg search data/ articles --file queries.npy -k 100 --json
    """
    if sum(given is not None for given in (vector, identifier, file)) != 1:
        raise typer.BadParameter("give one of --vector, --id and --file")
    with existing(directory, read_only=True) as database:
        index = database[name]
        if vector is not None:
            queries = parse_vector(vector)
        elif file is not None:
            queries = read_queries(file, index.dimensions, index.dtype)
            if len(queries) == 0:
                raise error_of("invalid_argument", f"{file}: no queries in the file")
        else:
            found = find_row(index, str(identifier))
            if found is None:
                print(f"springg: no row with id {identifier!r} in index {name}", file=sys.stderr)
                if json:
                    print_json({"index": name, "k": k, "found": False, "hits": []})
                raise typer.Exit(1)
            queries = found
        if queries.ndim == 1:
            answers = [index.search(queries, k, ef=ef, exact=exact)]
        else:
            answers = list(index.search(queries, k, ef=ef, exact=exact))
    if json:
        show_json(name, k, answers, single=queries.ndim == 1)
    else:
        show_answers(answers)


def parse_vector(text: str) -> np.ndarray:
    """Return the vector that stands on the command line."""
    try:
        values = json_module.loads(text)
        if not isinstance(values, list) or any(
            isinstance(x, bool) or not isinstance(x, (int, float)) for x in values
        ):
            raise ValueError("not a list of numbers")
        with np.errstate(over="ignore"):
            return np.asarray(values, np.float64)
    except (ValueError, OverflowError, RecursionError) as error:
        message = f"--vector must be a JSON list of numbers such as '[0.1, 0.2]': {error}"
        raise typer.BadParameter(message) from None


def find_row(index: springg.Index, text: str) -> np.ndarray | None:
    """Return the vector of the row that a text names: as text, integer or UUID, in this order."""
    candidates: list[Any] = [text]
    if text.isascii() and text.isdigit() and int(text) < 2**64:
        candidates.append(int(text))
    with contextlib.suppress(ValueError):
        candidates.append(uuid.UUID(text))
    for candidate in candidates:
        record = index.get(candidate, include=("vector",)) if candidate != "" else None
        if record is not None:
            return np.asarray(record.vector)
    return None


def hits_of(answer: Any) -> list[dict[str, Any]]:
    """Return the hits of one query, for JSON."""
    return [
        {
            "id": json_id(hit.id),
            "score": float(hit.score),
            "distance": float(hit.distance),
            "metadata": hit.metadata,
        }
        for hit in answer
    ]


def show_json(name: str, k: int, answers: list[Any], *, single: bool) -> None:
    """Print answers as one document."""
    head = {"index": name, "k": k}
    if single:
        print_json({**head, "hits": hits_of(answers[0])})
    else:
        results = [{"query": i, "hits": hits_of(answer)} for i, answer in enumerate(answers)]
        print_json({**head, "results": results})


def show_answers(answers: list[Any]) -> None:
    """Print answers as tables."""
    for number, answer in enumerate(answers):
        if len(answers) > 1:
            say(f"query {number}")
        rows = [
            (rank, hit.id, float(hit.score), "" if hit.metadata is None else hit.metadata)
            for rank, hit in enumerate(answer, 1)
        ]
        print_table(("rank", "id", "score", "metadata"), rows, right=("rank", "score"))


def settings_of(index: springg.Index) -> dict[str, Any]:
    """Return the settings of an index."""
    names = ("name", "dimensions", "metric", "dtype", "quantization", "m", "ef_construction")
    return {name: getattr(index, name) for name in names}


def disk_bytes(directory: str) -> int:
    """Return the size of the database's files."""
    return sum(entry.stat().st_size for entry in Path(directory).iterdir() if entry.is_file())


def info(
    directory: Directory,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One index.")] = None,
    json: Json = False,
) -> None:
    """Show sizes, rows, segments, settings and memory.

    For example:
        springg info data/
        springg info data/ articles --json
    """
    with existing(directory, read_only=True) as database:
        names = database.indexes() if name is None else [name]
        indexes = []
        for each in names:
            index = database[each]
            indexes.append({**settings_of(index), **index.stats()})
        memory = database.memory_usage()
        stored = disk_bytes(directory)
    if json:
        document = {"directory": directory, "disk_bytes": stored, "memory_bytes": memory}
        document |= {"index": indexes[0]} if name is not None else {"indexes": indexes}
        print_json(document)
    elif name is not None:
        print_table(("setting", "value"), [(key, shown(key, v)) for key, v in flat(indexes[0])])
    else:
        show_database(directory, stored, memory, indexes)


def show_database(
    directory: str, stored: int, memory: dict[str, int], indexes: list[dict[str, Any]]
) -> None:
    """Print a table of the indexes, and the sizes."""
    columns = ("name", "rows", "dimensions", "metric", "dtype", "segments", "memtable_rows")
    rows = [[f"{i[c]:,}" if c == "rows" else i[c] for c in columns] for i in indexes]
    if rows:
        print_table(columns, rows, right=columns[1:3] + columns[5:])
    parts = ", ".join(
        f"{part} {bytes_text(size)}" for part, size in memory.items() if size and part != "total"
    )
    count = counted(len(indexes), "index", "indexes")
    say(f"{directory}: {count}, {bytes_text(stored)} on disk")
    say(f"{bytes_text(memory['total'])} in memory or mapped: {parts or 'nothing'}")


def flat(settings: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return settings with nested ones as `bytes.vectors` and `search.parts.0.rows`."""
    rows: list[tuple[str, Any]] = []
    for key, value in settings.items():
        nested = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(nested, dict) and nested:
            rows += flat({f"{key}.{inner}": item for inner, item in nested.items()})
        else:
            rows.append((key, value))
    return rows


def shown(key: str, value: Any) -> str:
    """Return a setting as people read it."""
    if "bytes" in key and isinstance(value, int):
        return bytes_text(value)
    return f"{value:,}" if isinstance(value, int) else text_of(value)


def export(
    directory: Directory,
    name: IndexName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; replaced as a whole.")],
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="npy, jsonl, springg1, ...; else the ending says it.")
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="springg1: unit length, as the Go program's add.")
    ] = False,
    json: Json = False,
) -> None:
    """Write an index to a file that `springg import` reads again.

    .jsonl, .parquet, .npz and .hdf5 keep ids, vectors and metadata; .npy and .fvecs vectors alone.
    .bin (springg1) is read by the Go Springg; NAME.meta is written beside NAME.bin.

    For example:
        springg export data/ articles articles.parquet
        springg export data/ articles vectors.npy
        springg export data/ articles articles --format springg1
    """
    with existing(directory, read_only=True) as database:
        index = database[name]
        index.export_file(file, format=format, normalise=normalise)
        rows = len(index)
    file = written_file(file, format)
    if json:
        print_json({"index": name, "file": file, "rows": rows})
        return
    alone = (
        ""
        if keeps_ids(file, format)
        else " (vectors alone: this format has no ids and no metadata)"
    )
    size = bytes_text(Path(file).stat().st_size)
    say(f"{counted(rows, 'row')} of {name} in {file}, {size}{alone}")


COMMANDS = (create, import_command, search, info, export)
