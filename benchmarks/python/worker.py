# SPDX-License-Identifier: MIT
"""One process for each index of a comparison, told over a pipe what to do, one at a time.

Why processes, where the other benchmarks here run both sides in one: a dozen libraries bring four
OpenMP runtimes, several BLAS and thread pools of their own, which change each other's thread counts
and spin on each other's cores when they share a process; memory can be told apart only by process;
and a library that refuses the processor (SIGILL) or crashes takes only itself along. The clock runs
inside the worker, around the library's own call, so that the pipe is in no figure. While one works
the others wait in a read.

One-thread lanes confine all threads of the process to one core, whatever pools the library keeps,
and set OpenMP and BLAS to one thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import multiprocessing
import os
import pathlib
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from measure import resident_bytes, seconds
from peers import peer_class
from peers.base import Matrix, Metric, Peer, Setting, Shape
from rounds import Lane

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "LANCE_CPU_THREADS",
    "RAYON_NUM_THREADS",
    "TOKIO_WORKER_THREADS",
)
START_SECONDS = 120.0


class WorkerError(Exception):
    """A worker could not do what it was told; the text says why."""


@dataclasses.dataclass(frozen=True)
class Files:
    """Where a worker finds rows and queries, and what it needs to know of them."""

    base: pathlib.Path
    queries: pathlib.Path
    metric: Metric


class Worker:
    """A peer in a process of its own, as the harness sees it."""

    def __init__(self, place: str, files: Files, threads: int) -> None:
        """Start it and import the library there; `about` is what it says of itself."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, place, files, threads), daemon=True
        )
        with environment({name: str(threads) for name in THREAD_VARIABLES}):
            self._process.start()
        theirs.close()
        self.about: dict[str, Any] = self.ask("describe", timeout=START_SECONDS)

    def ask(self, what: str, *arguments: Any, timeout: float) -> Any:
        """Have it do one thing and wait for the answer; a late or failing worker is ended."""
        try:
            self._pipe.send((what, arguments))
            if not self._pipe.poll(max(0.0, timeout)):
                self.end()
                raise WorkerError(f"{what} took more than {timeout:.0f} s")
            good, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            code = self._process.exitcode
            how = signal.Signals(-code).name if code is not None and code < 0 else f"code {code}"
            self.end()
            raise WorkerError(f"its process ended in {what}: {how}") from error
        if not good:
            self.end()
            raise WorkerError(str(answer))
        return answer

    def close(self) -> None:
        """Give the index back and end the process."""
        with contextlib.suppress(WorkerError):
            self.ask("close", timeout=60)
        self.end()

    def end(self) -> None:
        """End the process, whatever it does."""
        self._pipe.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """These variables, for a process that is started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def serve(pipe: Connection, place: str, files: Files, threads: int) -> None:
    """A worker's life: what the process that `Worker` starts does."""
    os.dup2(2, 1)  # libraries print; standard output belongs to the result
    desk: Desk | None = None
    while True:
        try:
            what, arguments = pipe.recv()
        except EOFError:
            return
        try:
            desk = desk or Desk(place, files, threads)
            pipe.send((True, getattr(desk, what)(*arguments)))
        except Exception as error:  # noqa: BLE001 - any library may raise anything: it is reported
            if os.environ.get("COMPARE_TRACEBACKS"):
                traceback.print_exc()
            pipe.send((False, f"{type(error).__name__}: {error}"))
        if what == "close":
            return


