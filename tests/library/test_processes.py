# SPDX-License-Identifier: MIT
"""Other processes, forks, signals and the end of the interpreter."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

import numpy as np
import pytest

import springg

NOBODY = 65534  # the user that owns nothing
PACKAGES = str(pathlib.Path(springg.__file__).parents[1])
# A job that a shell starts in the background ignores Ctrl-C, and so would its children.
HEAR_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def start(code, *arguments):
    path = os.pathsep.join([PACKAGES, os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", HEAR_INTERRUPTS + textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def run(code, *arguments):
    process = start(code, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    return out


def test_leaving_without_close_keeps_every_row(tmp_path):
    run(
        """
        import sys, springg
        db = springg.open(sys.argv[1])
        index = db.create_index("a", 2)
        index.add(["x", "y"], [[1, 0], [0, 1]])
        """,
        tmp_path / "d",
    )
    with springg.open(tmp_path / "d") as db:
        assert db["a"].ids == ["x", "y"]


@pytest.mark.parametrize("how", ["raise SystemExit(0)", "del db, index"])
def test_leaving_in_other_ways(tmp_path, how):
    run(
        f"""
        import sys, springg
        db = springg.open(sys.argv[1])
        index = db.create_index("a", 2)
        index.add("x", [1, 0])
        {how}
        """,
        tmp_path / "d",
    )
    with springg.open(tmp_path / "d") as db:
        assert db["a"].ids == ["x"]


def test_a_second_process_is_refused_with_the_first_ones_pid(tmp_path):
    holder = start(
        """
        import sys, springg
        db = springg.open(sys.argv[1])
        print("open", flush=True)
        sys.stdin.readline()
        """,
        tmp_path / "d",
    )
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(springg.FailedPrecondition, match=str(holder.pid)):
        springg.open(tmp_path / "d")
    holder.communicate("\n", timeout=60)
    springg.open(tmp_path / "d").close()


@pytest.mark.parametrize("durability", ["disk", "process"])
def test_a_killed_process_loses_nothing_that_was_acknowledged(tmp_path, durability):
    killed = start(
        """
        import sys, springg
        db = springg.open(sys.argv[1], durability=sys.argv[2])
        index = db.create_index("a", 2)
        index.add(["x", "deleted"], [[1, 0], [1, 1]])
        db.flush()
        index.add("y", [2, 0], {"n": 1})
        index.delete("deleted")
        index.update("x", metadata={"n": 2})
        print("open", flush=True)
        sys.stdin.readline()
        """,
        tmp_path / "d",
        durability,
    )
    assert killed.stdout.readline() == "open\n"
    killed.kill()
    killed.communicate()
    with springg.open(tmp_path / "d") as db:
        assert db["a"].ids == ["x", "y"]
        assert [record.metadata for record in db["a"].get(["x", "y"])] == [{"n": 2}, {"n": 1}]
        assert db["a"]["y"].vector.tolist() == [2, 0]


@pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit(0)"])
def test_a_forked_child_is_refused_and_harms_nothing(tmp_path, ending):
    out = run(
        f"""
        import os, sys, springg
        db = springg.open(sys.argv[1])
        index = db.create_index("a", 2)
        index.add("x", [1, 0])
        memory = springg.open(":memory:").create_index("m", 2)
        pid = os.fork()
        if pid == 0:
            for call in (
                lambda: index.search([1, 0]),
                lambda: index.add("y", [1, 0]),
                lambda: len(index),
                lambda: db.indexes(),
                lambda: db.flush(),
                lambda: memory.search([1, 0]),
            ):
                try:
                    call()
                    print("allowed")
                except springg.FailedPrecondition as error:
                    assert str(os.getppid()) in str(error), error
                    assert "open it again" in str(error), error
            with springg.open(":memory:") as own:
                own.create_index("b", 2).add("z", [1, 0])
                print("child", len(own["b"]))
            sys.stdout.flush()
            {ending}
        assert os.waitpid(pid, 0)[1] == 0
        index.add("y", [0, 1])
        print("parent", len(index))
        """,
        tmp_path / "d",
    )
    assert out.splitlines() == ["child 1", "parent 2"]
    with springg.open(tmp_path / "d") as db:
        assert db["a"].ids == ["x", "y"]


def test_a_forked_child_may_not_open_what_its_parent_has_open(tmp_path):
    out = run(
        """
        import os, sys, springg
        db = springg.open(sys.argv[1])
        pid = os.fork()
        if pid == 0:
            try:
                springg.open(sys.argv[1])
                print("opened")
            except springg.FailedPrecondition as error:
                print(str(os.getppid()) in str(error))
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)
        """,
        tmp_path / "d",
    )
    assert out == "True\n"


INTERRUPTED = """
    import sys, time, numpy as np, springg
    index = springg.open(":memory:", threads=2).create_index("a", 256, ef_construction=400)
    rows = np.random.default_rng(0).standard_normal((100_000, 256), dtype=np.float32)
    index.add("kept", rows[0])
    queries = rows[:50_000]
    print("ready", flush=True)
    began = time.perf_counter()
    try:
        if sys.argv[1] == "add":
            index.add(np.arange(100_000), rows)
        elif sys.argv[1] == "optimize":
            index.optimize()
        else:
            index.search(queries, 10, exact=True)
        print("finished")
    except KeyboardInterrupt:
        print("interrupted", len(index), index.ids, flush=True)
    index.add("after", rows[1])
    print(len(index.search(rows[1], 10)))
