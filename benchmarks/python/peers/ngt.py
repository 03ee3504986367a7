# SPDX-License-Identifier: MIT
"""NGT: ANNG and ONNG. The wheel cannot build QG: it can only open one made by another program."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import ngtpy
import numpy as np
import numpy.typing as npt

from peers.base import Matrix, Metric, Peer, Rows, Setting, Shape


class Ngt(Peer):
    """A graph in a folder, held in memory; the knob is `epsilon`, how much further to look."""

    name = "ngt"
    distribution = "ngt"
    metrics = frozenset({"cosine", "dot", "l2"})

    @classmethod
    def configurations(cls, shape: Shape) -> list[dict[str, Any]]:
        """ONNG as its authors advise, one with fewer edges, and the ANNG that it is made from."""
        del shape
        return [
            {"edges": 100, "outgoing": 10, "incoming": 120},
            {"edges": 50, "outgoing": 10, "incoming": 60},
            {"edges": 40, "outgoing": 0, "incoming": 0},
        ]

    def build(self, base: Matrix, metric: Metric, threads: int) -> None:
        """Insert all rows, save, optimise the edges where that is asked for, open again."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ngt-"))
        path = str(self.folder / "anng")
        ngtpy.create(
            path,
            base.shape[1],
            edge_size_for_creation=self.options["edges"],
            distance_type="Inner Product" if metric == "dot" else "L2",
        )
        index = ngtpy.Index(path, log_disabled=True)
        index.batch_insert(base, num_threads=threads)
        index.save()
        index.close()
        if self.options["outgoing"]:
            optimizer = ngtpy.Optimizer(
                num_of_outgoings=self.options["outgoing"],
                num_of_incomings=self.options["incoming"],
                log_disabled=True,
            )
            # The other modes time searches for minutes, to choose a prefetch and what searches by
            # expected accuracy read: there are none here.
            optimizer.set_processing_modes(
                search_parameter_optimization=False,
                prefetch_parameter_optimization=False,
                accuracy_table_generation=False,
            )
            optimizer.execute(path, str(self.folder / "onng"))
            shutil.rmtree(path)
            path = str(self.folder / "onng")
        self.index: Any = ngtpy.Index(path, read_only=True, log_disabled=True)

    def settings(self, k: int) -> Mapping[str, Sequence[Setting]]:
        """`epsilon` from a narrow search to a very wide one."""
        del k
        return {"epsilon": [round(-0.1 + 0.005 * step, 3) for step in range(140)]}

    def set(self, setting: Setting, threads: int) -> None:
        """`epsilon`."""
        del threads
        self.index.set(epsilon=setting)

    def search_one(self, query: npt.NDArray[np.float32], k: int) -> Rows:
        """`search`, without the distances."""
        return self.index.search(query, k, with_distance=False)

    def search_batch(self, queries: Matrix, k: int, threads: int) -> Rows | None:
        """`batch_search`; its OpenMP threads are those of the process."""
        del threads
        results = ngtpy.BatchResults()
        self.index.batch_search(queries, results, k, with_distance=False)
        return results.get_ids()

    def save(self, folder: pathlib.Path) -> bool:
        """A copy of the folder that the index was opened from."""
        shutil.copytree(self.folder, folder / "index")
        return True

    def close(self) -> None:
        """Close it and remove its folder."""
        self.index.close()
        shutil.rmtree(self.folder, ignore_errors=True)
