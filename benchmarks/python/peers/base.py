# SPDX-License-Identifier: MIT
"""What every peer offers to `compare.py`, so that all of them are measured by the same code.

What a peer's file may decide is how its library is used best: which builds are tried, which
query-time options, and how a setting is applied. It measures nothing itself.
"""

from __future__ import annotations

import abc
import dataclasses
import importlib.metadata
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Metric: TypeAlias = Literal["cosine", "dot", "l2"]
Matrix: TypeAlias = npt.NDArray[np.float32]

# Row numbers as the library itself hands them out: an array, a list, or text for a library whose
# ids are text. They are made into an array outside of the clock.
Rows: TypeAlias = Any

# One step of a peer's query-time knob; it goes into the JSON as it is.
Setting: TypeAlias = int | float | tuple[int | float, ...]

BUILDS = 3  # how many builds each peer may try: the same effort for all
LADDERS = 3  # and how many query-time options of each build
MOST = 4096  # the widest search that is asked for


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a peer may know of a set before it chooses its builds."""

    rows: int
    dimensions: int
    metric: Metric


class Peer(abc.ABC):
    """One library, as one index that is built once and then only searched.

    Sets of metric "cosine" come as rows and queries of unit length for every peer, so that each may
    use whichever of its spaces gives the order of cosines fastest.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]  # the name of its package, for the version
    metrics: ClassVar[frozenset[Metric]]

    def __init__(self, build: Mapping[str, Any]) -> None:
        self.options = dict(build)

    @classmethod
    def version(cls) -> str:
        """The version that is installed."""
        return importlib.metadata.version(cls.distribution)

    @classmethod
    @abc.abstractmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """Up to `BUILDS` sets of build settings that are swept, the most promising first."""

    @abc.abstractmethod
    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Index the rows; the harness takes the time. `base` may be freed afterwards."""

    @abc.abstractmethod
    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """Up to `LADDERS` named ladders of settings; recall grows along each of them."""

    @abc.abstractmethod
    def set(self, setting: Setting, threads: int) -> None:
        """Apply a setting, and the threads of the lane that comes, outside of the clock."""

    @abc.abstractmethod
    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """The rows nearest to one query, on the caller's thread where the library allows."""

    @abc.abstractmethod
    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """The rows nearest to each of many queries; None when there is no such call."""

    def save(self, folder: pathlib.Path) -> bool:
        """Write the index into an empty folder, for its size; False when that is not offered."""
        del folder
        return False

    def close(self) -> None:  # noqa: B027 - most peers have nothing to give back
        """Give back what the index holds outside of this process."""


def ladder(low: int, high: int = MOST) -> list[int]:
    """Whole numbers from low to high, each at most a 64th above the one before (or one more)."""
    steps = [low]
    while steps[-1] < high:
        steps.append(min(high, steps[-1] + max(1, steps[-1] // 64)))
    return steps


def geometric(low: int, high: int, ratio: float) -> list[int]:
    """Whole numbers from low to high, each about `ratio` times the one before."""
    steps = [low]
    while steps[-1] < high:
        steps.append(min(high, max(steps[-1] + 1, round(steps[-1] * ratio))))
    return steps
