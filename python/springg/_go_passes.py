# SPDX-License-Identifier: MIT
"""Where the writes of a Go Springg's log end and their echoes begin.

Its replay reads the log from the start, and each write that it takes is appended to the log being
read. So a log of writes ``L`` that a start has met is ``L`` and then its own lines once more, from
the first on, without end; wherever the program was stopped, the next start begins again with the
first. To apply that as it stands is wrong: a pass that was cut brings back what the writes after
the cut deleted or replaced.

Writes are compared by keys that leave out what rounding changes. A client may have sent the same
writes twice as well. What tells the two apart is that an echo is normalised once more, which
changes most vectors in their last bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

# Says of pairs of writes, one the echo of the other if it is one: True when rounding shows that it
# is, False when it shows that it is not, None when it does not tell.
Evidence = Callable[[Iterable[tuple[int, int]]], bool | None]

# An echo that ends within its first pass must have this many lines to be told from a repetition.
PARTIAL_MIN = 2


@dataclasses.dataclass(frozen=True)
class Echoes:
    """The first writes of a log, and whether rounding proves that the others are echoes."""

    writes: int
    proven: bool


def find_echoes(
    keys: Sequence[int], took: Sequence[bool], last_update: int, evidence: Evidence
) -> Echoes | None:
    """Return how many writes come before their echoes, or None when there are none.

    Parameters
    ----------
    keys : sequence of int
        The writes; equal ones differ by rounding alone.
    took : sequence of bool
        Whether Go's replay takes the write, and so appends it.
    last_update : int
        Place of the last write that is no echo for certain; -1 for none.
    evidence : callable
        See `Evidence`.
    """
    total = len(keys)
    source = [place for place in range(total) if took[place]]
    if not source or keys[source[0]] not in keys[max(last_update, source[0]) + 1 :]:
        return None
    # matched[i]: how many writes from i on are those from the first on, as the replay takes them.
    matched = prefix_matches([keys[place] for place in source], keys)
    taken_before = [0] * (total + 1)
    for place in range(total):
        taken_before[place + 1] = taken_before[place] + took[place]
    starts = [n for n in range(max(1, last_update + 1), total) if matched[n]]
    whole = [n for n in starts if matched[n] >= taken_before[n] > 0]
    endless = echoes_to_the_end(matched)
    # One run to the end first; then runs that were stopped and began again.
    for n in (*(n for n in whole if n + matched[n] == total), *(n for n in whole if endless[n])):
        told = evidence((source[j], n + j) for j in range(matched[n]))
        if told is not False:
            return Echoes(n, told is True)
    for n in starts:
        cut = n + matched[n] == total and total - n >= PARTIAL_MIN
        if cut and evidence((source[j], n + j) for j in range(matched[n])):
            return Echoes(n, proven=True)
    return None


def prefix_matches(pattern: Sequence[int], text: Sequence[int]) -> list[int]:
    """Return for each place of a text how long the pattern's beginning stands there."""
    joined = [*pattern, -1, *text]  # keys are not negative
    length = [0] * len(joined)
    left = right = 0
    for place in range(1, len(joined)):
        known = min(right - place, length[place - left]) if place < right else 0
        while place + known < len(joined) and joined[known] == joined[place + known]:
            known += 1
        length[place] = known
        if place + known > right:
            left, right = place, place + known
    return length[len(pattern) + 1 :]


def echoes_to_the_end(matched: Sequence[int]) -> list[bool]:
    """Say for each place whether from there on all is beginnings of the log, one after another."""
    total = len(matched)
    good = [False] * total
    nearest = total  # the next place from which it is so
    for place in range(total - 1, -1, -1):
        good[place] = matched[place] > 0 and nearest <= place + matched[place]
        if good[place]:
            nearest = place
    return good