"""


def test_ctrl_c_stops_a_long_build_and_leaves_the_index_as_it_was():
    process = start(INTERRUPTED, "add")
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    sent = time.perf_counter()
    process.send_signal(signal.SIGINT)
    line = process.stdout.readline()
    took = time.perf_counter() - sent
    out = process.stdout.read()  # communicate() would lose what readline() read ahead
    _, err = process.communicate(timeout=60)
    assert line == "interrupted 1 ['kept']\n", err
    assert out == "2\n", err
    assert took < 5  # a second where nothing else runs


def test_ctrl_c_stops_a_long_batch():
    code = INTERRUPTED.replace(
        'index.add("kept", rows[0])', "index.add(np.arange(60_000), rows[:60_000])"
    ).replace("ef_construction=400", "ef_construction=8, m=4")
    code = code.replace("len(index), index.ids", "len(index)")
    process = start(code, "search")
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out.splitlines()[0] == "interrupted 60000", err


def test_ctrl_c_stops_optimize_and_leaves_the_index_as_it_was():
    code = INTERRUPTED.replace(
        'index.add("kept", rows[0])', "index.add(np.arange(20_000), rows[:20_000])"
    ).replace("len(index), index.ids", "len(index), index.ids == list(range(20_000))")
    process = start(code, "optimize")
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out == "interrupted 20000 True\n10\n", err


def test_threads_follow_the_affinity_of_the_process():
    out = run(
        """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from springg import _core
        print(_core.usable_processors())
        """
    )
    assert out == "1\n"


@pytest.mark.parametrize("place", ["folder", "folder/new"])
def test_a_read_only_directory(place):
    # Not in tmp_path: only its owner may enter that, and the child of root is somebody else.
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        root.chmod(0o755)
        folder = root / "folder"
        folder.mkdir()
        (folder / "there").write_text("x")
        (folder / "there").chmod(0o644)
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, -1)  # so that it is the mode alone that refuses
        folder.chmod(0o555)
        out = run(
            """
            import os, pathlib, sys, springg
            if os.geteuid() == 0:
                os.setuid(int(sys.argv[3]))  # root may write everywhere
            root, place = pathlib.Path(sys.argv[1]), sys.argv[2]
            assert (root / "folder" / "there").read_text() == "x"  # it can be read
            try:
                springg.open(root / place)
            except springg.IoError as error:
                assert isinstance(error, OSError)
                print(error)
            """,
            root,
            place,
            NOBODY,
        )
        assert out.startswith("cannot ")
        assert str(root / place) in out
        assert out.endswith(": permission denied\n")
        assert [path.name for path in folder.iterdir()] == ["there"]


def test_a_file_in_place_of_a_directory(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(springg.SpringgError):
        springg.open(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


def test_damage_is_named(tmp_path):
    with springg.open(tmp_path / "d") as db:
        index = db.create_index("a", 64)
        index.add(np.arange(500), np.random.default_rng(0).standard_normal((500, 64)))
        index.optimize()
    segment = max((tmp_path / "d").rglob("*"), key=lambda p: p.stat().st_size * p.is_file())
    segment.write_bytes(segment.read_bytes()[:-5000])

    def use():
        with springg.open(tmp_path / "d") as db:
            db["a"].search(np.ones(64))

    with pytest.raises(springg.Corruption, match=segment.name) as caught:
        use()
    assert isinstance(caught.value, OSError)
    assert "offset" in str(caught.value) or "byte" in str(caught.value)


@pytest.mark.parametrize("faulthandler", [False, True])
def test_a_file_that_is_cut_under_a_running_process(tmp_path, faulthandler):
    out = run(
        """
        import faulthandler, os, pathlib, sys
        if sys.argv[2] == "True":
            faulthandler.enable()
        import numpy as np, springg
        rows = np.random.default_rng(0).standard_normal((3000, 64)).astype(np.float32)
        with springg.open(sys.argv[1]) as db:
            db.create_index("cut", 64).add(np.arange(3000), rows, [{"n": 1}] * 3000)
            db.create_index("whole", 64).add(np.arange(100), rows[:100])
        db = springg.open(sys.argv[1])
        cut, whole = db["cut"], db["whole"]
        assert cut.search(rows[7], exact=True).ids[0] == 7
        segment = max(pathlib.Path(sys.argv[1]).glob("*.segment"), key=lambda p: p.stat().st_size)
        os.truncate(segment, 4096)
        for call in (
            lambda: cut.search(rows[7], exact=True),
            lambda: cut.search(rows[7]),
            lambda: cut.search(rows[:20]),
            lambda: cut.get(7),
            lambda: 7 in cut,
            lambda: cut.ids,
            lambda: cut.vectors,
            lambda: list(cut.scan()),
            lambda: cut.upsert(7, rows[8]),
            lambda: cut.delete(7),
            lambda: db.flush(),
        ):
            try:
                call()
                print("answered")
            except springg.Corruption as error:
                assert str(segment.name) in str(error), error
                assert "cannot be read any more: it was truncated" in str(error), error
                assert error.details["file"] == str(segment), error.details
        assert whole.search(rows[7]).ids[0] == 7
        db.drop_index("cut")
        whole.add(100, rows[100])
        db.close()
        with springg.open(sys.argv[1]) as db:
            print("alive", len(db["whole"]))
        """,
        tmp_path / "d",
        faulthandler,
    )
    assert out == "alive 101\n"
