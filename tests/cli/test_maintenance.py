# SPDX-License-Identifier: MIT
"""check, snapshot and restore, run as a user runs them."""

import json
import subprocess
import sys

import numpy as np
import pytest

import springg


def run(*arguments, code=0):
    command = [sys.executable, "-m", "springg.cli", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
    assert "\x1b" not in ran.stdout + ran.stderr
    return ran


def document(*arguments, code=0):
    return json.loads(run(*arguments, "--json", code=code).stdout)


def assert_one_line(ran):
    assert ran.stderr.startswith("springg: ")
    assert ran.stderr.count("\n") == 1


@pytest.fixture
def data(tmp_path):
    """A database with an index of 300 rows in one segment."""
    path = tmp_path / "data"
    with springg.open(path) as db:
        index = db.create_index("points", 4, metric="l2")
        index.add(np.arange(300), np.random.default_rng(0).standard_normal((300, 4)))
        index.optimize()
    return path


def damage(path):
    (segment,) = path.glob("*.segment")
    content = bytearray(segment.read_bytes())
    content[9000] ^= 1
    segment.write_bytes(content)
    return segment


def test_check_clean(data):
    (data / "mine.txt").write_text("x")
    ran = run("check", data)
    assert ran.stdout.splitlines() == [
        "not a file of springg, left alone: mine.txt",
        f"{data}: clean",
    ]
    found = document("check", data)
    assert found["ok"] is True
    assert found["problems"] == []
    assert found["unknown_files"] == ["mine.txt"]


def test_commands_that_read_change_nothing(data, tmp_path):
    (segment,) = data.glob("*.segment")
    content = bytearray(segment.read_bytes())
    content[-9000] ^= 1  # of the graph, which an open for writing would make again on the disk
    segment.write_bytes(content)
    before = {file.name: file.read_bytes() for file in data.iterdir()}
    assert document("info", data)["indexes"][0]["rows"] == 300
    run("search", data, "points", "--vector", "[1,2,3,4]")
    run("export", data, "points", tmp_path / "rows.npy")
    assert {file.name: file.read_bytes() for file in data.iterdir()} == before
    assert len(document("check", data, code=1)["problems"]) == 1


def test_commands_that_read_do_so_beside_a_writer(data, tmp_path):
    with springg.open(data) as db:
        db["points"].add(300, [1, 2, 3, 4])
        assert document("info", data)["indexes"][0]["rows"] == 301
        ran = run("search", data, "points", "--vector", "[1,2,3,4]", "-k", "1", "--json")
        assert json.loads(ran.stdout)["hits"][0]["id"] == 300
        run("export", data, "points", tmp_path / "rows.npy")
    assert len(np.load(tmp_path / "rows.npy")) == 301


def test_check_damaged_and_repair(data):
    segment = damage(data)
    ran = run("check", data, code=1)
    assert segment.name in ran.stdout
    assert "8,192" in ran.stdout
    assert "300" in ran.stdout
    assert ran.stdout.splitlines()[-1] == f"{data}: 1 problem; see --repair"
    (problem,) = document("check", data, code=1)["problems"]
    assert problem["file"] == segment.name
    assert problem["offset"] == 8192
    assert problem["rows_lost"] == 300
    assert problem["index"] == "points"
    ran = run("check", data, "--repair", code=1)
    assert f"original kept: damaged/{segment.name}" in ran.stdout
    assert ran.stdout.splitlines()[-1] == f"{data}: 1 problem, repaired"
    assert run("check", data).stdout == f"{data}: clean\n"


def test_check_refuses(tmp_path, data):
    ran = run("check", tmp_path / "none", code=3)
    assert_one_line(ran)
    damage(data)
    (data / "LOCK").touch()
    manifest = max(data.glob("manifest-*"))
    manifest.write_bytes(manifest.read_bytes()[:-1])
    ran = run("check", data, "--repair", code=3)
    assert "restore a snapshot" in ran.stderr
    assert_one_line(ran)
    assert "1: damage found" in run("check", "--help").stdout


def test_snapshot_and_restore(data, tmp_path):
    with springg.open(data) as db:  # a writer has it open meanwhile
        db["points"].delete(7)
        ran = run("snapshot", data, tmp_path / "monday")
        assert ran.stdout.startswith(f"{tmp_path}/monday: 299 rows, ")
        assert "linked" in ran.stdout
        info = document("snapshot", data, tmp_path / "tuesday")
    assert info["path"] == str(tmp_path / "tuesday")
    assert info["rows"] == 299
    assert info["linked"] is True
    assert "not empty" in run("snapshot", data, tmp_path / "monday", code=3).stderr
    assert_one_line(run("snapshot", tmp_path / "none", tmp_path / "x", code=3))
    assert run("restore", tmp_path / "monday", tmp_path / "r").stdout == (
        f"{tmp_path}/r: 299 rows\n"
    )
    made = document("restore", tmp_path / "tuesday", tmp_path / "r2")
    assert made == {"path": str(tmp_path / "r2"), "rows": 299}
    assert_one_line(run("restore", tmp_path / "monday", tmp_path / "r", code=3))
    with springg.open(tmp_path / "r") as db:
        assert 7 not in db["points"]
        db["points"].clear()
    assert run("check", tmp_path / "monday").stdout == f"{tmp_path}/monday: clean\n"
