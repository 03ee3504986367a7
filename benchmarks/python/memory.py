# SPDX-License-Identifier: MIT
"""Memory of the dictionary set: bytes a row by component.

Held against the growth of the process's resident memory, with how much of it close() gives back.
"""

from __future__ import annotations

import argparse
import gc
import pathlib

import numpy as np
from measure import dictionary, report, resident_bytes

import springg


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    data = dictionary()
    ids = np.arange(len(data.base))
    warm = springg.open(":memory:")  # threads and allocator pools exist before the count begins
    small = warm.create_index("w", data.base.shape[1])
    small.add(ids[:2000], data.base[:2000])
    small.optimize()
    small.search(data.queries[:10])
    warm.close()
    gc.collect()
    start = resident_bytes()
    db = springg.open(":memory:")
    index = db.create_index("words", data.base.shape[1], m=16)
    index.add(ids, data.base)
    index.optimize()
    gc.collect()
    grown = resident_bytes() - start
    usage = db.memory_usage()
    rows, m = len(index), index.m
    raw = data.base.nbytes / rows
    budget = 1.08 * raw + 1.3 * 4 * 2 * m
    told = usage["total"] - usage["ids"] - usage["metadata"]
    db.close()
    gc.collect()
    left = resident_bytes() - start
    report(
        "memory",
        {
            "set": data.name,
            "rows": rows,
            "usage_bytes": usage,
            "bytes_per_row_without_ids_and_metadata": told / rows,
            "budget_bytes_per_row": budget,
            "resident_growth_bytes": grown,
            "told_over_grown": usage["total"] / grown,
            "given_back_by_close": 1 - left / grown,
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
