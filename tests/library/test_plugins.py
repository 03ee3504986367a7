# SPDX-License-Identifier: MIT
"""springg as an algorithm of ann-benchmarks and as a database of VectorDBBench.

With these projects' own classes where their packages are importable, else with stand-ins.
"""

import copy
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
import textwrap

import numpy as np
import plugin_packages
import pytest

import springg

ROWS, DIMENSIONS, K = 600, 16, 10


@pytest.fixture
def rows(rng):
    return rng.standard_normal((ROWS, DIMENSIONS), dtype=np.float32)


@pytest.fixture
def queries(rng):
    return rng.standard_normal((20, DIMENSIONS), dtype=np.float32)


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """Modules found in tmp_path during a test, and forgotten after it."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("ann_benchmarks", "vectordb_bench"):
            del sys.modules[name]


def nearest(rows, query, metric, k=K):
    """Row numbers by float64 arithmetic, nearest first."""
    a, b = rows.astype(np.float64), query.astype(np.float64)
    if metric == "cosine":
        far = 1 - a @ b / np.linalg.norm(a, axis=1) / np.linalg.norm(b)
    else:
        far = np.linalg.norm(a - b, axis=1) if metric == "l2" else -(a @ b)
    return np.argsort(far, kind="stable")[:k].tolist()


# --- ann-benchmarks -----------------------------------------------------------------------------


@pytest.fixture
def algorithm(importable):
    plugin_packages.ann_benchmarks(importable)
    return importlib.import_module("ann_benchmarks.algorithms.springg.module").Springg


@pytest.mark.parametrize(("distance", "metric"), [("angular", "cosine"), ("euclidean", "l2")])
@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_ann_benchmarks_runs_it(algorithm, rows, queries, distance, metric, quantization):
    """The steps of its runner: fit, then for each query argument one query a call, and a batch."""
    built = algorithm(distance, {"m": 8, "ef_construction": 100, "quantization": quantization})
    try:
        built.fit(rows)
        truth = [nearest(rows, query, metric) for query in queries]
        for ef in (10, 400):
            built.set_query_arguments(ef)
            assert str(built) == f"springg(m=8, ef_construction=100, {quantization=!s}, ef={ef})"
            single = [built.query(query, K) for query in queries]
            assert all(len(found) == len(set(found)) == K for found in single)
            built.batch_query(queries, K)
            batch = built.get_batch_results()
            assert [found.tolist() for found in batch] == single
            # What its runner does with each: a Python int and a look-up in the rows.
            assert all(0 <= int(row) < ROWS for found in batch for row in found)
        assert single == truth  # a width of most rows misses none of so few
        assert built.get_additional()["springg_bytes"] > rows.nbytes
        built.fit(rows[:50])  # a second set: the first is let go of
        assert set(built.query(rows[3], 3)) <= set(range(50))
    finally:
        built.done()
        built.done()


def test_ann_benchmarks_asks_for_an_unknown_distance(algorithm):
    with pytest.raises(ValueError, match="no metric for 'jaccard': expected one of angular"):
        algorithm("jaccard", {})


def test_ann_benchmarks_configuration_is_what_the_constructor_takes():
    """config.yml, read by eye of a regular expression: yaml is no package of the tests."""
    text = (plugin_packages.PLUGINS / "ann_benchmarks/config.yml").read_text()
    assert "module: ann_benchmarks.algorithms.springg\n" in text
    assert "constructor: Springg\n" in text
    groups = re.findall(r"arg_groups: \[\{m: (\d+), ef_construction: (\d+), quantization:", text)
    assert len(groups) == 3
    with springg.open(":memory:") as db:
        for name, (m, width) in enumerate(groups):
            db.create_index(str(name), 4, m=int(m), ef_construction=int(width))


# --- VectorDBBench ------------------------------------------------------------------------------


@pytest.fixture
def bench(importable):
    """VectorDBBench with springg put into it, twice."""
    package = plugin_packages.vectordb_bench(importable)
    install = str(plugin_packages.PLUGINS / "vectordbbench/install.py")
    texts = []
    for _ in range(2):
        subprocess.run([sys.executable, install, str(package)], check=True, timeout=60)
        texts.append([p.read_text() for p in (package / "cli").glob("*.py")])
    assert texts[0] == texts[1]
    assert "cli.add_command(Springg)" in (package / "cli/vectordbbench.py").read_text()
    return importlib.import_module("vectordb_bench.backend.clients").DB.Springg


@pytest.fixture
def client(bench, tmp_path):
    """Makes clients as VectorDBBench's task runner does."""

    def make(drop_old=True, with_scalar_labels=False, metric="L2", **settings):
        config = bench.config_cls(db_label="", path=str(tmp_path / "data")).to_dict()
        case = bench.case_config_cls()(**settings)
        case.metric_type = metric
        return bench.init_cls(
            dim=DIMENSIONS,
            db_config=config,
            db_case_config=case,
            drop_old=drop_old,
            with_scalar_labels=with_scalar_labels,
        )

    return make


