# SPDX-License-Identifier: MIT
"""A peer for the tests of the peer benchmark: a scan that sees only the first rows."""

import numpy as np
from peers.base import Peer


class Partial(Peer):
    """Its knob is the share of the rows that it looks at, so that recall grows along it."""

    name = "partial"
    distribution = "numpy"
    metrics = frozenset({"cosine", "l2"})

    @classmethod
    def configurations(cls, shape):
        return [{"works": True}, {"works": False}]

    def build(self, base, metric, threads):
        if not self.options["works"]:
            raise ValueError("this build fails")
        self.base = base.copy()
        self.metric = metric

    def settings(self, k):
        return {"percent": list(range(k, 101)), "half the percent": list(range(k, 51))}

    def set(self, setting, threads):
        self.seen = self.base[: len(self.base) * setting // 100]

    def search_one(self, query, k):
        far = np.linalg.norm(self.seen - query, axis=1)
        return [str(row) for row in np.argsort(far, kind="stable")[:k]]

    def search_batch(self, queries, k, threads):
        return None


class Missing(Partial):
    """Cannot say its version, as a library that does not load."""

    name = "missing"

    @classmethod
    def version(cls):
        raise ImportError("no such library here")


class Crashing(Partial):
    """Takes its process along, as a library that the processor refuses."""

    name = "crashing"

    @classmethod
    def version(cls):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGILL)
        return ""
