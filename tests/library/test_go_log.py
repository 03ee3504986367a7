# SPDX-License-Identifier: MIT
"""The Go Springg's log after starts that replayed it into itself."""

import itertools
import json
import random

import numpy as np
import pytest

from springg import _go_log
from springg._go_log import Log
from springg._go_passes import echoes_to_the_end, find_echoes, prefix_matches
from springg._go_vectors import normalised

WIDTH = 8


def encode(op, identifier, vector=None, metadata=None):
    entry = {"op": op, "id": identifier}
    if vector is not None:
        entry["vector"] = [float(str(x)) for x in vector]
    if metadata is not None:
        entry["metadata"] = metadata
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def unit(vector):
    return normalised(np.asarray(vector, np.float32)[None])[0]


def replay(log, stored, limit):
    """What a start of the Go program appends to the log it reads, until it has `limit` bytes."""
    live = set(stored)
    at = 0
    while at < len(log):
        end = log.find(b"\n", at)
        end = len(log) if end < 0 else end + 1
        try:
            entry = json.loads(log[at:end])
        except ValueError:
            entry = {"op": None}
        at = end
        if entry["op"] == "delete" and entry["id"] in live:
            live.discard(entry["id"])
            echo = encode("delete", entry["id"])
        elif entry["op"] in ("add", "update"):
            live.add(entry["id"])
            vector = unit(entry["vector"])
            echo = encode("add", entry["id"], vector, entry.get("metadata"))
        else:
            continue
        log += echo[: limit - len(log)]
        if len(log) == limit:
            return


def read(tmp_path, log, stored=()):
    path = tmp_path / "x.wal"
    path.write_bytes(bytes(log))
    found = Log(str(path), WIDTH, stored, skip=False)
    found.read()
    return found


def state_of(found, stored):
    state = dict.fromkeys(stored)
    for write in found.writes:
        if write.row < 0:
            state.pop(write.identifier, None)
        else:
            vector = found.vectors([write.row])[0]
            state[write.identifier] = (vector.tobytes(), write.metadata)
    return state


