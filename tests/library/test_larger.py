# SPDX-License-Identifier: MIT
"""An index of three times the memory limit: it takes rows, answers, and the process stays small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from test_recall import clustered

import springg
from springg.evaluation import exact_neighbors

LIMIT = 16 * 10**6
DIMENSIONS = 384
ROWS = 31_250  # 48 MB
ROWS_OF_CALL = 1_000
QUERIES = 200

READER = """
import json, pathlib, sys
import numpy as np, springg
folder, queries, limit = sys.argv[1], np.load(sys.argv[2]), int(sys.argv[3])

def resident():
    wanted = ("RssAnon:", "RssFile:")
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(wanted))

with springg.open(":memory:") as small:
    index = small.create_index("w", queries.shape[1])
    index.add(np.arange(len(queries)), queries)
    index.search(queries[0])
start = resident()
database = springg.open(folder, memory_limit=limit)
index = database["words"]
for _ in range(5):
    for query in queries:
        index.search(query)
searched = resident() - start
index.search(queries[:20], exact=True)
for key in range(0, 31_000, 31):
    index.get(key)
read = resident() - start
print(json.dumps([searched, read, database.memory_usage()["counted"]]))
"""


@pytest.fixture(scope="module")
def rows():
    parts = [clustered(ROWS // 10, DIMENSIONS, 500, seed) for seed in range(10)]
    return np.concatenate([*parts, clustered(QUERIES, DIMENSIONS, 500, 10)])


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("larger")
    with springg.open(path, memory_limit=LIMIT, durability="buffered") as db:
        index = db.create_index("words", DIMENSIONS)
        for at in range(0, ROWS, ROWS_OF_CALL):
            end = min(at + ROWS_OF_CALL, ROWS)
            index.add(np.arange(at, end), rows[at:end])
            assert db.memory_usage()["counted"] <= LIMIT
    return path


def test_it_answers_and_stays_whole(folder, rows):
    assert springg.check(folder).ok
    queries = rows[ROWS:]
    _, expected = exact_neighbors(rows[:ROWS], queries, 10)
    with springg.open(folder, memory_limit=LIMIT) as db:
        index = db["words"]
        assert len(index) == ROWS
        assert db.memory_usage()["counted"] <= LIMIT
        assert db.memory_usage()["mapped"] == 3 * LIMIT
        for _ in range(2):
            found = index.search(queries, 10)
            near = found.distances <= expected[:, -1:] + 1e-6
            assert near.mean() >= 0.95
            index.optimize()
        with pytest.raises(springg.ResourceExhausted, match="memory limit exceeded"):
            index.add(np.arange(ROWS, 2 * ROWS), rows[:ROWS])
        assert len(index) == ROWS


@pytest.mark.skipif(
    "asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer takes memory of its own"
)
def test_the_process_stays_small(folder, rows, tmp_path):
    np.save(tmp_path / "queries.npy", rows[ROWS:])
    command = [sys.executable, "-c", READER, str(folder), str(tmp_path / "queries.npy"), str(LIMIT)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    searched, read, counted = json.loads(out)
    raw = rows[:ROWS].nbytes
    assert counted <= LIMIT
    assert searched <= 0.35 * raw
    assert read <= 0.4 * raw


def test_rows_that_go_while_they_are_flushed_leave_a_whole_database(tmp_path):
    """A flush names the file of rows all of which were replaced meanwhile: it must not go."""
    path = tmp_path / "data"
    rows = np.random.default_rng(1).standard_normal((5, 16), dtype=np.float32)
    done = threading.Event()
    with springg.open(path, memory_limit="1GiB") as db:
        index = db.create_index("a", 16)
        index.add(range(5), rows)

        def replace():
            while not done.is_set():
                index.upsert(range(5), rows)

        writer = threading.Thread(target=replace)
        writer.start()
        try:
            for _ in range(40):
                db.flush()
                with springg.open(path, read_only=True) as reader:
                    assert len(reader["a"]) == 5
        finally:
            done.set()
            writer.join()
    assert springg.check(path).ok


MANY = """
import resource, sys
import springg
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
with springg.open(sys.argv[1], memory_limit=10**8) as database:
    for name in database.indexes():
        assert database[name].search([1.0, 2.0], 1).ids[0] == 7
"""


def test_more_segments_than_the_process_may_have_descriptors(tmp_path):
    with springg.open(tmp_path / "db", durability="buffered") as db:
        for number in range(80):
            db.create_index(f"index-{number}", 2).add([7], [[1.0, 2.0]])
        db.flush()
    command = [sys.executable, "-c", MANY, str(tmp_path / "db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
