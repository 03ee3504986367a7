# SPDX-License-Identifier: MIT
"""`springg demo` on the data in the package, and `springg bench` on what it made."""

import json
import subprocess
import sys

import numpy as np
import pytest

import springg
from springg import datasets


def run(*arguments, code=0, cwd=None):
    command = [sys.executable, "-m", "springg.cli", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    assert ran.returncode == code, (ran.returncode, ran.stdout, ran.stderr)
    assert "\x1b" not in ran.stdout + ran.stderr
    return ran


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder where the demo ran once, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    return folder, run("demo", cwd=folder)


def test_demo_shows_what_it_found(demo):
    folder, ran = demo
    assert (folder / "springg-demo").is_dir()
    assert ran.stderr == ""
    for text in datasets.dictionary().query_texts:
        assert f"\n{text}\n" in ran.stdout
    assert "architect, designer: someone who creates plans" in ran.stdout
    assert "recall@10 against exact search: " in ran.stdout
    assert "the 20 answers are equal, bit for bit" in ran.stdout
    assert "is there" not in ran.stdout


def test_demo_measures_a_graph_not_a_scan(demo):
    folder, _ = demo
    found = json.loads(run("demo", "--dir", folder / "springg-demo", "--json").stdout)
    assert found["rows"] == found["rows_per_exact_query"] == 4_000
    assert found["recall"] >= 0.97
    assert 0 < found["distances_per_query"] < 1_000
    assert found["queries_per_second"] > 0
    assert found["equal"] is True


def test_demo_again_keeps_what_is_not_its_own(demo, tmp_path):
    directory = tmp_path / "d"
    with springg.open(directory) as db:
        db.create_index("mine", 2).add(["a"], [[1, 2]])
    (directory / "notes.txt").write_text("mine")
    run("demo", "--dir", directory)
    ran = run("demo", "--dir", directory)
    assert "has an earlier demo: its index is built again" in ran.stdout
    assert (directory / "notes.txt").read_text() == "mine"
    assert "leaves the others alone" in " ".join(run("demo", "--help").stdout.split())
    with springg.open(directory) as db:
        assert db["mine"].ids == ["a"]
        assert len(db["dictionary"]) == 4_000


def test_demo_leaves_a_foreign_directory_and_index_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    ran = run("demo", "--dir", tmp_path, code=3)
    assert "is no springg database: choose another --dir" in ran.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]
    with springg.open(tmp_path / "d") as db:
        db.create_index("dictionary", 384).add(["a"], np.ones((1, 384), np.float32))
    ran = run("demo", "--dir", tmp_path / "d", code=3)
    assert "is not the demo's" in ran.stderr
    with springg.open(tmp_path / "d") as db:
        assert db["dictionary"].ids == ["a"]
    assert "is no springg database" in run("demo", "--dir", tmp_path / "notes.txt", code=3).stderr


def test_bench_prints_a_table(demo):
    folder, _ = demo
    ran = run("bench", folder / "springg-demo", "dictionary")
    assert "200 queries from stored rows" in ran.stdout
    assert "a stored row finds itself" in ran.stdout
    assert "queries/s" in ran.stdout


def test_bench_finds_the_ef_of_a_recall(demo, tmp_path):
    folder, _ = demo
    words = datasets.dictionary()
    np.save(tmp_path / "q.npy", words.query_vectors)
    arguments = ["bench", folder / "springg-demo", "dictionary", "--queries", tmp_path / "q.npy"]
    found = json.loads(run(*arguments, "--recall", ".5,.95", "--json").stdout)
    assert found["queries"] == 20
    assert found["queries_from"] == str(tmp_path / "q.npy")
    assert [row["target"] for row in found["table"]] == [0.5, 0.95]
    with springg.open(folder / "springg-demo") as db:
        for row in found["table"]:
            assert row["recall"] >= row["target"]
            assert 0 < row["p50_ms"] <= row["p99_ms"]
            recall = db["dictionary"].recall(words.query_vectors, 10, ef=row["ef"])
            assert recall == pytest.approx(row["recall"])
    assert "target" in run(*arguments, "--recall", ".9").stdout
    steps = json.loads(run(*arguments, "-k", "100", "--json").stdout)["table"]
    assert [row["ef"] for row in steps] == [128, 256, 512]


@pytest.mark.parametrize("text", ["high", "0", "1.5", "", ".9,,"])
def test_bench_refuses_recalls(demo, text):
    folder, _ = demo
    run("bench", folder / "springg-demo", "dictionary", "--recall", text, code=2)


def test_bench_of_an_empty_index(tmp_path):
    run("create", tmp_path / "d", "x", "--dimensions", 2)
    ran = run("bench", tmp_path / "d", "x", code=3)
    assert "index 'x' is empty: nothing to measure" in ran.stderr
