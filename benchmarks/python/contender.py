# SPDX-License-Identifier: MIT
"""What a comparison knows of each peer: what it tries, what it keeps, what goes into the result."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from measure import spread
from peers import OURS
from peers.base import BUILDS
from rounds import ratios
from tuning import Choice, Tuned
from worker import Worker

Cell = tuple[float, str]  # target and lane


@dataclasses.dataclass(frozen=True)
class Tried:
    """What of a peer is tried again, as an earlier run found it best."""

    builds: list[dict[str, Any]]
    options: list[str]  # ladders


@dataclasses.dataclass
class Contender:
    """A peer in this run: what it is, what was tried, and the indexes that are kept."""

    name: str
    place: str
    earlier: Tried | None = None
    about: dict[str, Any] = dataclasses.field(default_factory=dict)
    configurations: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    builds: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    best: dict[Cell, Choice] = dataclasses.field(default_factory=dict)
    workers: dict[int, Worker] = dataclasses.field(default_factory=dict)  # by build
    skipped: str | None = None
    without: set[str] = dataclasses.field(default_factory=set)
    most_recall: dict[str, float] = dataclasses.field(default_factory=dict)

    def meet(self, about: dict[str, Any]) -> None:
        """Take down what the peer says of itself, and which builds are tried."""
        self.about = about
        mine = OURS.get(self.name, {})
        offered = [configuration | mine for configuration in about["configurations"][:BUILDS]]
        if self.earlier is not None:
            offered = [one for one in offered if one in self.earlier.builds]
        self.configurations = offered
        if not offered:
            self.skipped = "none of its builds is one that the earlier run found best"

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

    def lose(self, build: int) -> None:
        """Forget an index whose worker has ended."""
        self.workers.pop(build)
        self.best = {cell: kept for cell, kept in self.best.items() if kept.build != build}

    def result(self) -> dict[str, Any]:
        """Its version and builds, or why it was skipped."""
        if self.skipped is not None:
            return {"skipped": self.skipped, "version": self.about.get("version")}
        return {"version": self.about["version"], "builds": self.builds}

    def row(self, cell: Cell, speeds: list[float] | None) -> dict[str, Any]:
        """Its figures for one target in one lane, or why there are none."""
        if cell[1] in self.without:
            return {"without": "no batch call"}
        if cell[1] not in self.most_recall:
            return {"failed": "no build was tuned: see its builds"}
        choice = self.best.get(cell)
        if choice is None or speeds is None:
            return {
                "not_timed": "recall not reached, or failed in the rounds: see left_out",
                "most_recall": self.most_recall[cell[1]],
            }
        return {
            "build": self.configurations[choice.build],
            "option": choice.ladder,
            "setting": choice.setting,
            "recall": choice.recall,
            "rounds": len(speeds),
            "queries_per_second": spread(speeds),
        }


def cell_of(
    contenders: list[Contender], cell: Cell, speeds: Mapping[str, list[float]]
) -> dict[str, Any]:
    """One target in one lane: every peer's row, with the ratio of the fastest of springg's to it.

    Which of springg's own that is, is chosen by the median, as each peer's best build is.
    """
    rows = {c.name: c.row(cell, speeds.get(c.name)) for c in contenders if c.skipped is None}
    timed = {name: row for name, row in rows.items() if "queries_per_second" in row}
    ours = max(
        (name for name in timed if name in OURS),
        key=lambda name: float(timed[name]["queries_per_second"]["median"]),
        default=None,
    )
    against = ratios(speeds[ours], speeds) if ours is not None else {}
    for name, row in timed.items():
        if name in against and name not in OURS:
            row["springg_over_this"] = against[name]
    return {"target": cell[0], "lane": cell[1], "ours": ours, "peers": rows}


def tried_of(result: Mapping[str, Any]) -> dict[str, Tried]:
    """What an earlier result's cells use, by peer; what is not in a cell is left to the sweep."""
    found: dict[str, Tried] = {}
    for cell in result["cells"]:
        for name, row in cell["peers"].items():
            if "build" not in row:
                continue
            tried = found.setdefault(name, Tried([], []))
            if row["build"] not in tried.builds:
                tried.builds.append(row["build"])
            if row["option"] not in tried.options:
                tried.options.append(row["option"])
    return found


def key_of(build: Mapping[str, Any]) -> str:
    """A build's settings as text that is equal when they are."""
    return json.dumps(build, sort_keys=True)
