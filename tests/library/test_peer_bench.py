# SPDX-License-Identifier: MIT
"""The arithmetic of the peer benchmark, and a run of it with peers that need numpy alone."""

import itertools
import json
import pathlib
import sys

import numpy as np
import pytest

BENCH = pathlib.Path(__file__).parents[2] / "benchmarks/python"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    yield
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(BENCH)):
            del sys.modules[name]


def test_least_rung_is_the_least_and_costs_logarithmically():
    from rounds import least_rung

    for rungs in (1, 2, 7, 100):
        for first_good in range(rungs + 1):
            asked = []

            def recall_at(rung, first_good=first_good, asked=asked):
                asked.append(rung)
                return float(rung >= first_good)

            expected = first_good if first_good < rungs else None
            assert least_rung(recall_at, rungs, 0.5) == expected
            assert len(asked) <= 16


def test_turns_give_everybody_every_place():
    from rounds import turns

    names = ["a", "b", "c", "d"]
    orders = [turns(names, turn) for turn in range(8)]
    assert all(sorted(order) == names for order in orders)
    assert {order[0] for order in orders} == set(names)
    pairs = {pair for order in orders for pair in itertools.pairwise(order)}
    assert ("a", "b") in pairs
    assert ("b", "a") in pairs
    assert turns([], 3) == []


def test_a_turn_takes_neither_too_short_nor_too_long():
    from rounds import work_of_a_turn

    assert work_of_a_turn(1000, 50_000, 0.1, 2.0) == (1000, 5)
    assert work_of_a_turn(1000, 100, 0.1, 2.0) == (200, 1)
    assert work_of_a_turn(1000, 1, 0.1, 2.0) == (20, 1)
    assert work_of_a_turn(7, 1, 0.1, 2.0) == (7, 1)


def test_ratios_go_round_by_round():
    from rounds import ratios

    found = ratios([10, 20, 30], {"peer": [5, 5, 10], "gone": []})
    assert found == {"peer": {"median": 3, "min": 2, "max": 4}}
    assert ratios([], {"peer": [1]}) == {}


