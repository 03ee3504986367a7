# SPDX-License-Identifier: MIT
"""Every command, run as a user runs it: a process, its exit code, stdout and stderr."""

import json
import os
import re
import subprocess
import sys
import uuid
from typing import get_args

import numpy as np
import pytest

import springg
from springg import types

ESCAPE = "\x1b"


def run(*arguments, code=0, cwd=None, env=None):
    """Run springg and check its exit code and that a pipe gets no colours."""
    ran = subprocess.run(
        [sys.executable, "-m", "springg.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        timeout=120,
    )
    assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
    assert ESCAPE not in ran.stdout
    assert ESCAPE not in ran.stderr
    return ran


def document(*arguments, code=0):
    """Run with --json: stdout is one document and nothing else."""
    return json.loads(run(*arguments, "--json", code=code).stdout)


@pytest.fixture
def data(tmp_path):
    """A database with an index of three points, each with another kind of id."""
    path = tmp_path / "data"
    with springg.open(path) as db:
        index = db.create_index("points", 2, metric="l2")
        ids = ["origin", 7, uuid.UUID(int=5)]
        index.add(ids, [[0, 0], [3, 4], [0, 1]], [{"colour": "grün"}, None, None])
    return path


# create


def test_create_and_again(tmp_path):
    ran = run("create", tmp_path / "new", "a", "--dimensions", 3, "--metric", "dot")
    assert ran.stdout == f"index a in {tmp_path}/new: 3 dimensions, dot, float32\n"
    assert "already" in run("create", tmp_path / "new", "a", "--dimensions", 3, code=3).stderr
    run("create", tmp_path / "new", "a", "-d", 3, "--metric", "dot", "--exist-ok")
    made = document(
        *("create", tmp_path / "new", "b", "--dimensions", 4, "--dtype", "float16", "--m", 8),
        *("--quantization", "int8"),
    )
    assert made["dtype"] == "float16"
    assert made["m"] == 8
    assert made["quantization"] == "int8"
    with springg.open(tmp_path / "new") as db:
        assert db.indexes() == ["a", "b"]


def test_an_index_of_bits(tmp_path):
    made = document("create", tmp_path / "new", "a", "--dimensions", 12, "--dtype", "binary")
    assert (made["dtype"], made["metric"]) == ("binary", "hamming")
    (tmp_path / "rows.jsonl").write_text(
        '{"id": "x", "vector": [255, 240]}\n{"id": "y", "vector": [1, 0]}'
    )
    run("import", tmp_path / "new", "a", tmp_path / "rows.jsonl")
    found = document("search", tmp_path / "new", "a", "--vector", "[255, 224]")
    assert [(hit["id"], hit["distance"]) for hit in found["hits"]] == [("x", 1), ("y", 10)]
    ran = run("create", tmp_path / "new", "b", "-d", 12, "--metric", "hamming", code=3)
    assert "not supported for dtype float32" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "--dimensions", 0], "dimensions.*65536.*got 0"),
        (["../a", "--dimensions", 3], "name"),
        (["a b", "--dimensions", 3], "name"),
    ],
)
def test_create_refuses(tmp_path, arguments, message):
    ran = run("create", tmp_path / "new", *arguments, code=3)
    assert re.search(message, ran.stderr)
    assert_one_line(ran)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("command", "option", "words"),
    [
        (["create", "new", "a", "-d", 3], "--metric", get_args(types.Metric)),
        (["create", "new", "a", "-d", 3], "--dtype", get_args(types.Dtype)),
        (["create", "new", "a", "-d", 3], "--quantization", get_args(types.Quantization)),
        (["import", "new", "a", "a.npy"], "--on-error", get_args(types.OnError)),
    ],
)
def test_words_that_options_take(tmp_path, command, option, words):
    ran = run(*command, option, "foo", code=2, cwd=tmp_path)
    assert "foo" in ran.stderr
    assert "|".join(words) in run(command[0], "--help").stdout
    assert not list(tmp_path.iterdir())


