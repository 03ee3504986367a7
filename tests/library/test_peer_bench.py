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
            for guess in range(rungs):
                asked.clear()
                assert least_rung(recall_at, rungs, 0.5, guess) == expected
                assert len(asked) <= (2 if guess == expected else 18)


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


@pytest.mark.parametrize(
    ("missing", "message"), [("train", "no train"), ("distance", "no the attribute distance")]
)
def test_files_that_ann_benchmarks_did_not_write(tmp_path, missing, message):
    h5py = pytest.importorskip("h5py")
    from judged_set import load

    with h5py.File(tmp_path / "toy.hdf5", "w") as file:
        for name in {"train", "test"} - {missing}:
            file[name] = np.eye(3, dtype=np.float32)
        if missing != "distance":
            file.attrs["distance"] = "angular"
    with pytest.raises(SystemExit, match=message):
        load(tmp_path / "toy.hdf5", 1)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs compare.py on a toy set with more arguments; its result."""
    import compare
    import tuning

    for module in (compare, tuning):  # no figure of these runs means anything
        monkeypatch.setattr(module, "LEAST_SECONDS", 0.001)
    random = np.random.default_rng(10)
    folder = tmp_path / "toy"
    folder.mkdir()
    np.save(folder / "base.f32.npy", random.standard_normal((400, 8)).astype(np.float32))
    np.save(folder / "queries.f32.npy", random.standard_normal((40, 8)).astype(np.float32))

    def run(name, more):
        output = tmp_path / name
        words = f"--dataset {folder} --metric l2 --targets 0.5,0.95 --pairs 2 --k 5 --threads 1"
        words += f" --seconds 120 --output {output} {more}"
        monkeypatch.setattr(sys, "argv", ["compare.py", *words.split()])
        compare.main()
        result = json.loads(output.read_text())
        assert json.loads(capsys.readouterr().out) == result
        return result

    return run


def test_a_run_with_one_peer_that_works_and_two_that_do_not(run, tmp_path):
    import figures
    import plot

    peers = "fake_peer:Partial,fake_peer:Missing,fake_peer:Crashing"
    result = run("compare.json", f"--peers {peers} --builds 2 --curve --curve-points 3")
    assert {cell["lane"] for cell in result["cells"]} == {"single", "batch on 1 thread"}
    single = [cell["peers"] for cell in result["cells"] if cell["lane"] == "single"]
    for target, rows in zip((0.5, 0.95), single, strict=True):
        for row in (rows["springg"], rows["springg-int8"], rows["fake_peer:Partial"]):
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
    assert 1 < len(result["curves"]["single"]["fake_peer:Partial"]) <= 3
    for build in result["peers"]["springg-int8"]["builds"]:
        assert build["settings"]["quantization"] == "int8"
        assert build["file_bytes"] > 400 * 8 * 4
    table = plot.table(result)
    assert "| springg " in table
    assert "| springg-int8 " in table
    assert "fake_peer:Partial: " in plot.summaries([result])
    lines = dict(figures.rows(tmp_path, ["memory", "compare", "churn"]))
    assert lines["memory"] == "no result"
    assert lines["churn"] == "see churn.json"
    assert "fake_peer:Partial " in lines["queries/s, single, recall 0.95"]
    assert "no peer" in lines["queries/s, batch on 1 thread, recall 0.95"]
    assert lines["build of springg-int8, 1 threads"].endswith(" s")


def test_a_second_run_tries_what_the_first_found_best(run, tmp_path):
    first = run("first.json", "--peers springg,fake_peer:Partial --builds 3")
    # Of one cell, since which builds are the best in the others is a matter of time.
    first["cells"] = first["cells"][:1]
    (tmp_path / "first.json").write_text(json.dumps(first))
    used = set(builds_of(first["cells"][0]["peers"]["springg"]))
    assert len(used) == 1
    more = f"--peers springg,fake_peer:Partial --tuned {tmp_path / 'first.json'}"
    second = run("second.json", more)
    tried = {json.dumps(b["settings"]) for b in second["peers"]["springg"]["builds"]}
    assert tried == used
    assert [b["settings"] for b in second["peers"]["fake_peer:Partial"]["builds"]] == [
        {"works": True}
    ]
    assert [cell["ours"] for cell in second["cells"]] == ["springg"] * len(second["cells"])


def builds_of(row):
    return [json.dumps(row["build"])] if "build" in row else []


def test_the_ratio_is_that_of_the_fastest_of_ours():
    from contender import Contender, cell_of
    from tuning import Choice

    cell = (0.95, "single")
    speeds = {"springg": [10.0, 10.0], "springg-int8": [20.0, 30.0], "peer": [5.0, 10.0]}
    contenders = []
    for name in (*speeds, "slow"):
        contender = Contender(name, "", configurations=[{}], most_recall={"single": 0.9})
        if name in speeds:
            contender.best[cell] = Choice(0, "ef", 0, 10, 0.96, 1.0)
        contenders.append(contender)
    found = cell_of(contenders, cell, speeds)
    assert found["ours"] == "springg-int8"
    assert found["peers"]["peer"]["springg_over_this"] == {"median": 3.5, "min": 3, "max": 4}
    assert "springg_over_this" not in found["peers"]["springg"]
    assert found["peers"]["slow"]["most_recall"] == 0.9
    alone = cell_of(contenders[2:], cell, {"peer": [5.0]})
    assert alone["ours"] is None
    assert "springg_over_this" not in alone["peers"]["peer"]


def test_options_of_the_command_line(tmp_path):
    from compare import SHORT, parsed

    short = parsed(["--dataset", "x", "--short", "--builds", "2"])
    assert (short.builds, short.curve_points) == (2, SHORT["curve_points"])
    assert parsed(["--dataset", "x"]).builds == 3
    ours = ["springg", "springg-int8", "springg-int4"]
    assert parsed(["--dataset", "x", "--peers", "ngt"]).peers == [*ours, "ngt"]
    assert parsed(["--dataset", "x", "--peers", "ngt,springg"]).peers == ["ngt", "springg"]
    (tmp_path / "other.json").write_text("{}")
    for wrong in ("--peers nobody", "--pairs 0", f"--tuned {tmp_path / 'other.json'}"):
        with pytest.raises(SystemExit):
            parsed(["--dataset", "x", *wrong.split()])


def test_tables_go_between_the_markers_of_a_page(tmp_path):
    from plot import put_into

    page = tmp_path / "page.md"
    page.write_text("a\n<!-- begin one -->\nold\n<!-- end one -->\nb\n")
    put_into(page, {"one": "new \\1\n", "two": "not here\n"})
    expected = "a\n<!-- begin one -->\n\nnew \\1\n\n<!-- end one -->\nb\n"
    assert page.read_text() == expected
    put_into(page, {"one": "new \\1\n"})
    assert page.read_text() == expected
    with pytest.raises(SystemExit, match="none of the markers"):
        put_into(page, {"two": ""})
