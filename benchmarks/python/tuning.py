# SPDX-License-Identifier: MIT
"""For one built index: the least setting for each recall target in each lane, and its quick speed.

The quick speed only chooses among a peer's own builds and options; it is measured when nobody takes
turns with it, and is not what is compared.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import Any

from judged_set import JudgedSet
from peers.base import Setting
from rounds import Lane, least_rung, work_of_a_turn
from worker import Worker, WorkerError

LEAST_SECONDS = 0.1  # of a turn
MOST_SECONDS = 1.0
GRACE_SECONDS = 60.0  # what has begun by the deadline may take so much longer
QUICK_TURNS = 3
QUICK_SECONDS = 0.5  # of one of them, at most


@dataclasses.dataclass(frozen=True)
class Choice:
    """A setting of one index that reaches a target in a lane."""

    build: int  # which of the peer's configurations
    ladder: str
    rung: int
    setting: Setting
    recall: float
    per_second: float  # quick


@dataclasses.dataclass
class Tuned:
    """What was found on one index."""

    choices: dict[tuple[float, str], Choice]  # by target and lane
    most_recall: dict[str, float]  # by lane, over all that was tried
    without: list[str]  # lanes for which the peer has no call
    cut: bool = False  # the time ran out before all was tried


class OutOfTimeError(WorkerError):
    """The deadline has passed; the worker itself is well."""


def seconds_left(deadline: float) -> float:
    """Until a moment of `time.monotonic`; `OutOfTimeError` when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise OutOfTimeError("the time for tuning is spent")
    return left


class Tuner:
    """Finds the settings of one index; each setting is judged once."""

    def __init__(self, worker: Worker, judge: JudgedSet, build: int, deadline: float) -> None:
        self.worker = worker
        self.judge = judge
        self.build = build
        self.deadline = deadline
        self._answered: dict[tuple[str, bool, int], tuple[float, float]] = {}
        self._rungs: dict[tuple[str, float], int] = {}  # by ladder and target, of any lane

    def ask(self, what: str, *arguments: Any) -> Any:
        """The worker's answer, for which there is time until the deadline."""
        timeout = seconds_left(self.deadline) + GRACE_SECONDS
        return self.worker.ask(what, *arguments, timeout=timeout)

    def tune(
        self, lanes: list[Lane], targets: list[float], options: list[str] | None = None
    ) -> Tuned:
        """The fastest option (of `options` alone) for each target and lane, at its least setting.

        What the deadline cuts keeps what was found until then.
        """
        found = Tuned({}, {}, [])
        try:
            self._tune(lanes, targets, options, found)
        except OutOfTimeError:
            found.cut = True
        return found

    def _tune(
        self, lanes: list[Lane], targets: list[float], options: list[str] | None, found: Tuned
    ) -> None:
        ladders: dict[str, list[Setting]] = self.ask("ladders", self.judge.k)
        ladders = {n: steps for n, steps in ladders.items() if options is None or n in options}
        for lane in lanes:
            if lane.batch and self._without_call(next(iter(ladders.values()))[0], lane):
                found.without.append(lane.name)
                continue
            for ladder, steps in ladders.items():
                for target in targets:
                    choice = self._choice(lane, ladder, steps, target)
                    mine = [a for (_, batch, _), a in self._answered.items() if batch == lane.batch]
                    found.most_recall[lane.name] = max(recall for recall, _ in mine)
                    best = found.choices.get((target, lane.name))
                    if choice and (best is None or choice.per_second > best.per_second):
                        found.choices[target, lane.name] = choice

    def quick(self, setting: Setting, lane: Lane) -> float:
        """Queries/s: the median of three turns after a warm-up."""
        queries = len(self.judge.queries)
        warm = self.ask("time", setting, lane, self.judge.k, min(queries, 20), 1)
        taken = []
        per_second = min(queries, 20) / warm
        for _ in range(QUICK_TURNS):
            count, passes = work_of_a_turn(queries, per_second, LEAST_SECONDS, QUICK_SECONDS)
            took = self.ask("time", setting, lane, self.judge.k, count, passes)
            per_second = count * passes / took
            taken.append(per_second)
        return float(statistics.median(taken))

    def _without_call(self, setting: Setting, lane: Lane) -> bool:
        return self.ask("answer", setting, lane, self.judge.k) is None

    def answered(self, lane: Lane, ladder: str, rung: int, setting: Setting) -> tuple[float, float]:
        """Recall of a setting, and about how many queries/s it was answered at.

        How many threads answer a batch changes no answer, only which call it was.
        """
        key = ladder, lane.batch, rung
        if key not in self._answered:
            begin = time.monotonic()
            rows = self.ask("answer", setting, lane, self.judge.k)
            took = time.monotonic() - begin
            self._answered[key] = self.judge.recall(rows), len(self.judge.queries) / took
        return self._answered[key]

    def least(self, lane: Lane, ladder: str, steps: list[Setting], target: float) -> int | None:
        """The least rung whose recall reaches the target; None when none does."""
        # A batch is nearly always answered as its queries alone are.
        guess = self._rungs.get((ladder, target))
        rung = least_rung(
            lambda at: self.answered(lane, ladder, at, steps[at])[0], len(steps), target, guess
        )
        if rung is not None:
            self._rungs[ladder, target] = rung
        return rung

    def _choice(
        self, lane: Lane, ladder: str, steps: list[Setting], target: float
    ) -> Choice | None:
        rung = self.least(lane, ladder, steps, target)
        if rung is None:
            return None
        recall, _ = self.answered(lane, ladder, rung, steps[rung])
        speed = self.quick(steps[rung], lane)
        return Choice(self.build, ladder, rung, steps[rung], recall, speed)