def assert_one_line(ran):
    assert ran.stderr.startswith("springg: ")
    assert ran.stderr.count("\n") == 1
    assert "Traceback" not in ran.stderr


# import


def test_import_files_and_count(data, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((4, 2), np.float32))
    with springg.open(data) as db:
        db["points"].clear()
    ran = run("import", data, "points", tmp_path / "a.npy", tmp_path / "a.npy")
    lines = ran.stdout.splitlines()
    assert re.fullmatch(r".*a\.npy: 4 rows in \d+\.\d\d s \([\d,]+ rows/s\)", lines[0])
    assert lines[2:] == ["index points has 8 rows"]
    assert ran.stderr == ""
    with springg.open(data) as db:
        assert db["points"].ids == list(range(8))


def test_import_skips_and_says_so(data, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "vector": [1, 2]}\n{"id": "b", "vector": [1]}\nno\n')
    ran = run("import", data, "points", path, code=3)
    assert f"{path}, line 2: vector dimension mismatch: expected 2, got 1" in ran.stderr
    assert_one_line(ran)
    ran = run("import", data, "points", path, "--on-error", "skip")
    assert "1 row in" in ran.stdout
    assert "2 skipped" in ran.stdout
    assert "  line 2: vector dimension mismatch: expected 2, got 1\n" in ran.stdout
    path.write_text('{"key": "c", "emb": [1, 2], "n": 1, "t": "x"}\n{}\n')
    report = document(
        *("import", data, "points", path, "--ids", "key", "--vectors", "emb"),
        *("--metadata", "n", "--metadata", "t", "--on-error", "skip"),
    )
    assert report["rows"] == 5
    assert report["files"][0]["rows"] == 1
    assert report["files"][0]["skipped"] == [{"line": 2, "reason": "no field 'emb'"}]
    with springg.open(data) as db:
        assert db["points"]["c"].metadata == {"n": 1, "t": "x"}


def test_files_before_a_bad_one_are_kept(data, tmp_path):
    np.save(tmp_path / "good.npy", np.ones((4, 2)))
    np.save(tmp_path / "bad.npy", np.full((4, 2), np.nan))
    with springg.open(data) as db:
        db["points"].clear()
    run("import", data, "points", tmp_path / "good.npy", tmp_path / "bad.npy", code=3)
    with springg.open(data) as db:
        assert len(db["points"]) == 4
        db["points"].clear()
    files = (tmp_path / "good.npy", tmp_path / "bad.npy")
    told = document("import", data, "points", *files, code=3)
    assert told["rows"] == 4
    assert [(file["file"], file["rows"]) for file in told["files"]] == [(str(files[0]), 4)]
    assert "bad.npy, line 1" in told["error"]


# search


def test_search_by_vector_and_file(data, tmp_path):
    ran = run("search", data, "points", "--vector", "[0, 0.1]", "-k", 2)
    assert "origin" in ran.stdout
    assert '"colour": "grün"' in ran.stdout
    assert "00000000-0000-0000-0000-000000000005" in ran.stdout
    found = document("search", data, "points", "--vector", "[0, 0.1]", "-k", 2)
    assert [hit["id"] for hit in found["hits"]] == ["origin", str(uuid.UUID(int=5))]
    assert found["hits"][0]["distance"] == pytest.approx(0.1)
    assert found["hits"][0]["metadata"] == {"colour": "grün"}
    np.save(tmp_path / "q.npy", np.array([[0, 0], [3, 4]], np.float32))
    many = document("search", data, "points", "--file", tmp_path / "q.npy", "-k", 1, "--exact")
    assert [r["hits"][0]["id"] for r in many["results"]] == ["origin", 7]
    assert "query 1" in run("search", data, "points", "--file", tmp_path / "q.npy").stdout


