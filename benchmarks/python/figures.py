# SPDX-License-Identifier: MIT
"""The table at the end of `make bench`: the main figures of each result in a folder.

A ratio is that of interleaved pairs, median with least and greatest; absolute times of a shared
machine are noise. A result that is missing or failed is named as such.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Callable
from typing import Any

from plot import best_peer, by_lane, ratio_of, short

Figures = list[tuple[str, str]]  # what, and its value in words


def kernels(result: dict[str, Any]) -> Figures:
    """The scan of one query at 384 dimensions."""
    found = [("one core reads", f"{result['read_gb_per_s']:.1f} GB/s")]
    for figure in result["figures"]:
        if figure["dimensions"] == 384 and figure["measure"] == "dot":
            least, median, most = figure["scan_part_of_read"]
            what = f"a scan of {figure['rows']} reads, as a part of that"
            found.append((what, ratio_of({"median": median, "min": least, "max": most})))
    return found


def call_overhead(result: dict[str, Any]) -> Figures:
    """What Python adds to a search."""
    return [
        ("a search in Python over the same in C++", f"{result['difference_us']:.2f} us more"),
        ("import beyond numpy", f"{result['import_ms_beyond_numpy']['median']:.0f} ms"),
    ]


def exact_search(result: dict[str, Any]) -> Figures:
    """The batch against what else is installed."""
    return [
        *(
            (f"exact batch, time over {name}'s", ratio_of(against["ratio_of_time"]))
            for name, against in result["batch_against"].items()
        ),
        ("equal bits: batch, single, threads", yes(result["equal_bits_batch_single_threads"])),
    ]


def memory(result: dict[str, Any]) -> Figures:
    """Bytes a row."""
    row, goal = result["bytes_per_row_without_ids_and_metadata"], result["budget_bytes_per_row"]
    return [
        ("memory a row without ids and metadata", f"{row:,.0f} bytes, goal {goal:,.0f}"),
        ("given back by close()", f"{result['given_back_by_close']:.2f} of it"),
    ]


def reopen(result: dict[str, Any]) -> Figures:
    """Seconds to open and to answer."""
    return [
        ("opening a saved index", f"{1e3 * result['open_seconds']['median']:.1f} ms"),
        ("its first answer", f"{1e3 * result['first_query_seconds']['median']:.1f} ms later"),
        ("answers equal bit for bit", yes(result["answers_equal_bit_for_bit"])),
    ]


def deletes(result: dict[str, Any]) -> Figures:
    """Recall before and after."""
    found = []
    for when, recalls in result["recall_at_10"].items():
        words = ", ".join(f"{recall:.4f} at {ef}" for ef, recall in recalls.items())
        found.append((f"recall@10 by ef, {when}", words))
    return [*found, ("deleted rows returned", str(result["deleted_rows_returned"]))]


def compare(result: dict[str, Any]) -> Figures:
    """The fastest of springg's over the best peer in every lane, and the builds."""
    found = []
    for cell in by_lane(result):
        ours, best = cell["peers"].get(cell["ours"]), best_peer(cell, result["ours"])
        what = f"queries/s, {cell['lane']}, recall {cell['target']}"
        if ours is None or best is None:
            found.append((what, "no peer reached it, or not springg"))
            continue
        mine = short(ours["queries_per_second"]["median"])
        theirs = short(best[1]["queries_per_second"]["median"])
        ratio = ratio_of(best[1]["springg_over_this"])
        found.append((what, f"{cell['ours']} {mine}, {best[0]} {theirs}: {ratio}"))
    for name, peer in result["peers"].items():
        for build in peer.get("builds", []):
            words = build.get("failed") or f"{build['build_seconds']:.1f} s"
            found.append((f"build of {name}, {result['threads']} threads", words))
    return found


TABLES: dict[str, Callable[[dict[str, Any]], Figures]] = {
    function.__name__: function
    for function in (kernels, call_overhead, exact_search, memory, reopen, deletes, compare)
}


def yes(value: bool) -> str:
    """A truth as a word."""
    return "yes" if value else "no"


def rows(folder: pathlib.Path, names: list[str]) -> Figures:
    """Lines of the table for the benchmarks of these names, in this order."""
    found = []
    for name in names:
        path = folder / f"{name}.json"
        if name not in TABLES:
            found.append((name, f"see {path.name}"))
        elif path.is_file():
            found += TABLES[name](json.loads(path.read_text()))
        else:
            found.append((name, "no result"))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="where the results lie")
    parser.add_argument("names", nargs="*", default=list(TABLES), help="benchmarks, in order")
    arguments = parser.parse_args()
    lines = rows(arguments.folder, arguments.names)
    width = max(len(what) for what, _ in lines)
    for what, value in lines:
        print(f"{what:{width}}  {value}")


if __name__ == "__main__":
    main()
