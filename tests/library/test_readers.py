# SPDX-License-Identifier: MIT
"""Read-only databases beside a writer in another process, and pickles of databases."""

from __future__ import annotations

import os
import pathlib
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

import springg

PACKAGES = str(pathlib.Path(springg.__file__).parents[1])


def start(code, *arguments):
    path = os.pathsep.join([PACKAGES, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


# Every call writes one number to all of its rows; flushes cut the log and remove files.
WRITER = """
    import sys, numpy as np, springg
    db = springg.open(sys.argv[1], durability="process", threads=1)
    index = db.create_index("a", 4, metric="l2")
    print("open", flush=True)
    ids = np.arange(50)
    for i in range(int(sys.argv[2])):
        index.upsert(ids, np.full((50, 4), i, np.float32), [{"i": i}] * 50)
        if i % 23 == 0:
            db.flush()
        if i % 61 == 0:
            db.create_index(f"other{i}", 2)
    print("done", flush=True)
    sys.stdin.readline()
"""

READER = """
    import sys, time, springg
    db = springg.open(sys.argv[1], read_only=True, threads=1)
    seen, last = 0, -1
    end = int(sys.argv[2]) - 1
    deadline = time.monotonic() + 50
    while last < end:
        assert time.monotonic() < deadline, last
        if sys.argv[3] == "refresh":
            db.refresh()
        records = db["a"].get(list(range(50)))
        there = [r for r in records if r is not None]
        assert len(there) in (0, 50), len(there)
        if not there:
            continue
        values = {float(x) for r in there for x in r.vector} | {r.metadata["i"] for r in there}
        assert len(values) == 1, values
        (value,) = values
        assert value >= last, (value, last)
        seen += value > last
        last = value
    hits = db["a"].search([last] * 4, 50, exact=True)
    assert len(hits) == 50 and max(hits.distances) == 0
    db.refresh()
    db.close()
    print(seen)
"""


def test_readers_never_see_a_part_of_a_call_and_see_the_last(tmp_path):
    rounds = 300
    writer = start(WRITER, tmp_path / "d", rounds)
    assert writer.stdout.readline() == "open\n", writer.stderr.read()
    readers = [start(READER, tmp_path / "d", rounds, how) for how in ("refresh", "wait", "wait")]
    for reader in readers:
        out, err = reader.communicate(timeout=120)
        assert reader.returncode == 0, err
        assert int(out) >= 1
    assert writer.stdout.readline() == "done\n"
    writer.communicate("\n", timeout=60)


def test_a_reader_follows_by_itself_within_100_ms_or_at_once(tmp_path):
    with springg.open(tmp_path / "d", threads=1) as db:
        index = db.create_index("a", 2)
        with springg.open(tmp_path / "d", read_only=True) as reader:
            shown = reader["a"]
            index.add("x", [1, 0])
            reader.refresh()
            assert shown.ids == ["x"]
            index.add("y", [0, 1])
            deadline = time.monotonic() + 20  # the machine may be busy; alone it is 100 ms
            while len(shown) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            assert shown.ids == ["x", "y"]
            assert reader.stats()["last_lsn"] == db.stats()["last_lsn"]
            assert reader.stats()["stale"] == 0
        with pytest.raises(springg.FailedPrecondition, match="closed"):
            shown.search([1, 0])


def test_a_reader_is_refused_every_change(tmp_path):
    with springg.open(tmp_path / "d") as db:
        db.create_index("a", 2).add(["x", "y"], np.eye(2))
    names = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "d").iterdir()}
    with springg.open(tmp_path / "d", read_only=True) as db:
        index = db["a"]
        for change in (
            lambda: index.add("z", [1, 1]),
            lambda: index.upsert("x", [1, 1]),
            lambda: index.update("x", metadata={"a": 1}),
            lambda: index.delete("x"),
            index.clear,
            index.optimize,
            lambda: db.create_index("b", 2),
            lambda: db.drop_index("a"),
            lambda: db.rename_index("a", "b"),
            db.flush,
        ):
            with pytest.raises(springg.FailedPrecondition, match="opened read-only"):
                change()
        assert index.search([1, 0], 1).ids == ["x"]
        assert index.ids == ["x", "y"]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "d").iterdir()}
    assert after == names


