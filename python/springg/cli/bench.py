# SPDX-License-Identifier: MIT
"""`springg bench`: recall against speed of one's own index."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import typer

import springg
from springg.cli.screen import (
    Directory,
    IndexName,
    Json,
    existing,
    print_json,
    print_table,
    say,
)
from springg.cli.timing import latencies, recall_of
from springg.errors import error_of
from springg.importing import read_queries
from springg.types import counted

EF_MAX = 4_096
EF_STEPS = (16, 32, 64, 128, 256, 512)
SAMPLED_QUERIES = 200
QUERIES_MAX = 1_000


def bench(
    directory: Directory,
    name: IndexName,
    queries: Annotated[
        str | None, typer.Option(metavar="FILE", help="Queries (.npy, .fvecs, .hdf5, ...).")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Hits of a query.")] = 10,
    recall: Annotated[
        str | None,
        typer.Option(metavar=".9,.95,.99", help="Find the least ef for each of these recalls."),
    ] = None,
    json: Json = False,
) -> None:
    """Measure recall, queries/s and latency for several widths of the search (ef).

    Recall is the share of the true k nearest rows (found by exact search) that are returned.
    Speed is of single queries on one thread. Without --queries, stored rows are asked for.

    For example:
        springg bench data/ articles
        springg bench data/ articles --queries queries.npy -k 100 --recall .9,.95,.99
    """
    targets = parse_targets(recall)
    with existing(directory, read_only=True) as database:
        index = database[name]
        if len(index) == 0:
            raise error_of("failed_precondition", f"index {name!r} is empty: nothing to measure")
        asked = (
            sample(index)
            if queries is None
            else read_queries(queries, index.dimensions, index.dtype)
        )
        asked = asked[:QUERIES_MAX]
        if len(asked) == 0:
            raise error_of("invalid_argument", f"{queries}: no queries in the file")
        exact = index.search(asked, k, exact=True, include=())
        if targets is None:
            rows = [measure(index, asked, exact, k, max(ef, k)) for ef in steps(k)]
        else:
            rows = [for_target(index, asked, exact, k, target) for target in targets]
        facts = {
            "index": name,
            "rows": len(index),
            "segments": index.stats()["segments"],
            "queries": len(asked),
            "queries_from": queries or "stored rows",
            "k": k,
        }
    if json:
        print_json({**facts, "table": rows})
    else:
        show(facts, rows)


def parse_targets(text: str | None) -> list[float] | None:
    """Return the recalls of `--recall`."""
    if text is None:
        return None
    try:
        targets = [float(part) for part in text.split(",")]
    except ValueError:
        targets = []
    if not targets or not all(0 < target <= 1 for target in targets):
        raise typer.BadParameter(f"--recall must be numbers over 0 and up to 1, got {text!r}")
    return targets


def steps(k: int) -> list[int]:
    """Return the widths to try; a width below k counts as k."""
    return [ef for ef in EF_STEPS if ef > k] or [min(k, EF_MAX)]


def sample(index: springg.Index) -> np.ndarray:
    """Return stored vectors as queries, the same ones each time."""
    rows = len(index)
    chosen = np.random.default_rng(0).choice(rows, min(rows, SAMPLED_QUERIES), replace=False)
    chosen.sort()
    kind = np.float32 if index.dtype == "float16" else None
    return np.ascontiguousarray(index.vectors[chosen], kind)


def measure(
    index: springg.Index, queries: np.ndarray, exact: Any, k: int, ef: int
) -> dict[str, Any]:
    """Return one line of the table."""
    found = index.search(queries, k, ef=ef, include=())
    seconds = latencies(index, queries, k, ef)
    return {
        "ef": ef,
        "recall": recall_of(found, exact),
        "queries_per_second": round(1 / float(np.mean(seconds)), 1),
        "p50_ms": round(float(np.percentile(seconds, 50)) * 1e3, 4),
        "p99_ms": round(float(np.percentile(seconds, 99)) * 1e3, 4),
        "distances_per_query": round(found.distances_computed / len(queries), 1),
    }


def for_target(
    index: springg.Index, queries: np.ndarray, exact: Any, k: int, target: float
) -> dict[str, Any]:
    """Return the line of the least ef that reaches a recall; ef is None when none does."""

    def reaches(ef: int) -> bool:
        return recall_of(index.search(queries, k, ef=ef, include=()), exact) >= target

    low, high = k - 1, k  # `low` does not reach it, as far as we know
    while not reaches(high):
        if high == EF_MAX:
            return {"target": target, "ef": None}
        low, high = high, min(2 * high, EF_MAX)
    while high - low > 1:
        middle = (low + high) // 2
        if reaches(middle):
            high = middle
        else:
            low = middle
    return {"target": target, **measure(index, queries, exact, k, high)}


def show(facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    say(
        f"index {facts['index']}: {counted(facts['rows'], 'row')} in "
        f"{counted(facts['segments'], 'segment')}; {counted(facts['queries'], 'query', 'queries')} "
        f"from {facts['queries_from']}, k={facts['k']}"
    )
    if facts["queries_from"] == "stored rows":
        say("a stored row finds itself, so real queries (--queries FILE) may fare worse")
    targets = ["target"] if "target" in rows[0] else []
    columns = [*targets, "ef", "recall", "queries/s", "p50 ms", "p99 ms", "distances"]
    keys = [*targets, "ef", "recall", "queries_per_second", "p50_ms", "p99_ms"]
    cells = []
    for row in rows:
        if row["ef"] is None:
            cells.append([f"{row['target']:g}", "none", "", "", "", "", ""])
            continue
        shown = {
            **row,
            "queries_per_second": f"{row['queries_per_second']:,.0f}",
            "p50_ms": f"{row['p50_ms']:.3f}",
            "p99_ms": f"{row['p99_ms']:.3f}",
        }
        if targets:
            shown["target"] = f"{row['target']:g}"
        cells.append([*(shown[key] for key in keys), f"{row['distances_per_query']:,.0f}"])
    print_table(columns, cells, right=columns)


COMMANDS = (bench,)
