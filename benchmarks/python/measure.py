# SPDX-License-Identifier: MIT
"""What every benchmark here shares: the sets, recall by distance, interleaved pairs, the report.

Rules (benchmarks/README.md): both sides run in one process and take turns (A B A B ...), recall
stands beside every speed, a ratio is the median over the pairs with its spread, and queries are
float32 rows prepared before the clock starts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

DATA = pathlib.Path(
    os.environ.get("SPRINGG_DATA", pathlib.Path(__file__).parents[2] / "../shared/data")
)

BASE_FILES = ("base.f32.npy", "base.f16.npy")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Base rows, queries and the exact distances of each query's nearest rows."""

    name: str
    base: np.ndarray  # (n, d) float32
    queries: np.ndarray  # (nq, d) float32
    distances: np.ndarray  # (nq, 100) float32, ascending, 1 - cosine

    def recall(self, found: np.ndarray, k: int = 10) -> float:
        """Share of the first k found whose distance is at most the true k-th + 1e-3.

        By distance, so that rows as near as the k-th count whichever of them was found. 1e-3 is
        absolute because 1 - cosine has a scale of 1; it is far above what rounding does to a
        distance (float16 rows, sums in another order).
        """
        hits = found[:, :k] <= self.distances[:, k - 1 : k] + 1e-3
        return float(hits.mean())

    def cosine_distances(self, rows: np.ndarray) -> np.ndarray:
        """1 - cosine of each query to its row numbers `rows` (nq, k): the same judge for all."""
        unit_queries = unit(self.queries)
        found = np.empty(rows.shape, np.float32)
        for i, mine in enumerate(rows):
            found[i] = 1 - unit(self.base[mine]) @ unit_queries[i]
        return found


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of x divided by their length."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-30))


def dictionary() -> Dataset:
    """117k definitions of English words, 384-d sentence embeddings (shared data)."""
    folder = DATA / "dictionary-minilm-384"
    if not folder.is_dir():
        raise SystemExit(f"no data set at {folder}: set SPRINGG_DATA to the folder that holds it")
    return cosine_set(folder)


def cosine_set(folder: pathlib.Path) -> Dataset:
    """The set in a folder of the layout that docs/testing.md describes."""
    base = next((path for path in map(folder.joinpath, BASE_FILES) if path.is_file()), None)
    if base is None:
        raise SystemExit(f"no data set at {folder}: expected one of {', '.join(BASE_FILES)}")
    data = Dataset(
        folder.resolve().name,
        np.load(base).astype(np.float32, copy=False),
        np.load(folder / "queries.f32.npy"),
        np.load(folder / "distances100.f32.npy"),
    )
    # Recall would mean nothing on a set that was made for another metric.
    nearest = np.load(folder / "neighbors100.i32.npy")[:, :10]
    if not np.allclose(data.cosine_distances(nearest), data.distances[:, :10], rtol=0, atol=1e-3):
        raise SystemExit(f"{folder}: distances100.f32.npy does not hold cosine distances")
    return data


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def interleaved(
    first: Callable[[], Any], second: Callable[[], Any], pairs: int
) -> list[tuple[float, float]]:
    """Seconds of both, `pairs` times in turn, after one warm-up of each."""
    first()
    second()
    taken = []
    for pair in range(pairs):
        if pair % 2:  # neither side always runs in the other's wake
            b = seconds(second)
            taken.append((seconds(first), b))
        else:
            a = seconds(first)
            taken.append((a, seconds(second)))
    return taken


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine() -> dict[str, str]:
    """What a figure needs beside it."""
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    import springg

    return {
        "processor": model,
        "cores": str(len(os.sched_getaffinity(0))),
        "isa": str(springg.cpu_features()["isa"]),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "springg": springg.__version__,
    }


def report(name: str, result: dict[str, Any], path: pathlib.Path | None = None) -> None:
    """Print one result as JSON, with the machine; write it as well when a path is given."""
    document = {"benchmark": name, "machine": machine(), **result}
    text = json.dumps(document, indent=1)
    print(text, flush=True)
    if path is not None:
        path.write_text(text + "\n")


def resident_bytes() -> int:
    """Resident memory of this process now."""
    fields = pathlib.Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
