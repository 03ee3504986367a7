# SPDX-License-Identifier: MIT
"""Random calls against a dict and numpy in float64, for each metric and dtype.

The model is an ordered dict: id -> (vector, metadata) in insertion order. After every step the
index must equal it, failed calls included. Hypothesis prints the steps that fail and the
`@reproduce_failure` line that replays them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import springg
from springg.evaluation import exact_neighbors

DIMENSIONS = 6
IDS = st.one_of(
    st.integers(0, 12),
    st.sampled_from([2**63, 2**64 - 1]),
    st.integers(0, 12).map(str),
    st.sampled_from(["é𝄞", "a" * 512]),
    st.integers(0, 3).map(lambda i: uuid.UUID(int=i)),
)
# Few different values: zero vectors, equal rows and equal distances come up often.
VECTORS = st.lists(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -7.25, 1e-3, 60000.0]),
    min_size=DIMENSIONS,
    max_size=DIMENSIONS,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
METADATA = st.none() | st.dictionaries(st.text(max_size=4), JSON, max_size=3)
ROWS = st.lists(st.tuples(IDS, VECTORS, METADATA), min_size=1, max_size=12)
BAD_VALUES = st.sampled_from([float("nan"), float("inf"), 1e39])


def exact(value):
    """Equal only for values of equal type and digits: 1, 1.0 and True differ."""
    return json.dumps(value, sort_keys=True)


class IndexMachine(RuleBasedStateMachine):
    metric = "cosine"
    dtype = "float32"

    @initialize(on_disk=st.booleans())
    def open(self, on_disk):
        self.folder = tempfile.mkdtemp() if on_disk else None
        self.db = springg.open(self.folder or ":memory:", threads=1)
        self.index = self.db.create_index(
            "a", DIMENSIONS, metric=self.metric, dtype=self.dtype, m=4, ef_construction=16
        )
        self.model = {}

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()
            if self.folder:
                shutil.rmtree(self.folder)

    def sent(self, vectors, kind=np.float64):
        """Rows that the dtype takes."""
        rows = np.array(vectors, kind)
        if self.dtype.startswith("float"):
            return rows
        info = np.iinfo(self.dtype)
        return np.clip(np.rint(rows), info.min, info.max)

    def stored(self, vector):
        return self.sent(vector).astype(self.dtype).astype(np.float32)

    @rule(rows=ROWS, columns=st.booleans())
    def add(self, rows, columns):
        ids, vectors, metadata = zip(*rows, strict=True)
        if columns:
            metadata = {"m": list(metadata)}
        repeated = len({self.key(i) for i in ids}) < len(ids)
        known = any(self.has(i) for i in ids)
        if repeated or known:
            with pytest.raises(springg.AlreadyExists):
                self.index.add(list(ids), self.sent(vectors), metadata)
            return
        assert self.index.add(list(ids), self.sent(vectors), metadata) == len(ids)
        for i, (id_, vector, row) in enumerate(rows):
            self.model[self.key(id_)] = (self.stored(vector), {"m": row} if columns else row)
            assert i < len(ids)

    @rule(rows=ROWS, with_metadata=st.booleans())
    def upsert(self, rows, with_metadata):
        ids, vectors, metadata = zip(*rows, strict=True)
        count = self.index.upsert(
            list(ids), self.sent(vectors, np.float32), list(metadata) if with_metadata else None
        )
        last = {}
        for id_, vector, row in rows:
            last.pop(self.key(id_), None)
            last[self.key(id_)] = (self.stored(vector), row if with_metadata else None)
        for key, row in last.items():
            self.model.pop(key, None)
            self.model[key] = row
        assert count == len(last)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), vectors=st.booleans(), metadata=st.booleans(), unknown=st.booleans())
    def update(self, data, vectors, metadata, unknown):
        keys = data.draw(st.lists(st.sampled_from(list(self.model)), min_size=1, unique=True))
        ids = [key[1] for key in keys] + (["no such id"] if unknown else [])
        new = [data.draw(VECTORS) for _ in ids]
        rows = [data.draw(METADATA) for _ in ids]
        arguments = {}
        if vectors:
            arguments["vectors"] = self.sent(new)
        if metadata:
            arguments["metadata"] = rows
        if unknown:
            with pytest.raises(springg.NotFound):
                self.index.update(ids, **arguments)
            return
        self.index.update(ids, **arguments)
        for key, vector, row in zip(keys, new, rows, strict=True):
            old_vector, old_row = self.model[key]
            kept = row if metadata and row is not None else old_row
            if vectors:
                del self.model[key]
                self.model[key] = (self.stored(vector), kept)
            else:
                self.model[key] = (old_vector, kept)

    @rule(ids=st.lists(IDS, max_size=8))
    def delete(self, ids):
        keys = {self.key(i) for i in ids}
        assert self.index.delete(ids) == len(keys & set(self.model))
        for key in keys:
            self.model.pop(key, None)

    @rule(rows=ROWS, bad=BAD_VALUES, data=st.data(), call=st.sampled_from(["add", "upsert"]))
    def a_failed_call_leaves_nothing(self, rows, bad, data, call):
        ids, vectors, _ = zip(*rows, strict=True)
        array = self.sent(vectors)
        # Not a row that a later one of its id replaces: test_bad_input has that one.
        last = {self.key(id_): row for row, id_ in enumerate(ids)}
        array[data.draw(st.sampled_from(list(last.values()))), 0] = bad
        with pytest.raises(springg.SpringgError):
            getattr(self.index, call)(list(ids), array)
        with pytest.raises(springg.InvalidArgument):
            getattr(self.index, call)(
                list(ids), self.sent(vectors), [{"x": float("nan")}] * len(ids)
            )

    @rule()
    def clear(self):
        self.index.clear()
        self.model = {}

    @rule()
    def flush(self):
        self.db.flush()

    @rule()
    def optimize(self):
        self.index.optimize()
        assert self.index.stats()["segments"] <= 1

    @precondition(lambda self: self.folder)
    @rule()
    def reopen(self):
        self.db.close()
        self.db = springg.open(self.folder, threads=1)
        self.index = self.db["a"]

    @rule(query=VECTORS, k=st.integers(1, 20), data=st.data())
    def search(self, query, k, data):
        keys = list(self.model)
        chosen = [data.draw(st.booleans()) for _ in keys] if data.draw(st.booleans()) else None
        allowed = None
        if chosen is not None:
            allowed = np.array(chosen, bool)
            if data.draw(st.booleans()):
                allowed = [key[1] for key, wanted in zip(keys, chosen, strict=True) if wanted]
            keys = [key for key, wanted in zip(keys, chosen, strict=True) if wanted]
        hits = self.index.search(
            query, k, exact=True, filter=allowed, include=("metadata", "vector")
        )
        assert len(hits) == min(k, len(keys))
        assert len(set(map(self.key, hits.ids))) == len(hits)
        assert {self.key(i) for i in hits.ids} <= set(keys)
        for hit in hits:
            vector, row = self.model[self.key(hit.id)]
            assert np.array_equal(hit.vector, vector)
            assert exact(hit.metadata) == exact(row)
        if keys:
            base = np.array([self.model[key][0] for key in keys], np.float64)
            _, distances = exact_neighbors(base, np.float32(query), k, self.metric)
            scale = max(1.0, float(np.abs(base).max())) * max(1.0, max(map(abs, query)))
            absolute = 1e-6 if self.metric == "cosine" else 1e-5 * scale
            assert np.allclose(hits.distances, distances[0], rtol=1e-5, atol=absolute)
        if chosen is None:
            near = self.index.search(query, k, ef=64)
            assert {self.key(i) for i in near.ids} <= set(keys)

    @invariant()
    def equals_the_model(self):
        if not hasattr(self, "index"):
            return
        assert len(self.index) == len(self.model)
        assert [self.key(i) for i in self.index.ids] == list(self.model)
        if not self.model:
            return
        expected = np.array([vector for vector, _ in self.model.values()])
        assert np.array_equal(self.index.vectors.astype(np.float32), expected)
        records = self.index.get(self.index.ids)
        assert [exact(r.metadata) for r in records] == [
            exact(row) for _, row in self.model.values()
        ]

    @staticmethod
    def key(id_):
        return (type(id_), id_)

    def has(self, id_):
        return self.key(id_) in self.model


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint8"])
@pytest.mark.parametrize("metric", ["cosine", "dot", "l2", "manhattan"])
def test_random_calls(metric, dtype):
    machine = type("Machine", (IndexMachine,), {"metric": metric, "dtype": dtype})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