class Node:
    """A Go node that writes at random, each vector once."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.ids = [f"id {i}" for i in range(self.random.randint(1, 5))]
        stored = self.random.sample(self.ids, self.random.randint(0, len(self.ids)))
        self.state = dict.fromkeys(stored)
        self.stored = set(stored)
        self.log = bytearray()

    def write(self):
        identifier = self.random.choice(self.ids)
        kind = self.random.choice(["add", "add", "update", "delete"])
        if kind != "add" and identifier not in self.state:
            kind = "add"
        if kind == "delete":
            self.log += encode("delete", identifier)
            del self.state[identifier]
            return
        vector = self.rng.standard_normal(WIDTH).astype(np.float32)
        vector = unit(vector) if kind == "add" else vector
        metadata = self.random.choice([None, {}, {"published_date": "x"}])
        self.log += encode(kind, identifier, vector, metadata)
        self.state[identifier] = (vector.tobytes(), metadata)


@pytest.mark.parametrize("starts", [0, 1, 2, 3])
@pytest.mark.parametrize("seeds", [range(20), range(20, 40)], ids=["a", "b"])
def test_writes_are_found_among_their_echoes(tmp_path, starts, seeds):
    for seed in seeds:
        node = Node(seed * 4 + starts)
        for _ in range(node.random.randint(1, 12)):
            node.write()
        if b'"vector"' not in node.log:
            continue  # the replay of deletes alone comes to its end
        if node.random.random() < 0.2:
            node.log += b'{"op":"add","id":"cu'
        size = len(node.log)
        for _ in range(starts):
            more = node.random.randint(int(1.3 * size) + 200, 6 * size + 200)
            replay(node.log, node.stored, len(node.log) + more)
        found = read(tmp_path, node.log, node.stored)
        assert state_of(found, node.stored) == node.state, f"seed {seed}"


def three_writes(rng):
    first, second = (unit(v) for v in rng.standard_normal((2, WIDTH)))
    return [encode("add", "a", first), encode("add", "b", second), encode("delete", "a")]


def test_what_a_client_sent_twice_is_no_echo(tmp_path, rng):
    writes = three_writes(rng)
    again = [*writes, *writes, writes[0]]
    assert len(read(tmp_path, b"".join(again)).writes) == 7
    log = bytearray(b"".join(writes))
    replay(log, (), 2 * len(log) + 150)  # and the same as an echo
    assert len(read(tmp_path, log).writes) == 3


def test_a_first_pass_that_was_cut_shows_by_its_rounding(tmp_path, rng):
    for _ in range(20):
        writes = three_writes(rng)
        log = bytearray(b"".join(writes))
        echo = bytearray(log)
        replay(echo, (), 2 * len(log) - 20)
        first = json.loads(echo[len(log) :].split(b"\n")[0])
        drifted = first["vector"] != json.loads(writes[0])["vector"]
        if drifted:
            break
    assert drifted
    assert len(read(tmp_path, echo).writes) == 3
    repeated = b"".join([*writes, *writes[:2]])
    assert len(read(tmp_path, repeated).writes) == 5


def test_an_update_ends_the_search_for_echoes(tmp_path, rng):
    writes = three_writes(rng)
    sent = encode("update", "b", rng.standard_normal(WIDTH).astype(np.float32))
    log = [*writes, *writes, *writes, sent]
    assert len(read(tmp_path, b"".join(log)).writes) == 10


def lines_stored(monkeypatch):
    stored = []
    store = Log._store

    def counting(self, write):
        stored.append(write.line)
        store(self, write)

    monkeypatch.setattr(Log, "_store", counting)
    return stored


def test_a_log_that_ran_on_is_not_read_to_its_end(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(_go_log, "FIRST_LOOK", 64)
    stored = lines_stored(monkeypatch)
    log = bytearray(b"".join(three_writes(rng)))
    replay(log, (), 100 * len(log) + 77)
    assert len(read(tmp_path, log).writes) == 3
    assert max(stored) <= 128


@pytest.mark.parametrize("ends_with", ["echoes", "another write"])
def test_echoes_that_rounding_does_not_show_are_read_to_the_end(tmp_path, monkeypatch, ends_with):
    monkeypatch.setattr(_go_log, "FIRST_LOOK", 64)
    stored = lines_stored(monkeypatch)
    axes = np.eye(WIDTH, dtype=np.float32)
    log = bytearray(encode("add", "a", axes[0]) + encode("add", "b", axes[1]))
    log += encode("delete", "a")
    replay(log, (), 100 * len(log))
    if ends_with == "echoes":
        assert len(read(tmp_path, log).writes) == 3
        assert len(stored) == 64
    else:
        log += encode("add", "c", axes[2])
        found = read(tmp_path, log)
        assert len(found.writes) == 301
        assert state_of(found, ()).keys() == {"b", "c"}


def test_the_client_s_cut_is_told_and_those_among_echoes_are_not(tmp_path, rng):
    writes = three_writes(rng)
    log = bytearray(b"".join(writes) + b'{"op":"add","id":"cu')
    replay(log, (), 4 * len(log))
    found = read(tmp_path, log)
    assert [write.line for write in found.writes] == [1, 2, 3]
    assert [row.line for row in found._bad.notes] == [4, log.count(b"\n") + 1]
    told = _go_log.BadRows("x", skip=False)
    found.report(told)
    assert [row.line for row in told.notes] == [4]


def test_matches_of_the_beginning():
    text = [1, 2, 1, 2, 3, 1, 2, 1, 1]
    wanted = [
        max(n for n in range(len(text) - i + 1) if text[i : i + n] == text[:n])
        for i in range(len(text))
    ]
    assert prefix_matches(text, text) == wanted
    for length in range(1, 8):
        for pattern in itertools.product([0, 1], repeat=length):
            found = prefix_matches(pattern, pattern)
            assert found[0] == length
            for i in range(length):
                n = found[i]
                assert pattern[i : i + n] == pattern[:n]
                assert i + n == length or pattern[i + n] != pattern[n]


def test_beginnings_one_after_another():
    assert echoes_to_the_end([4, 0, 2, 0]) == [True, False, True, False]
    assert echoes_to_the_end([3, 2, 0]) == [True, True, False]
    assert echoes_to_the_end([1, 0, 1]) == [False, False, True]


def test_no_echoes_without_a_write_that_the_replay_takes():
    assert find_echoes([], [], -1, lambda pairs: True) is None
    assert find_echoes([1, 1], [False, False], -1, lambda pairs: True) is None
    assert find_echoes([1, 2, 3], [True] * 3, -1, lambda pairs: True) is None
