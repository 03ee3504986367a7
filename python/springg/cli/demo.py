# SPDX-License-Identifier: MIT
"""`springg demo`: the main job on the real data in the package, from arrays to answers."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import springg
from springg import datasets
from springg.cli.screen import (
    Json,
    bytes_text,
    is_database,
    print_json,
    progress_bar,
    say,
)
from springg.cli.timing import latencies, recall_of
from springg.errors import error_of

INDEX = "dictionary"
K = 10
SHOWN = 2  # hits shown of each query
TIMED_SECONDS = 1.0


def demo(
    directory: Annotated[
        str, typer.Option("--dir", metavar="DIR", help="Where the database is made.")
    ] = "springg-demo",
    json: Json = False,
) -> None:
    """Build an index of English words by meaning, ask it in plain words, and reopen it.

    The data is in the package: 4,000 definitions with 384-d sentence embeddings, and 20 questions.
    A second run builds the index again. In a database that is there it makes an index of its own
    and leaves the others alone; a directory of other files is refused.

    For example:
        springg demo
        springg demo --dir /tmp/words
    """
    tell = (lambda _text: None) if json else say
    words = datasets.dictionary()
    check_directory(directory)
    with springg.open(directory) as database:
        prepare(database, directory, words, tell)
        built = build(database, words, tell)
        index = database[INDEX]
        answers = index.search(words.query_vectors, K)
        if not json:
            show(words, answers)
        measured = measure(index, words, answers)
    tell_measured(tell, measured)
    reopened = reopen(directory, words, answers)
    stored = sum(entry.stat().st_size for entry in Path(directory).iterdir())
    if reopened["equal"]:
        tell(
            f"closed ({bytes_text(stored)} on disk) and opened again in "
            f"{reopened['open_ms']:.1f} ms: the {len(answers)} answers are equal, bit for bit"
        )
    tell(f"\nnext: springg search {directory} {INDEX} --id {words.ids[0]} -k 5")
    if json:
        print_json({"directory": directory, "index": INDEX, **built, **measured, **reopened})
    if not reopened["equal"]:
        print("springg: the answers differ after opening again", file=sys.stderr)
        raise typer.Exit(1)


def check_directory(directory: str) -> None:
    """Refuse a directory that holds something else."""
    folder = Path(directory)
    if not folder.exists() or is_database(directory):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        message = f"{directory} is there and is no springg database: choose another --dir"
        raise error_of("failed_precondition", message, path=directory)


def prepare(
    database: springg.Database, directory: str, words: datasets.Dictionary, tell: Any
) -> None:
    """Take away the index of an earlier demo, and nothing else."""
    if INDEX not in database:
        return
    index = database[INDEX]
    same = index.dimensions == words.vectors.shape[1] and index.metric == "cosine"
    if not same or not (len(index) == 0 or index.ids == words.ids):
        message = f"index {INDEX!r} in {directory} is not the demo's: choose another --dir"
        raise error_of("failed_precondition", message, path=directory)
    tell(f"{directory} has an earlier demo: its index is built again")
    database.drop_index(INDEX)


def build(database: springg.Database, words: datasets.Dictionary, tell: Any) -> dict[str, Any]:
    """Add the words and make one segment of them."""
    rows, dimensions = words.vectors.shape
    begin = time.perf_counter()
    index = database.create_index(INDEX, dimensions)
    index.add(words.ids, words.vectors, words.metadata())
    added = time.perf_counter()
    with progress_bar("building the graph") as progress:
        index.optimize(progress=progress)
    optimised = time.perf_counter()
    tell(f"added {rows:,} meanings x {dimensions} dimensions in {added - begin:.2f} s")
    tell(f"laid out for search (one segment with its graph) in {optimised - added:.2f} s\n")
    return {
        "rows": rows,
        "dimensions": dimensions,
        "add_seconds": round(added - begin, 6),
        "optimize_seconds": round(optimised - added, 6),
    }


def show(words: datasets.Dictionary, answers: Any) -> None:
    """Print what was found for each question."""
    for text, hits in zip(words.query_texts, answers, strict=True):
        say(text)
        for hit in hits[:SHOWN]:
            say(f"  {hit.score:.3f}  {hit.metadata['words']}: {hit.metadata['definition']}")
    say()


def measure(index: springg.Index, words: datasets.Dictionary, answers: Any) -> dict[str, Any]:
    """Return recall, speed and work of the searches."""
    exact = index.search(words.query_vectors, K, exact=True, include=())
    seconds = latencies(index, words.query_vectors, K, None, at_least=TIMED_SECONDS)
    compared = answers.distances_computed / len(answers)
    return {
        "queries": len(answers),
        "k": K,
        "recall": recall_of(answers, exact),
        "queries_per_second": round(1 / float(np.mean(seconds)), 1),
        "distances_per_query": compared,
        "rows_per_exact_query": len(index),
    }


def tell_measured(tell: Any, measured: dict[str, Any]) -> None:
    """Print the figures."""
    rows = measured["rows_per_exact_query"]
    compared = measured["distances_per_query"]
    tell(f"recall@{K} against exact search: {measured['recall']:.3f}")
    tell(f"queries/s, one at a time on one thread: {measured['queries_per_second']:,.0f}")
    tell(f"distances computed a query: {compared:,.0f} of {rows:,} ({compared / rows:.0%})")


def reopen(directory: str, words: datasets.Dictionary, answers: Any) -> dict[str, Any]:
    """Open the closed database and compare its answers."""
    begin = time.perf_counter()
    with springg.open(directory) as database:
        open_ms = (time.perf_counter() - begin) * 1e3
        again = database[INDEX].search(words.query_vectors, K)
        equal = again.ids == answers.ids and np.array_equal(
            again.distances, answers.distances, equal_nan=True
        )
    return {"open_ms": round(open_ms, 3), "equal": bool(equal)}


COMMANDS = (demo,)
