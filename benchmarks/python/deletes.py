# SPDX-License-Identifier: MIT
"""Recall at equal ef after a random half of the dictionary set is deleted.

Measured before and after optimize(). Truth is exact search over the rows that are left.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np
from measure import dictionary, report

import springg


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--ef", type=int, nargs="+", default=[32, 64, 128])
    arguments = parser.parse_args()
    data = dictionary()
    db = springg.open(":memory:")
    index = db.create_index("words", data.base.shape[1])
    index.add(np.arange(len(data.base)), data.base)
    index.optimize()
    recall = {"all rows": {ef: index.recall(data.queries, 10, ef=ef) for ef in arguments.ef}}
    gone = np.random.default_rng(5).permutation(len(data.base))[: len(data.base) // 2]
    index.delete(gone)
    recall["half deleted"] = {ef: index.recall(data.queries, 10, ef=ef) for ef in arguments.ef}
    dead = set(gone.tolist())
    returned = index.search(data.queries, 100, ef=200, include=()).keys
    index.optimize()
    recall["after optimize"] = {ef: index.recall(data.queries, 10, ef=ef) for ef in arguments.ef}
    report(
        "deletes",
        {
            "set": data.name,
            "recall_at_10": recall,
            "deleted_rows_returned": int(np.isin(returned, np.fromiter(dead, np.uint64)).sum()),
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
