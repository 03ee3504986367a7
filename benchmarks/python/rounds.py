# SPDX-License-Identifier: MIT
"""The arithmetic of a comparison: the least setting for a recall, turns, ratios."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from measure import spread

Name = TypeVar("Name")


@dataclasses.dataclass(frozen=True)
class Lane:
    """One way to ask, which is never mixed with another."""

    name: str
    threads: int
    batch: bool


def lanes(threads: int) -> list[Lane]:
    """One query a call on one thread; all queries in a call on one thread and on several."""
    found = [Lane("single", 1, False), Lane("batch on 1 thread", 1, True)]
    if threads > 1:
        found.append(Lane(f"batch on {threads} threads", threads, True))
    return found


def least_rung(
    recall_at: Callable[[int], float], rungs: int, target: float, guess: int | None = None
) -> int | None:
    """The least rung of a ladder whose recall reaches the target; None when the last does not.

    Doubles the rung until the target is reached, then halves the range, as if recall only grew
    along the ladder. A guess that is right costs two recalls.
    """
    low, high = -1, 0
    if guess is not None:
        if recall_at(guess) < target:
            low, high = guess, min(rungs - 1, guess + 1)
        elif guess and recall_at(guess - 1) >= target:
            high = guess - 1
        else:
            return guess
    while recall_at(high) < target:
        if high == rungs - 1:
            return None
        low, high = high, min(rungs - 1, 2 * high + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if recall_at(middle) < target:
            low = middle
        else:
            high = middle
    return high


def turns(names: Sequence[Name], turn: int) -> list[Name]:
    """All names in the order of this round: there and back, then the same from the next name on.

    So nobody always runs in the wake of the same one.
    """
    if not names:
        return []
    first = turn // 2 % len(names)
    order = [*names[first:], *names[:first]]
    return order[::-1] if turn % 2 else order


def work_of_a_turn(queries: int, per_second: float, least: float, most: float) -> tuple[int, int]:
    """Queries of one pass and passes of one turn, so that a turn takes `least`..`most` seconds.

    A fast peer repeats its pass; a slow one answers the first queries alone, at least 20.
    """
    count = max(min(queries, 20), min(queries, int(most * per_second)))
    return count, max(1, math.ceil(least * per_second / count))


def ratios(
    ours: Sequence[float], theirs: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, float]]:
    """For each peer: our queries/s over its own, round by round, as median, least and greatest."""
    return {
        name: spread([a / b for a, b in zip(ours, taken, strict=False)])
        for name, taken in theirs.items()
        if taken and ours
    }


def spaced(low: int, high: int, points: int) -> list[int]:
    """Up to `points` different rungs from low to high, closer together at the low end."""
    if high <= low:
        return [low]
    steps = (((high - low + 1) ** (i / (points - 1))) - 1 for i in range(points))
    return sorted({min(high, low + round(step)) for step in steps})