@pytest.mark.parametrize("identifier", ["origin", "7", "00000000-0000-0000-0000-000000000005"])
def test_search_by_id(data, identifier):
    found = document("search", data, "points", "--id", identifier, "-k", 1)
    assert str(found["hits"][0]["id"]) == identifier
    assert found["hits"][0]["distance"] == 0


@pytest.mark.parametrize("identifier", ["8", "no", ""])
def test_search_of_an_unknown_id_is_no(data, identifier):
    ran = run("search", data, "points", "--id", identifier, code=1)
    assert ran.stdout == ""
    assert ran.stderr == f"springg: no row with id {identifier!r} in index points\n"
    assert document("search", data, "points", "--id", identifier, code=1) == {
        "index": "points",
        "k": 10,
        "found": False,
        "hits": [],
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["--vector", "[1, 2]", "--id", "origin"], 2),
        (["--vector", "1, 2"], 2),
        (["--vector", '["1", 2]'], 2),
        (["--vector", "[1, 2]", "-k", "ten"], 2),
        (["--vector", "[1, 2]", "-k", "0"], 3),
        (["--vector", "[1, 2, 3]"], 3),
        (["--vector", "[1e39, 0]"], 3),
        (["--vector", "[1, 2]", "--ef", "5000"], 3),
        (["--file", "missing.npy"], 3),
    ],
)
def test_search_refuses(data, arguments, code):
    ran = run("search", data, "points", *arguments, code=code)
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    if code == 3:
        assert_one_line(ran)


def test_a_file_without_queries(data, tmp_path):
    np.save(tmp_path / "none.npy", np.empty((0, 2)))
    ran = run("search", data, "points", "--file", tmp_path / "none.npy", code=3)
    assert "none.npy: no queries in the file" in ran.stderr
    assert_one_line(ran)


def test_the_text_wins_among_equal_ids(data):
    with springg.open(data) as db:
        db["points"].add("7", [9, 9])
    found = document("search", data, "points", "--id", "7", "-k", 1)
    assert found["hits"][0]["id"] == "7"
    assert "the text wins" in re.sub(r"\s+", " ", run("search", "--help").stdout)


def test_json_has_no_infinity(tmp_path):
    with springg.open(tmp_path / "d") as db:
        db.create_index("a", 2, metric="dot").add(["x", "y"], [[3e38, 3e38], [0, 0]])
    ran = run("search", tmp_path / "d", "a", "--vector", "[3e38, 3e38]", "--json")
    assert "Infinity" not in ran.stdout
    hits = json.loads(ran.stdout)["hits"]
    assert (hits[0]["id"], hits[0]["score"], hits[0]["distance"]) == ("x", None, None)


# info, export


def test_info(data):
    ran = run("info", data)
    assert "points" in ran.stdout
    assert "1 indexes" not in ran.stdout
    found = document("info", data)
    assert found["disk_bytes"] > 0
    assert found["memory_bytes"]["total"] > 0
    assert found["indexes"][0]["rows"] == 3
    one = document("info", data, "points")["index"]
    assert one["dimensions"] == 2
    assert one["metric"] == "l2"
    assert "ef_construction" in run("info", data, "points").stdout
    assert one["search"]["parts"][0]["path"] == "scan"
    assert "search.parts.0.path" in run("info", data, "points").stdout


def test_export_and_import_again(data, tmp_path):
    path = tmp_path / "out.parquet"
    assert "3 rows of points" in run("export", data, "points", path).stdout
    run("create", data, "again", "--dimensions", 2, "--metric", "l2")
    assert document("import", data, "again", path)["rows"] == 3
    assert document("export", data, "again", tmp_path / "o.jsonl")["rows"] == 3
    assert "vectors alone" in run("export", data, "again", tmp_path / "out.npy").stdout
    with springg.open(data) as db:
        assert db["again"].ids == db["points"].ids


