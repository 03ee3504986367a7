# SPDX-License-Identifier: MIT
"""Opening a saved dictionary set in a new process.

Seconds to open and to the first answer, and whether answers are equal bit for bit to those before
closing.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from measure import dictionary, report, spread

import springg

CHILD = """
import json, sys, time
import numpy as np, springg
folder, queries = sys.argv[1], np.load(sys.argv[2])
a = time.perf_counter(); db = springg.open(folder); index = db["words"]
b = time.perf_counter(); index.search(queries[0], 10)
c = time.perf_counter()
hits = index.search(queries, 10, ef=100)
np.savez(sys.argv[3], distances=hits.distances, keys=hits.keys)
print(json.dumps([b - a, c - b]))
"""


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    data = dictionary()
    with tempfile.TemporaryDirectory() as work:
        folder, queries = f"{work}/db", f"{work}/queries.npy"
        np.save(queries, data.queries)
        with springg.open(folder) as db:
            index = db.create_index("words", data.base.shape[1])
            index.add(np.arange(len(data.base)), data.base)
            index.optimize()
            before = index.search(data.queries, 10, ef=100)
            distances, keys = before.distances, before.keys
        opens, firsts, equal = [], [], True
        for _ in range(arguments.repeats):
            out = subprocess.run(
                [sys.executable, "-c", CHILD, folder, queries, f"{work}/after.npz"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            opened, first = json.loads(out)
            opens.append(opened)
            firsts.append(first)
            after = np.load(f"{work}/after.npz")
            equal = equal and np.array_equal(after["distances"], distances)
            equal = equal and np.array_equal(after["keys"], keys)
        report(
            "reopen",
            {
                "set": data.name,
                "open_seconds": spread(opens),
                "first_query_seconds": spread(firsts),
                "answers_equal_bit_for_bit": equal,
            },
            arguments.output,
        )


if __name__ == "__main__":
    main()