@pytest.fixture
def filters(bench):
    return importlib.import_module("vectordb_bench.backend.filter")


@pytest.mark.parametrize(
    ("metric", "ours"), [("L2", "l2"), ("COSINE", "cosine"), ("IP", "dot"), ("DP", "dot")]
)
def test_vectordbbench_inserts_optimises_and_searches(client, rows, queries, metric, ours):
    writer = client(metric=metric, ef_search=400, quantization="int8")
    with writer.init():
        for begin in range(0, ROWS, 100):
            ids = list(range(begin, begin + 100))
            assert writer.insert_embeddings(rows[begin : begin + 100].tolist(), ids) == (100, None)
        assert writer.search_embedding(queries[0].tolist(), K) == nearest(rows, queries[0], ours)
    with writer.init():
        writer.optimize(data_size=ROWS)
    reader = client(drop_old=False, metric=metric, ef_search=400)
    with reader.init():
        found = [reader.search_embedding(query.tolist(), K) for query in queries]
    assert found == [nearest(rows, query, ours) for query in queries]


def test_vectordbbench_filters(client, filters, rows, queries):
    labels = ["label_20p" if i % 5 == 0 else "label_80p" for i in range(ROWS)]
    db = client(with_scalar_labels=True)
    with db.init():
        assert db.insert_embeddings(rows.tolist(), list(range(ROWS)), labels_data=labels)[0] == ROWS
    for condition, passing in (
        (filters.NewIntFilter(filter_rate=0.5, int_value=300), range(300, ROWS)),
        (filters.LabelFilter(label_percentage=0.2), range(0, ROWS, 5)),
        (filters.non_filter, range(ROWS)),
    ):
        assert db.filter_supported(condition)
        db.prepare_filter(condition)  # VectorDBBench calls it before and in `init`
        with db.init():
            db.prepare_filter(condition)
            passing = np.asarray(passing)
            for query in (*queries, rows[300]):  # the first row that the first filter lets through
                expected = passing[nearest(rows[passing], query, "l2")].tolist()
                assert db.search_embedding(query.tolist(), K) == expected


def test_vectordbbench_keeps_and_drops(client, rows):
    db = client()
    with db.init():
        db.insert_embeddings(rows[:10].tolist(), list(range(10)))
        count, error = db.insert_embeddings(rows[:10].tolist(), list(range(5, 15)))
        assert count == 0  # all of a call or nothing of it
        assert isinstance(error, springg.AlreadyExists)
        assert len(db.search_embedding(rows[0].tolist(), 100)) == 10
    kept = client(drop_old=False)
    with kept.init():
        assert len(kept.search_embedding(rows[0].tolist(), 100)) == 10
    dropped = client(drop_old=True)
    with dropped.init():
        assert dropped.search_embedding(rows[0].tolist(), 100) == []


def test_vectordbbench_client_goes_into_other_processes(client, rows, tmp_path):
    """As its runners do it: pickled, and searched in another process beside the writer."""
    db = client(ef_search=400)
    script = textwrap.dedent("""
        import json, pickle, sys
        db = pickle.loads(bytes.fromhex(sys.argv[1]))
        with db.init():
            print(json.dumps(db.search_embedding(json.loads(sys.argv[2]), 10)))
    """)
    with db.init():
        db.insert_embeddings(rows.tolist(), list(range(ROWS)))
        words = [pickle.dumps(db).hex(), json.dumps(rows[7].tolist())]
        ran = subprocess.run(
            [sys.executable, "-c", script, *words],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"PYTHONPATH": ":".join(p for p in sys.path if p)},
        )
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout) == nearest(rows, rows[7], "l2")
        copied = copy.deepcopy(db)
    with pytest.raises(RuntimeError, match="call init"):
        copied.search_embedding(rows[0].tolist(), 1)


def test_vectordbbench_asks_for_an_unknown_metric(client):
    with pytest.raises(ValueError, match="no metric for HAMMING: expected one of COSINE"):
        client(metric="HAMMING")


@pytest.mark.parametrize("missing", ["backend/clients/__init__.py", "cli/vectordbbench.py"])
def test_install_refuses_what_it_does_not_know(tmp_path, missing):
    package = plugin_packages.vectordb_bench(tmp_path)
    (package / missing).write_text("# empty\n")
    install = str(plugin_packages.PLUGINS / "vectordbbench/install.py")
    ran = subprocess.run(
        [sys.executable, install, str(package)], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "does not look as expected" in ran.stderr
    assert not (package / "backend/clients/springg").exists()