def test_files_of_the_go_springg(data, tmp_path):
    go = tmp_path / "go"
    go.mkdir()
    said = run("export", data, "points", go / "old", "--format", "springg1", "--normalise").stdout
    assert f"3 rows of points in {go / 'old.bin'}" in said
    assert "vectors alone" not in said
    (go / "old.wal").write_text('{"op":"add","id":"n","vector":[0.6,0.8]}\n{"op":"delete","id":')
    run("create", data, "again", "--dimensions", 2)
    ran = run("import", data, "again", *sorted(go.iterdir()))
    assert "old.bin: 4 rows in" in ran.stdout
    assert "line 2: old.wal: a write that a crash cut is left out" in ran.stdout
    assert document("info", data, "again")["index"]["rows"] == 4
    assert (
        "unknown file format" in run("export", data, "again", "x", "--format", "y", code=3).stderr
    )


# All commands


@pytest.mark.parametrize(
    "command",
    [
        ["info"],
        ["import", "points", "a.npy"],
        ["search", "points", "--id", "x"],
        ["export", "points", "out.npy"],
        ["bench", "points"],
    ],
    ids=lambda command: command[0],
)
def test_a_misspelt_directory_is_not_made(tmp_path, command):
    missing = tmp_path / "typo"
    ran = run(command[0], missing, *command[1:], code=3)
    assert f"no directory at {missing}" in ran.stderr
    assert_one_line(ran)
    assert not missing.exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    assert "no springg database" in run(command[0], other, *command[1:], code=3).stderr
    assert [entry.name for entry in other.iterdir()] == ["mine.txt"]


def test_unknown_index_names_near_ones(data):
    ran = run("info", data, "point", code=3)
    assert "points" in ran.stderr
    assert_one_line(ran)


def test_locked_directory_names_the_process(data):
    with springg.open(data):
        ran = run("import", data, "points", "rows.npy", code=3)
    assert str(os.getpid()) in ran.stderr


@pytest.mark.parametrize("place", [0, 1, 5])
def test_debug_shows_the_traceback_wherever_it_stands(data, place):
    arguments = ["search", str(data), "points", "--vector", "[1]"]
    arguments.insert(place, "--debug")
    ran = run(*arguments, code=3)
    assert "Traceback" in ran.stderr
    assert "DimensionMismatch" in ran.stderr


def test_usage(tmp_path):
    assert "130 stopped by Ctrl-C" in run("--help").stdout
    assert run("nonsense", code=2).stdout == ""
    run("create", tmp_path, "x", code=2)
    run("search", code=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command", ["demo", "create", "import", "search", "info", "export", "bench", "version"]
)
def test_help_has_an_example(command):
    text = run(command, "--help").stdout
    assert re.search(rf"For example:\n      springg {command}\b", text)
    assert f"springg {command}" in text
    assert re.search(rf"  {command} +[A-Z]", run("--help").stdout)


def test_version():
    assert run("version").stdout.startswith(f"springg {springg.__version__} (")
    assert run("--version").stdout == run("version").stdout
    assert document("version")["version"] == springg.__version__


def test_wrong_isa_is_one_line():
    assert_one_line(run("version", env={"SPRINGG_FORCE_ISA": "mmx"}, code=3))


def test_text_that_would_move_the_cursor_is_escaped(tmp_path):
    with springg.open(tmp_path / "d") as db:
        db.create_index("x", 1).add(["\x1b[2Jbad"], [[1]], [{"t": "\x1b[31m"}])
    run("search", tmp_path / "d", "x", "--vector", "[1]")
    run("search", tmp_path / "d", "x", "--vector", "[1]", "--json")
    run("search", tmp_path / "d", "x", "--id", "\x1b[2J", code=1)


def test_without_the_extra(tmp_path):
    code = (
        "import sys\n"
        "sys.modules.update(typer=None, rich=None)\n"
        "import importlib.util as util\n"
        "real = util.find_spec\n"
        "util.find_spec = lambda name: None if name in ('typer', 'rich') else real(name)\n"
        "from springg.cli import entry\n"
        "entry()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        'the command line needs typer and rich; in a checkout: pip install ".[cli]"\n'
    )