def test_ladders_are_fine_enough():
    from peers.base import ladder
    from rounds import spaced

    steps = ladder(10, 4096)
    assert steps[0] == 10
    assert steps[-1] == 4096
    assert all(b - a <= max(1, a // 64) for a, b in itertools.pairwise(steps))
    assert spaced(0, 100, 12)[0] == 0
    assert spaced(0, 100, 12)[-1] == 100
    assert spaced(3, 3, 12) == [3]


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_exact_rows_and_recall_by_distance(metric):
    from judged_set import judged

    random = np.random.default_rng(7)
    base = random.standard_normal((300, 8)).astype(np.float32)
    base[200:] = base[:100]  # each of these rows twice
    queries = random.standard_normal((20, 8)).astype(np.float32)
    judge = judged("set", base, queries, metric, 5)

    b, q = (np.asarray(x, np.float64) for x in (judge.base, judge.queries))
    far = np.linalg.norm(b - q[:, None], axis=2) if metric == "l2" else -(q @ b.T)
    nearest = np.argsort(far, axis=1)[:, :5]
    assert judge.recall(nearest) == 1
    twins = np.where(nearest >= 200, nearest - 200, np.where(nearest < 100, nearest + 200, nearest))
    assert judge.recall(twins) == 1  # rows as near as those count
    assert judge.recall(np.argsort(-far, axis=1)[:, :5]) == 0
    half = nearest.copy()
    half[:, 2:] = half[:, :1]  # the nearest again and again counts once
    assert judge.recall(half) == pytest.approx(0.4)
    half[:, 2:] = -1
    assert judge.recall(half) == pytest.approx(0.4)
    half[:, 2:] = 1 << 40  # no row has this number
    assert judge.recall(half) == pytest.approx(0.4)


def test_stored_neighbors_are_used_only_when_a_scan_confirms_them():
    from judged_set import exact_rows, judged

    random = np.random.default_rng(8)
    base = random.standard_normal((100, 4)).astype(np.float32)
    queries = random.standard_normal((30, 4)).astype(np.float32)
    right = exact_rows(base, queries, "l2", 10)
    assert judged("set", base, queries, "l2", 5, right).exact.startswith("stored")
    wrong = judged("set", base, queries, "l2", 5, (right + 1) % 100)
    assert wrong.exact.startswith("computed")
    assert wrong.recall(right[:, :5]) == 1


@pytest.mark.parametrize(("name", "metric"), [("angular", "cosine"), ("euclidean", "l2")])
def test_files_of_ann_benchmarks(tmp_path, name, metric):
    h5py = pytest.importorskip("h5py")
    from judged_set import exact_rows, load

    random = np.random.default_rng(9)
    base = random.standard_normal((80, 4)).astype(np.float32)
    queries = random.standard_normal((6, 4)).astype(np.float32)
    with h5py.File(tmp_path / "toy.hdf5", "w") as file:
        file.attrs["distance"] = name
        file["train"], file["test"] = base, queries
        file["neighbors"] = exact_rows(base, queries, "l2", 10)
    judge = load(tmp_path / "toy.hdf5", 10)
    assert (judge.name, judge.metric) == ("toy", metric)
    assert judge.exact.startswith("stored" if metric == "l2" else "computed")
    assert load(tmp_path / "toy.hdf5", 10, rows=50, queries=3).base.shape == (50, 4)


def test_a_run_with_one_peer_that_works_and_two_that_do_not(tmp_path, monkeypatch, capsys):
    pytest.importorskip("threadpoolctl")
    import compare
    import plot
    import tuning

    for module in (compare, tuning):  # no figure of this run means anything
        monkeypatch.setattr(module, "LEAST_SECONDS", 0.001)
    monkeypatch.setattr(compare, "CURVE_POINTS", 3)

    random = np.random.default_rng(10)
    folder = tmp_path / "toy"
    folder.mkdir()
    np.save(folder / "base.f32.npy", random.standard_normal((400, 8)).astype(np.float32))
    np.save(folder / "queries.f32.npy", random.standard_normal((40, 8)).astype(np.float32))
    peers = "fake_peer:Partial,fake_peer:Missing,fake_peer:Crashing"
    output = tmp_path / "result.json"
    words = f"--dataset {folder} --peers {peers} --metric l2 --targets 0.5,0.95 --pairs 2 --k 5"
    words += f" --threads 1 --builds 2 --seconds 120 --curve --output {output}"
    monkeypatch.setattr(sys, "argv", ["compare.py", *words.split()])
    compare.main()

    result = json.loads(output.read_text())
    assert {cell["lane"] for cell in result["cells"]} == {"single", "batch on 1 thread"}
    single = [cell["peers"] for cell in result["cells"] if cell["lane"] == "single"]
    for target, rows in zip((0.5, 0.95), single, strict=True):
        for row in (rows["springg"], rows["fake_peer:Partial"]):
            assert row["recall"] >= target
            assert row["rounds"] == 2
            assert row["queries_per_second"]["min"] > 0
        assert set(rows["fake_peer:Partial"]["springg_over_this"]) == {"median", "min", "max"}
        assert rows["fake_peer:Partial"]["option"] == "percent" or target == 0.5
    batch = [cell["peers"] for cell in result["cells"] if cell["lane"] != "single"]
    assert all(rows["fake_peer:Partial"] == {"without": "no batch call"} for rows in batch)
    works, fails = result["peers"]["fake_peer:Partial"]["builds"]
    assert works["build_seconds"] > 0
    assert "this build fails" in fails["failed"]
    assert "no such library" in result["peers"]["fake_peer:Missing"]["skipped"]
    assert "SIGILL" in result["peers"]["fake_peer:Crashing"]["skipped"]
    assert any("SIGILL" in text for text in result["left_out"])
    assert result["curves"]["single"]["fake_peer:Partial"]
    assert json.loads(capsys.readouterr().out) == result
    assert "| springg " in plot.table(result)
