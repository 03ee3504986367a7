# SPDX-License-Identifier: MIT
"""What `index.search` and `import springg` cost in Python.

The search is of a 100-row index and its cost is what it takes beyond the same search timed in
C++; the import's is what it takes beyond numpy.

The C++ side is `search_call_benchmark` (built with SPRINGG_BUILD_BENCHMARKS), named by --cpp.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import subprocess
import sys
import timeit

import numpy as np
from measure import report, spread

import springg

IMPORT = (
    "import time, numpy; a = time.perf_counter(); import springg; print(time.perf_counter() - a)"
)


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpp", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    db = springg.open(":memory:")
    index = db.create_index("small", 32)
    index.add(np.arange(100), rng.standard_normal((100, 32), dtype=np.float32))
    query = rng.standard_normal(32, dtype=np.float32)
    calls = 20_000
    in_python, in_cpp = [], []
    for _ in range(arguments.pairs):
        in_python.append(timeit.timeit(lambda: index.search(query), number=calls) / calls * 1e6)
        out = subprocess.run([arguments.cpp], capture_output=True, text=True, check=True).stdout
        in_cpp.append(float(out))
    imports = [
        float(
            subprocess.run(
                [sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True
            ).stdout
        )
        for _ in range(arguments.pairs)
    ]
    report(
        "call_overhead",
        {
            "python_us": spread(in_python),
            "cpp_us": spread(in_cpp),
            "difference_us": statistics.median(
                a - b for a, b in zip(in_python, in_cpp, strict=True)
            ),
            "import_ms_beyond_numpy": spread([1e3 * s for s in imports]),
        },
        arguments.output,
    )


if __name__ == "__main__":
    main()
