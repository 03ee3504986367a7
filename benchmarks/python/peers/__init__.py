# SPDX-License-Identifier: MIT
"""The libraries that `compare.py` measures, one file each; imported in their own process alone."""

from __future__ import annotations

import importlib
from typing import Any

from peers.base import Peer

# springg's own contenders, and what each adds to the settings of its builds: one more line here is
# one more contender.
OURS: dict[str, dict[str, Any]] = {
    "springg": {"quantization": "none"},
    "springg-int8": {"quantization": "int8"},
    "springg-int4": {"quantization": "int4"},
}

PEERS = dict.fromkeys(OURS, "peers.springg:Springg") | {
    "hnswlib": "peers.hnswlib:Hnswlib",
    "faiss_hnsw": "peers.faiss_hnsw:FaissHnsw",
    "faiss_fastscan": "peers.faiss_fastscan:FaissFastScan",
    "usearch": "peers.usearch:Usearch",
    "vsag": "peers.vsag:Vsag",
    "ngt": "peers.ngt:Ngt",
    "voyager": "peers.voyager:Voyager",
    "svs": "peers.svs:Svs",
    "rabitq": "peers.rabitq:Rabitq",
    "scann": "peers.scann:Scann",
    "zvec": "peers.zvec:Zvec",
    "lancedb": "peers.lancedb:Lancedb",
}


def peer_class(place: str) -> type[Peer]:
    """The class at "module:Class"; imports the library, so that this may raise or end the process.

    Only a worker calls it: a library that refuses the processor then takes its own process along.
    """
    module, _, name = place.partition(":")
    found: type[Peer] = getattr(importlib.import_module(module), name)
    return found
