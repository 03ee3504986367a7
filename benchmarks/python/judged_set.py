# SPDX-License-Identifier: MIT
"""A set with its judge: rows, queries, and how far each query's k-th nearest row truly is.

Reads folders of the layout that docs/testing.md describes and HDF5 files of ann-benchmarks. Recall
is computed here from rows and queries alone, never from a distance that a peer reports.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
from measure import BASE_FILES, unit
from peers.base import Matrix, Metric

RowNumbers = npt.NDArray[np.int64]

# ann-benchmarks' names, and those of VIBE, which keeps its form of file; those that are not here
# (hamming, jaccard) are for other kinds of rows.
HDF5_METRICS: dict[str, Metric] = {
    "angular": "cosine",
    "cosine": "cosine",
    "euclidean": "l2",
    "dot": "dot",
    "ip": "dot",
}
SLACK = 1e-3
BLOCK = 1 << 24  # distances that are held at once
SPARE = 32  # candidates beyond k whose distances are computed again, without the product's rounding
CHECKED = 20  # queries on which stored neighbors are compared with a scan


@dataclasses.dataclass(frozen=True)
class JudgedSet:
    """Rows and queries as every peer gets them: of unit length when the metric is cosine."""

    name: str
    metric: Metric
    base: Matrix  # (n, d)
    queries: Matrix  # (nq, d)
    bound: npt.NDArray[np.float32]  # (nq,) largest distance that counts as found
    k: int
    exact: str  # where the true distances come from

    def recall(self, found: RowNumbers) -> float:
        """Share of the k nearest that were found, over all queries.

        A row counts when its distance is at most the true k-th and 1e-3 (of 1 for cosine, else of
        the k-th distance), so that ties count whichever row was given. A row counts once however
        often it is given, and what is no row's number does not count: -1 for a missing one, or
        the garbage that one library gives for a search it refused.
        """
        near = distances(self.base, self.queries, found, self.metric) <= self.bound[:, None]
        hits = 0
        for row, good in zip(found, near, strict=True):
            hits += min(self.k, len(np.unique(row[good])))
        return hits / (self.k * len(self.queries))


def distances(
    base: Matrix, queries: Matrix, rows: RowNumbers, metric: Metric
) -> npt.NDArray[np.float32]:
    """Distances of each query to its own row numbers; infinite where a number is none of a row."""
    result = np.empty(rows.shape, np.float32)
    for i, mine in enumerate(rows):
        picked = base[np.clip(mine, 0, len(base) - 1)]
        if metric == "l2":
            result[i] = np.linalg.norm(picked - queries[i], axis=1)
        else:
            result[i] = (1 if metric == "cosine" else 0) - picked @ queries[i]
    result[(rows < 0) | (rows >= len(base))] = np.inf
    return result


def exact_rows(base: Matrix, queries: Matrix, metric: Metric, k: int) -> RowNumbers:
    """Row numbers of each query's k nearest rows, the nearest first, by a scan in blocks."""
    squares = np.einsum("ij,ij->i", base, base) / 2 if metric == "l2" else np.float32(0)
    wide = min(len(base), k + SPARE)
    result = np.empty((len(queries), k), np.int64)
    step = max(1, BLOCK // len(base))
    for begin in range(0, len(queries), step):
        block = queries[begin : begin + step]
        far = squares - block @ base.T  # in the order of the distances
        candidates = np.argpartition(far, wide - 1, axis=1)[:, :wide].astype(np.int64)
        order = np.argsort(distances(base, block, candidates, metric), axis=1, kind="stable")
        result[begin : begin + step] = np.take_along_axis(candidates, order[:, :k], axis=1)
    return result


def judged(
    name: str,
    base: Matrix,
    queries: Matrix,
    metric: Metric,
    k: int,
    stored: npt.NDArray[Any] | None = None,
) -> JudgedSet:
    """A set from its parts; stored neighbors are used when a scan of some queries confirms them."""
    if not 0 < k <= len(base):
        raise SystemExit(f"{name}: k is {k}, of {len(base)} rows")
    base, queries = (np.ascontiguousarray(x, np.float32) for x in (base, queries))
    if metric == "cosine":
        base, queries = unit(base), unit(queries)
    exact = "computed by a scan in numpy"
    kth: npt.NDArray[np.float32] | None = None
    if stored is not None and stored.shape[1] >= k:
        kth = distances(base, queries, stored[:, :k].astype(np.int64), metric).max(axis=1)
        some = queries[:CHECKED]
        truth = distances(base, some, exact_rows(base, some, metric, k), metric)[:, -1]
        if np.all(np.abs(kth[:CHECKED] - truth) <= slack(truth, metric)):
            exact = f"stored with the set, confirmed for {len(some)} queries"
        else:
            kth = None
            exact += " (what is stored belongs to another metric or other rows)"
    if kth is None:
        kth = distances(base, queries, exact_rows(base, queries, metric, k), metric)[:, -1]
    return JudgedSet(name, metric, base, queries, kth + slack(kth, metric), k, exact)


def slack(kth: npt.NDArray[np.float32], metric: Metric) -> npt.NDArray[np.float32]:
    """How much further than the k-th still counts."""
    scale = np.ones_like(kth) if metric == "cosine" else np.abs(kth)
    return np.asarray(SLACK * scale, np.float32)


def load(
    path: pathlib.Path,
    k: int,
    metric: Metric | None = None,
    rows: int | None = None,
    queries: int | None = None,
) -> JudgedSet:
    """The set at a path, cut to its first rows and queries when that is asked for."""
    name, base, asked, stored, own = (folder_parts if path.is_dir() else hdf5_parts)(path)
    if rows is not None and rows < len(base):
        base, stored = base[:rows], None
    asked = asked[:queries]
    stored = None if stored is None else stored[: len(asked)]
    return judged(name, base, asked, metric or own, k, stored)


Parts = tuple[str, npt.NDArray[Any], npt.NDArray[Any], "npt.NDArray[Any] | None", Metric]


def folder_parts(folder: pathlib.Path) -> Parts:
    """Name, rows, queries, stored neighbors, and "cosine": a folder does not say its metric."""
    base = next((path for path in map(folder.joinpath, BASE_FILES) if path.is_file()), None)
    if base is None:
        raise SystemExit(f"no data set at {folder}: expected one of {', '.join(BASE_FILES)}")
    stored = folder / "neighbors100.i32.npy"
    return (
        folder.resolve().name,
        np.load(base),
        np.load(folder / "queries.f32.npy"),
        np.load(stored) if stored.is_file() else None,
        "cosine",
    )


def hdf5_parts(path: pathlib.Path) -> Parts:
    """Name, rows, queries, neighbors and metric of a file of ann-benchmarks."""
    if not path.is_file():
        raise SystemExit(f"no data set at {path}")
    import h5py

    with h5py.File(path, "r") as file:
        missing = [name for name in ("train", "test") if name not in file]
        missing += [] if "distance" in file.attrs else ["the attribute distance"]
        if missing:
            raise SystemExit(f"{path} is no file of ann-benchmarks: no {', '.join(missing)}")
        distance = file.attrs["distance"]
        distance = distance.decode() if isinstance(distance, bytes) else str(distance)
        if distance not in HDF5_METRICS:
            raise SystemExit(f"{path}: distance {distance!r} is none of {', '.join(HDF5_METRICS)}")
        neighbors = np.asarray(file["neighbors"]) if "neighbors" in file else None
        parts = np.asarray(file["train"]), np.asarray(file["test"]), neighbors
    return path.stem, *parts, HDF5_METRICS[distance]
