# SPDX-License-Identifier: MIT
"""springg against every vector library that pip installs, at equal recall, in one interleaved run.

First every peer is tuned with the same effort: up to three builds and three query-time options
each (`peers/base.py`), and for each recall target and lane the least setting that reaches it. The
first build of all peers comes before the second of any, so that a budget cuts all alike. Then the
peers' best indexes, each in a process of its own (`worker.py` says why), take turns: `--pairs`
rounds, in another order each, one at a time. Lanes are never mixed: one query a call on one thread;
all queries in one call on one thread; the same on `--threads` threads. One-thread lanes have one
core. Recall is computed from exact distances, and for each lane's own answers.

A ratio is springg's queries/s over the peer's in the same round: median, least and greatest.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys
import tempfile
import time
from typing import Any

import numpy as np
from judged_set import JudgedSet, load
from measure import report, spread
from peers import PEERS
from peers.base import BUILDS
from rounds import Lane, lanes, ratios, spaced, turns, work_of_a_turn
from tuning import LEAST_SECONDS, MOST_SECONDS, Choice, Tuned, Tuner
from worker import Files, Worker, WorkerError

OURS = "springg"
TUNING_SHARE = 0.7  # of the budget
REST_SECONDS = 0.02  # between turns, for threads that spin a while after their work
CURVE_POINTS = 12
CURVE_ROUNDS = 3
TURN_SECONDS = 120.0  # a turn that takes longer has hung

Cell = tuple[float, str]  # target and lane


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Contender:
    """A peer in this run: what it is, what was tried, and the indexes that are kept."""

    name: str
    place: str
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    configurations: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    builds: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: dict[Cell, Choice] = dataclasses.field(default_factory=dict)
    workers: dict[int, Worker] = dataclasses.field(default_factory=dict)  # by build
    skipped: str | None = None
    without: set[str] = dataclasses.field(default_factory=set)
    most_recall: dict[str, float] = dataclasses.field(default_factory=dict)

    def take(self, build: int, worker: Worker, tuned: Tuned) -> None:
        """Keep what is the best so far, and only the indexes that are the best of some cell."""
        self.without |= set(tuned.without)
        for lane, recall in tuned.most_recall.items():
            self.most_recall[lane] = max(recall, self.most_recall.get(lane, 0.0))
        for cell, choice in tuned.choices.items():
            if cell not in self.best or choice.per_second > self.best[cell].per_second:
                self.best[cell] = choice
        self.workers[build] = worker
        needed = {choice.build for choice in self.best.values()}
        for other in set(self.workers) - needed:
            self.workers.pop(other).close()


class Comparison:
    """One run on one set."""

    def __init__(self, judge: JudgedSet, files: Files, arguments: argparse.Namespace) -> None:
        self.judge = judge
        self.files = files
        self.threads: int = arguments.threads
        self.targets: list[float] = arguments.targets
        self.lanes: list[Lane] = lanes(arguments.threads)
        self.pairs: int = arguments.pairs
        self.begin = time.monotonic()
        self.end = self.begin + arguments.seconds
        self.tuning_end = self.begin + TUNING_SHARE * arguments.seconds
        self.quantization: str | None = arguments.quantization
        self.contenders = [Contender(name, PEERS.get(name, name)) for name in arguments.peers]
        self.left_out: list[str] = []

    # --- tuning ---------------------------------------------------------------------------------

    def tune(self, builds: int) -> None:
        """Build and tune every peer, the first configuration of all before the second of any."""
        for build in range(builds):
            for contender in self.contenders:
                if contender.skipped is not None:
                    continue
                if build and build >= len(contender.configurations):
                    continue
                if time.monotonic() > self.tuning_end:
                    self._leave_out(f"{contender.name}: build {build}: tuning time is spent")
                    if not build:
                        contender.skipped = "the time for tuning was spent"
                    continue
                self._tune_one(contender, build)

    def _leave_out(self, text: str) -> None:
        self.left_out.append(text)
        say(f"left out: {text}")

    def _start(self, contender: Contender) -> Worker | None:
        try:
            worker = Worker(contender.place, self.files, self.threads)
        except WorkerError as error:
            if not contender.about:
                contender.skipped = str(error)
            self._leave_out(f"{contender.name}: {error}")
            return None
        if not contender.about:
            contender.about = worker.about
            contender.configurations = worker.about["configurations"][:BUILDS]
            if contender.name == OURS and self.quantization is not None:
                for configuration in contender.configurations:
                    configuration["quantization"] = self.quantization
        if self.files.metric not in worker.about["metrics"]:
            contender.skipped = f"has no metric {self.files.metric}"
            self._leave_out(f"{contender.name} {contender.skipped}")
            worker.close()
            return None
        return worker

    def _tune_one(self, contender: Contender, build: int) -> None:
        worker = self._start(contender)
        if worker is None:
            return
        configuration = contender.configurations[build]
        record: dict[str, Any] = {"settings": configuration}
        contender.builds.append(record)
        tuner = Tuner(worker, self.judge, build, self.tuning_end)
        say(f"{contender.name}: building {configuration}")
        try:
            record |= tuner.ask("build", configuration)
            say(f"{contender.name}: built in {record['build_seconds']:.1f} s")
            tuned = tuner.tune(self.lanes, self.targets)
            record["memory_bytes_after_searches"] = worker.ask("memory", timeout=TURN_SECONDS)
            record["file_bytes"] = worker.ask("size", timeout=TURN_SECONDS)
            worker.ask("forget", timeout=TURN_SECONDS)
        except WorkerError as error:
            record["failed"] = str(error)
            worker.end()
            self._leave_out(f"{contender.name} {configuration}: {error}")
            return
        record["reached"] = [
            {"target": target, "lane": lane, **dataclasses.asdict(choice)}
            for (target, lane), choice in tuned.choices.items()
        ]
        if tuned.cut:
            self._leave_out(f"{contender.name} {configuration}: tuned in part: time is spent")
        for (target, lane), choice in tuned.choices.items():
            say(
                f"{contender.name}: {lane} {target}: {choice.ladder} {choice.setting}: "
                f"recall {choice.recall:.4f}, {choice.per_second:,.0f} queries/s"
            )
        contender.take(build, worker, tuned)

    # --- turns ----------------------------------------------------------------------------------

    def time(self) -> dict[Cell, dict[str, list[float]]]:
        """Queries/s of every round, by cell and peer; rounds that the budget cuts are left out."""
        taken: dict[Cell, dict[str, list[float]]] = {
            (target, lane.name): {} for target in self.targets for lane in self.lanes
        }
        for turn in range(self.pairs):
            if time.monotonic() > self.end:
                self._leave_out(f"rounds {turn + 1} to {self.pairs}: the time is spent")
                break
            say(f"round {turn + 1} of {self.pairs}")
            for lane in self.lanes:
                for target in self.targets:
                    cell = target, lane.name
                    mine = [c for c in self.contenders if cell in c.best]
                    for contender in turns(mine, turn):
                        choice = contender.best.get(cell)  # none if it failed this very round
                        if choice is None:
                            continue
                        speed = self._turn(contender, choice, lane, choice.per_second)
                        if speed is not None:
                            taken[cell].setdefault(contender.name, []).append(speed)
        return taken

    def _turn(
        self, contender: Contender, choice: Choice, lane: Lane, expected: float
    ) -> float | None:
        """Queries/s of one turn; None, and the peer's index is out, when it failed."""
        time.sleep(REST_SECONDS)
        count, passes = work_of_a_turn(
            len(self.judge.queries), expected, LEAST_SECONDS, MOST_SECONDS
        )
        arguments = choice.setting, lane, self.judge.k, count, passes
        try:
            took = contender.workers[choice.build].ask("time", *arguments, timeout=TURN_SECONDS)
        except WorkerError as error:
            self._leave_out(f"{contender.name}, {lane.name}: {error}")
            contender.workers.pop(choice.build)
            contender.best = {
                cell: kept for cell, kept in contender.best.items() if kept.build != choice.build
            }
            return None
        return float(count * passes / took)

    def curves(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Recall and queries/s at up to twelve settings, by lane and peer; peers take turns.

        Along the ladder that was the best for the highest target, a little beyond its setting.
        """
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for lane in self.lanes:
            points = self._points(lane)
            samples: dict[tuple[str, int], list[float]] = {}
            for turn in range(CURVE_ROUNDS):
                if time.monotonic() > self.end:
                    self._leave_out(f"curve of {lane.name}, from round {turn + 1} on")
                    break
                say(f"curve of {lane.name}, round {turn + 1} of {CURVE_ROUNDS}")
                for contender, number, choice in turns(points, turn):
                    if choice.build not in contender.workers:
                        continue
                    speed = self._turn(contender, choice, lane, choice.per_second)
                    if speed is not None:
                        samples.setdefault((contender.name, number), []).append(speed)
            found[lane.name] = {}
            for contender, number, choice in points:
                if (speeds := samples.get((contender.name, number))) is None:
                    continue
                found[lane.name].setdefault(contender.name, []).append(
                    {
                        "setting": choice.setting,
                        "recall": choice.recall,
                        "queries_per_second": spread(speeds),
                    }
                )
        return found

    def _points(self, lane: Lane) -> list[tuple[Contender, int, Choice]]:
        points = []
        for contender in self.contenders:
            cells = [(t, lane.name) for t in self.targets if (t, lane.name) in contender.best]
            if not cells or time.monotonic() > self.end:
                continue
            top = contender.best[max(cells)]
            tuner = Tuner(contender.workers[top.build], self.judge, top.build, self.end)
            try:
                steps = tuner.ask("ladders", self.judge.k)[top.ladder]
                last = min(len(steps) - 1, top.rung + max(4, top.rung // 4))
                for number, rung in enumerate(spaced(0, last, CURVE_POINTS)):
                    rows = tuner.ask("answer", steps[rung], lane, self.judge.k)
                    recall, speed = self.judge.recall(rows), tuner.quick(steps[rung], lane)
                    choice = Choice(top.build, top.ladder, rung, steps[rung], recall, speed)
                    points.append((contender, number, choice))
            except WorkerError as error:
                self._leave_out(f"curve of {contender.name}, {lane.name}: {error}")
        return points

    # --- the result -----------------------------------------------------------------------------

    def result(self, taken: dict[Cell, dict[str, list[float]]]) -> dict[str, Any]:
        """What was measured, as it goes into the JSON."""
        cells = []
        for (target, lane), speeds in taken.items():
            against = ratios(speeds.get(OURS, []), speeds)
            rows = {}
            for contender in self.contenders:
                if contender.skipped is None:
                    rows[contender.name] = cell_of(contender, (target, lane), speeds, against)
            cells.append({"target": target, "lane": lane, "peers": rows})
        return {
            "set": {
                "name": self.judge.name,
                "rows": len(self.judge.base),
                "dimensions": self.judge.base.shape[1],
                "queries": len(self.judge.queries),
                "metric": self.judge.metric,
                "exact": self.judge.exact,
            },
            "k": self.judge.k,
            "threads": self.threads,
            "pairs": self.pairs,
            "peers": {c.name: peer_of(c) for c in self.contenders},
            "cells": cells,
            "left_out": self.left_out,
            "seconds": time.monotonic() - self.begin,
        }

    def close(self) -> None:
        """End every worker."""
        for contender in self.contenders:
            for worker in contender.workers.values():
                worker.close()


def peer_of(contender: Contender) -> dict[str, Any]:
    """A peer's version and builds, or why it was skipped."""
    if contender.skipped is not None:
        return {"skipped": contender.skipped, "version": contender.about.get("version")}
    return {"version": contender.about["version"], "builds": contender.builds}


def cell_of(
    contender: Contender,
    cell: Cell,
    speeds: dict[str, list[float]],
    against: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """A peer's figures for one target in one lane, or why there are none."""
    if cell[1] in contender.without:
        return {"without": "no batch call"}
    if cell[1] not in contender.most_recall:
        return {"failed": "no build was tuned: see its builds"}
    choice = contender.best.get(cell)
    if choice is None or contender.name not in speeds:
        return {"not_timed": "recall not reached, or failed in the rounds: see left_out"} | {
            "most_recall": contender.most_recall[cell[1]]
        }
    row: dict[str, Any] = {
        "build": contender.configurations[choice.build],
        "option": choice.ladder,
        "setting": choice.setting,
        "recall": choice.recall,
        "rounds": len(speeds[contender.name]),
        "queries_per_second": spread(speeds[contender.name]),
    }
    if contender.name in against and contender.name != OURS:
        row["springg_over_this"] = against[contender.name]
    return row


def numbers(text: str) -> list[float]:
    """Recall targets from "0.95,0.99"."""
    values = sorted(float(part) for part in text.split(","))
    if not all(0 < value <= 1 for value in values):
        raise argparse.ArgumentTypeError("targets lie between 0 and 1")
    return values


def names(text: str) -> list[str]:
    """Peers from "springg,hnswlib"; springg comes first even when it is not named."""
    asked = [name for name in text.split(",") if name and name != OURS]
    for name in asked:
        if name not in PEERS and ":" not in name:
            raise argparse.ArgumentTypeError(f"no peer {name!r}: there are {', '.join(PEERS)}")
    return [OURS, *asked]


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--dataset", type=pathlib.Path, required=True, help="folder, or HDF5 of ann-benchmarks"
    )
    parser.add_argument("--peers", type=names, default=list(PEERS), help=", ".join(PEERS))
    parser.add_argument("--metric", choices=("cosine", "dot", "l2"), help="default: the set's own")
    parser.add_argument("--targets", type=numbers, default=[0.95, 0.99])
    parser.add_argument("--pairs", type=int, default=9, help="rounds")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rows", type=int, help="the first rows alone; neighbors are found anew")
    parser.add_argument("--queries", type=int, help="the first queries alone")
    parser.add_argument("--threads", type=int, default=2, help="of builds and of the last lane")
    parser.add_argument("--builds", type=int, default=BUILDS, help="of each peer, at most")
    parser.add_argument("--quantization", help="of springg's builds; default: the package's")
    parser.add_argument("--seconds", type=float, default=3600, help="budget of the whole run")
    parser.add_argument("--curve", action="store_true", help="several settings, for plot.py")
    parser.add_argument("--output", type=pathlib.Path)
    arguments = parser.parse_args(words)
    if arguments.threads < 1 or arguments.pairs < 1:
        parser.error("--threads and --pairs are at least 1")
    return arguments


def main() -> None:
    """Run and report."""
    arguments = parsed()
    judge = load(
        arguments.dataset, arguments.k, arguments.metric, arguments.rows, arguments.queries
    )
    say(f"{judge.name}: {judge.base.shape}, {len(judge.queries)} queries, {judge.metric}")
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        base, queries = pathlib.Path(folder) / "base.npy", pathlib.Path(folder) / "queries.npy"
        np.save(base, judge.base)
        np.save(queries, judge.queries)
        comparison = Comparison(judge, Files(base, queries, judge.metric), arguments)
        try:
            comparison.tune(arguments.builds)
            taken = comparison.time()
            curves = comparison.curves() if arguments.curve else None
            result = comparison.result(taken)
            if curves is not None:
                result["curves"] = curves
        finally:
            comparison.close()
    report("compare", result, arguments.output)


if __name__ == "__main__":
    main()