class Desk:
    """What a worker can be told, by name."""

    def __init__(self, place: str, files: Files, threads: int) -> None:
        self.kind: type[Peer] = peer_class(place)
        self.files = files
        self.threads = threads
        self.cores = os.sched_getaffinity(0)
        self.base: Matrix | None = np.load(files.base)
        self.queries: Matrix = np.load(files.queries)
        self.single = [np.ascontiguousarray(query) for query in self.queries]
        self.peer: Peer | None = None
        self.resident_before = 0

    def describe(self) -> dict[str, Any]:
        """Version, metrics and the builds that are tried."""
        assert self.base is not None
        rows, dimensions = self.base.shape
        shape = Shape(rows, dimensions, self.files.metric)
        return {
            "name": self.kind.name,
            "version": self.kind.version(),
            "metrics": sorted(self.kind.metrics),
            "configurations": self.kind.configurations(shape),
        }

    def build(self, configuration: dict[str, Any]) -> dict[str, float]:
        """Build; seconds, and by how much the resident memory grew, then and at its peak.

        Growth counts from the process with library, rows and queries loaded, as pages that the
        allocator kept free are given back before both readings. Pages of mapped files count as
        they are touched.
        """
        assert self.base is not None
        base = self.base
        self.peer = self.kind(configuration)
        trim()
        self.resident_before = resident_bytes()
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        peer = self.peer
        took = seconds(lambda: peer.build(base, self.files.metric, self.threads))
        return {
            "build_seconds": took,
            "memory_bytes": self.memory(),
            "peak_memory_bytes": max(0, peak_resident_bytes() - self.resident_before),
        }

    def memory(self) -> int:
        """Growth of resident memory since before the build, as it is now."""
        trim()
        return resident_bytes() - self.resident_before

    def size(self) -> int | None:
        """Bytes of the index's files; None when it cannot be saved."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            if not self._built().save(path):
                return None
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

    def forget(self) -> None:
        """Free the rows; the index has its own."""
        self.base = None
        trim()

    def ladders(self, k: int) -> dict[str, list[Setting]]:
        """The peer's named ladders of settings."""
        return {name: list(steps) for name, steps in self._built().settings(k).items()}

    def answer(self, setting: Setting, lane: Lane, k: int) -> Any:
        """Row numbers for every query, (nq, k), -1 where there are fewer; None without the call."""
        peer = self._built()
        peer.set(setting, lane.threads)
        with confined(lane.threads, self.cores):
            if not lane.batch:
                return row_numbers([peer.search_one(query, k) for query in self.single], k)
            found = peer.search_batch(self.queries, k, lane.threads)
            return None if found is None else row_numbers(found, k)

    def time(self, setting: Setting, lane: Lane, k: int, count: int, passes: int) -> float:
        """Seconds of the first `count` queries, `passes` times over."""
        peer = self._built()
        peer.set(setting, lane.threads)
        single, many = self.single[:count], self.queries[:count]
        with confined(lane.threads, self.cores):
            begin = time.perf_counter()
            for _ in range(passes):
                if lane.batch:
                    peer.search_batch(many, k, lane.threads)
                else:
                    for query in single:
                        peer.search_one(query, k)
            return time.perf_counter() - begin

    def close(self) -> None:
        """Give back what the index holds."""
        if self.peer is not None:
            self.peer.close()

    def _built(self) -> Peer:
        assert self.peer is not None, "build first"
        return self.peer


@contextlib.contextmanager
def confined(threads: int, cores: set[int]) -> Iterator[None]:
    """All threads of this process on as many cores, OpenMP and BLAS with as many threads."""
    import threadpoolctl

    with threadpoolctl.threadpool_limits(threads):
        place_threads(set(sorted(cores)[:threads]))
        try:
            yield
        finally:
            place_threads(cores)


def place_threads(cores: set[int]) -> None:
    """Let every thread of this process run on these cores alone."""
    for task in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it may just have ended
            os.sched_setaffinity(int(task.name), cores)


def row_numbers(found: Any, k: int) -> np.ndarray:
    """What a peer handed out as (nq, k) numbers, -1 where there are fewer than k."""
    result = np.full((len(found), k), -1, np.int64)
    for i, mine in enumerate(found):
        numbers = np.asarray(mine).astype(np.int64)[:k]
        result[i, : len(numbers)] = numbers
    return result


def trim() -> None:
    """Give free memory back to the system, so that what is resident is what is held."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def peak_resident_bytes() -> int:
    """The most resident memory since the peak was last reset."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")
