# SPDX-License-Identifier: MIT
"""springg against every vector library that pip installs, at equal recall, in one interleaved run.

First every peer is tuned with the same effort: up to three builds and three query-time options
each (`peers/base.py`), and for each recall target and lane the least setting that reaches it. The
first build of all peers comes before the second of any, so that a budget cuts all alike. Then the
peers' best indexes, each in a process of its own (`worker.py` says why), take turns: `--pairs`
rounds, in another order each, one at a time. Lanes are never mixed: one query a call on one thread;
all queries in one call on one thread; the same on `--threads` threads. One-thread lanes have one
core. Recall is computed from exact distances, and for each lane's own answers.

springg takes part in several settings, each a contender of its own (`OURS` in
`peers/__init__.py`). A ratio is the queries/s of the fastest of these over the peer's in the same
round: median, least and greatest.

Hours become minutes in two ways. `--short` tries one build of each peer and draws curves of six
points. `--tuned RESULT.json` tries again only the builds and options that an earlier run's cells
use, so that the sweep is made once, and the rounds as often as wanted.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import pathlib
import shlex
import sys
import tempfile
import time
from typing import Any

import numpy as np
from contender import Cell, Contender, Tried, cell_of, tried_of
from judged_set import JudgedSet, load
from measure import report, spread
from peers import OURS, PEERS
from peers.base import BUILDS
from rounds import Lane, lanes, spaced, turns, work_of_a_turn
from tuning import LEAST_SECONDS, MOST_SECONDS, Choice, Tuner
from worker import Files, Worker, WorkerError

TUNING_SHARE = 0.7  # of the budget
REST_SECONDS = 0.02  # between turns, for threads that spin a while after their work
TURN_SECONDS = 120.0  # a turn that takes longer has hung
CURVE_RECALL = 0.8  # where a curve begins
SIZE_SECONDS = 1200.0  # springg builds once more, to have files
SHORT = {"builds": 1, "curve_points": 6, "curve_rounds": 1}


def say(text: str) -> None:
    """Progress, on standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


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
        self.curve_points: int = arguments.curve_points
        self.curve_rounds: int = arguments.curve_rounds
        self.contenders = [
            Contender(name, PEERS.get(name, name), arguments.tuned.get(name))
            for name in arguments.peers
        ]
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
            contender.meet(worker.about)
        if self.files.metric not in worker.about["metrics"]:
            contender.skipped = f"has no metric {self.files.metric}"
        if contender.skipped is not None:
            self._leave_out(f"{contender.name}: {contender.skipped}")
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
        options = None if contender.earlier is None else contender.earlier.options
        begin = time.monotonic()
        say(f"{contender.name}: building {configuration}")
        try:
            record |= tuner.ask("build", configuration)
            say(f"{contender.name}: built in {record['build_seconds']:.1f} s")
            tuned = tuner.tune(self.lanes, self.targets, options)
            record["memory_bytes_after_searches"] = worker.ask("memory", timeout=TURN_SECONDS)
            record["file_bytes"] = worker.ask("size", timeout=SIZE_SECONDS)
            worker.ask("forget", timeout=TURN_SECONDS)
        except WorkerError as error:
            record["failed"] = str(error)
            worker.end()
            self._leave_out(f"{contender.name} {configuration}: {error}")
            return
        record["seconds"] = time.monotonic() - begin  # of the run that this build took
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
            contender.lose(choice.build)
            return None
        return float(count * passes / took)

    def curves(self) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Recall and queries/s at several settings, by lane and peer; peers take turns.

        Along the ladder that was the best for the highest target, from a recall of .8 on and a
        little beyond the setting for that target.
        """
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for lane in self.lanes:
            points = self._points(lane)
            samples: dict[tuple[str, int], list[float]] = {}
            for turn in range(self.curve_rounds):
                if time.monotonic() > self.end:
                    self._leave_out(f"curve of {lane.name}, from round {turn + 1} on")
                    break
                say(f"curve of {lane.name}, round {turn + 1} of {self.curve_rounds}")
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
                first = tuner.least(lane, top.ladder, steps, CURVE_RECALL) or 0
                for number, rung in enumerate(spaced(first, last, self.curve_points)):
                    recall, speed = tuner.answered(lane, top.ladder, rung, steps[rung])
                    choice = Choice(top.build, top.ladder, rung, steps[rung], recall, speed)
                    points.append((contender, number, choice))
            except WorkerError as error:
                self._leave_out(f"curve of {contender.name}, {lane.name}: {error}")
        return points

    # --- the result -----------------------------------------------------------------------------

    def result(self, taken: dict[Cell, dict[str, list[float]]]) -> dict[str, Any]:
        """What was measured, as it goes into the JSON."""
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
            "ours": list(OURS),
            "peers": {c.name: c.result() for c in self.contenders},
            "cells": [cell_of(self.contenders, cell, taken[cell]) for cell in taken],
            "left_out": self.left_out,
            "seconds": time.monotonic() - self.begin,
        }

    def close(self) -> None:
        """End every worker."""
        for contender in self.contenders:
            for worker in contender.workers.values():
                worker.close()


def numbers(text: str) -> list[float]:
    """Recall targets from "0.95,0.99"."""
    values = sorted(float(part) for part in text.split(","))
    if not all(0 < value <= 1 for value in values):
        raise argparse.ArgumentTypeError("targets lie between 0 and 1")
    return values


def names(text: str) -> list[str]:
    """Peers from "hnswlib,ngt"; all of springg's own come first when none of them is named."""
    asked = [name for name in text.split(",") if name]
    for name in asked:
        if name not in PEERS and ":" not in name:
            raise argparse.ArgumentTypeError(f"no peer {name!r}: there are {', '.join(PEERS)}")
    return asked if set(asked) & set(OURS) else [*OURS, *asked]


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", type=pathlib.Path, required=True, help="folder, or HDF5 of ann-benchmarks")
    add("--peers", type=names, default=list(PEERS), help=", ".join(PEERS))
    add("--metric", choices=("cosine", "dot", "l2"), help="default: the set's own")
    add("--targets", type=numbers, default=[0.95, 0.99])
    add("--pairs", type=int, default=9, help="rounds")
    add("--k", type=int, default=10)
    add("--rows", type=int, help="the first rows alone; neighbors are found anew")
    add("--queries", type=int, help="the first queries alone")
    add("--threads", type=int, default=2, help="of builds and of the last lane")
    add("--builds", type=int, default=BUILDS, help="of each peer, at most")
    add("--tuned", type=earlier, default={}, help="JSON of an earlier run: what it found best")
    add("--seconds", type=float, default=3600, help="budget of the whole run")
    add("--curve", action="store_true", help="several settings, for plot.py")
    add("--curve-points", type=int, default=12, help="settings of each peer")
    add("--curve-rounds", type=int, default=3)
    add("--short", action="store_true", help=", ".join(f"{a} {b}" for a, b in SHORT.items()))
    add("--output", type=pathlib.Path)
    if parser.parse_known_args(words)[0].short:
        parser.set_defaults(**SHORT)
    arguments = parser.parse_args(words)
    for name in ("threads", "pairs", "k", "builds", "curve_rounds"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1")
    if arguments.curve_points < 2:
        parser.error("--curve-points is at least 2")
    return arguments


def earlier(text: str) -> dict[str, Tried]:
    """What an earlier run's cells use, from its JSON."""
    try:
        return tried_of(json.loads(pathlib.Path(text).read_text()))
    except (OSError, ValueError, KeyError) as error:
        raise argparse.ArgumentTypeError(f"{text} is no result of compare.py: {error}") from error


def main() -> None:
    """Run and report."""
    arguments = parsed()
    when = datetime.datetime.now(datetime.UTC)
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
    about = {"when": f"{when:%Y-%m-%d %H:%M} UTC", "arguments": shlex.join(sys.argv[1:])}
    report("compare", about | result, arguments.output)


if __name__ == "__main__":
    main()