def test_nothing_is_made_of_a_path_that_has_no_database(tmp_path):
    with pytest.raises(springg.NotFound):
        springg.open(tmp_path / "none", read_only=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(springg.NotFound, match="no springg database at"):
        springg.open(tmp_path / "empty", read_only=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    with pytest.raises(springg.InvalidArgument):
        springg.open(":memory:", read_only=True)
    with pytest.raises(TypeError):
        springg.open(tmp_path / "empty", read_only=1)


def test_a_reader_outlives_a_writer_that_is_killed_and_follows_the_next(tmp_path):
    writer = start(WRITER, tmp_path / "d", 30)
    assert writer.stdout.readline() == "open\n", writer.stderr.read()
    with springg.open(tmp_path / "d", read_only=True) as reader:
        assert writer.stdout.readline() == "done\n"
        writer.kill()
        writer.communicate()
        reader.refresh()
        shown = reader["a"]
        assert {record.metadata["i"] for record in shown.get(list(range(50)))} == {29}
        # The lock went with the process.
        with springg.open(tmp_path / "d") as db:
            db["a"].delete(list(range(40)))
            db.flush()
            db["a"].add("new", [0, 0, 0, 0])
            reader.refresh()
            assert shown.ids == [*range(40, 50), "new"]


def test_a_readers_fork_is_refused(tmp_path):
    with springg.open(tmp_path / "d") as db:
        db.create_index("a", 2).add("x", [1, 0])
    code = """
        import os, sys, springg
        db = springg.open(sys.argv[1], read_only=True)
        pid = os.fork()
        if pid == 0:
            try:
                db["a"]
            except springg.FailedPrecondition as error:
                print("open it again" in str(error), flush=True)
            print(springg.open(sys.argv[1], read_only=True)["a"].ids, flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(len(db["a"]))
    """
    out, err = start(code, tmp_path / "d").communicate(timeout=60)
    assert out.splitlines() == ["True", "['x']", "1"], err


def test_pickles_open_again_read_only(tmp_path):
    with springg.open(tmp_path / "d", threads=1) as db:
        index = db.create_index("a", 2)
        index.add("x", [1, 0], {"n": 1})
        again = pickle.loads(pickle.dumps(db))
        index_again = pickle.loads(pickle.dumps(index))
        assert again.path == db.path
        assert again["a"]["x"].metadata == {"n": 1}
        assert index_again.name == "a"
        assert index_again.ids == ["x"]
        with pytest.raises(springg.FailedPrecondition, match="read-only"):
            index_again.add("y", [1, 0])
        index.add("y", [0, 1])
        again.refresh()
        assert index_again.ids == ["x", "y"]
        again.close()
        del index_again
    with springg.open(":memory:") as memory, pytest.raises(TypeError, match="in memory"):
        pickle.dumps(memory)
    with springg.open(":memory:") as memory, pytest.raises(TypeError, match="in memory"):
        pickle.dumps(memory.create_index("m", 2))


POOL = """
import multiprocessing
import sys

import numpy as np

import springg


def nearest(index, query):
    return index.search(query, 1).ids[0]


if __name__ == "__main__":
    with springg.open(sys.argv[1], threads=1) as db:
        index = db.create_index("a", 2)
        index.add(["x", "y"], np.eye(2))
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            print(*pool.starmap(nearest, [(index, [1.0, 0.1]), (index, [0.1, 1.0])]))
"""


def test_an_index_goes_to_the_processes_of_a_pool(tmp_path):
    # A file of its own: the processes of the pool import what they are to call.
    script = tmp_path / "pool_of_processes.py"
    script.write_text(POOL)
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "d")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": PACKAGES},
    )
    assert (ran.stdout, ran.stderr) == ("x y\n", "")


def test_sigterm_while_flushing_loses_nothing(tmp_path):
    code = """
        import signal, sys, numpy as np, springg
        db = springg.open(sys.argv[1], threads=1)
        index = db.create_index("a", 32)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        rows = np.random.default_rng(0).standard_normal((3000, 32), dtype=np.float32)
        index.add(np.arange(3000), rows)
        print("written", flush=True)
        while True:
            index.upsert(np.arange(500), rows[:500])
            db.flush()
    """
    process = start(code, tmp_path / "d")
    assert process.stdout.readline() == "written\n", process.stderr.read()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert springg.check(tmp_path / "d").ok
    with springg.open(tmp_path / "d") as db:
        assert sorted(db["a"].ids) == list(range(3000))
