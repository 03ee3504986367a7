# SPDX-License-Identifier: MIT
"""Files that earlier releases wrote (tests/data/vN, each made by its make.py) are opened by this
one, and hold what was written then."""

from __future__ import annotations

import json
import pathlib
import re
import struct
import types
import uuid
import zipfile

import numpy as np
import pytest

import springg
from springg.evaluation import exact_neighbors

DATA = pathlib.Path(__file__).parents[1] / "data"
STORES = sorted(DATA.glob("v*/*.zip"))
FRAME_BYTES = 64  # of a frame's header


def key_of(entry):
    return uuid.UUID(entry["uuid"]) if isinstance(entry, dict) else entry


@pytest.fixture(scope="module", params=STORES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def archive(request):
    return request.param


@pytest.fixture
def store(archive, tmp_path):
    """A directory as the release left it."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture(scope="module")
def expected(archive):
    """By index: settings, keys, metadata, deleted, vectors."""
    indexes = json.loads(archive.with_suffix(".json").read_text(encoding="utf-8"))
    with np.load(archive.with_suffix(".npz")) as vectors:
        return {
            name: types.SimpleNamespace(
                settings=entry["settings"],
                ids=[key_of(key) for key in entry["ids"]],
                metadata=entry["metadata"],
                deleted=[key_of(key) for key in entry["deleted"]],
                vectors=vectors[name],
            )
            for name, entry in indexes.items()
        }


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def compare_rows(index, want):
    assert (index.dimensions, index.metric, index.dtype) == (
        want.settings["dimensions"],
        want.settings["metric"],
        want.settings["dtype"],
    )
    assert index.m == want.settings.get("m", 16)
    assert index.ef_construction == want.settings.get("ef_construction", 200)
    assert len(index) == len(want.ids)
    assert index.ids == want.ids
    rows = [record for batch in index.scan(64) for record in batch]
    assert [record.id for record in rows] == want.ids
    assert [record.metadata for record in rows] == want.metadata
    for record, vector in zip(rows, want.vectors, strict=True):
        np.testing.assert_array_equal(record.vector, vector)
    assert index.get(want.deleted) == [None] * len(want.deleted)
    if want.ids:
        np.testing.assert_array_equal(index.get_vectors(want.ids), want.vectors)


def compare_searches(index, want):
    if not want.ids:
        assert len(index.search(np.ones(index.dimensions), k=3)) == 0
        return
    queries = np.random.default_rng(5).standard_normal((4, index.dimensions), dtype=np.float32)
    k = min(10, len(want.ids))
    rows, distances = exact_neighbors(want.vectors, queries, k, index.metric)
    places = {key: i for i, key in enumerate(want.ids)}
    for options in ({"exact": True}, {"ef": 4096}):
        found = index.search(queries, k=k, include=("metadata",), **options)
        np.testing.assert_allclose(found.distances, distances, rtol=1e-4, atol=1e-5)
        for hits, nearest in zip(found, rows, strict=True):
            at = [places[key] for key in hits.ids]
            assert set(at) == set(nearest.tolist())
            assert hits.metadata == [want.metadata[i] for i in at]


def compare(db, expected):
    assert db.indexes() == sorted(expected)
    for name, want in expected.items():
        compare_rows(db[name], want)
        compare_searches(db[name], want)


def test_there_are_files_of_this_release():
    assert [path.stem for path in STORES if path.parent.name == "v1"] == ["closed", "crashed"]


def test_a_reader_finds_every_row_and_writes_nothing(store, expected):
    before = contents(store)
    with springg.open(store, read_only=True, threads=1) as db:
        compare(db, expected)
    assert contents(store) == before


def test_a_writer_finds_every_row_and_goes_on(store, expected):
    assert springg.check(store).ok
    with springg.open(store, threads=1) as db:
        compare(db, expected)
        for name, want in expected.items():
            db[name].upsert("a later release", np.ones(want.settings["dimensions"]))
        assert springg.check(store).ok
    assert springg.check(store).ok
    with springg.open(store, threads=1) as db:
        for name in expected:
            assert db[name].delete("a later release") == 1
            db[name].optimize()
        compare(db, expected)


def test_graphs_come_from_the_files(store, expected):
    with springg.open(store, read_only=True, threads=1) as db:
        for name, want in expected.items():
            found = db[name].search(np.ones(want.settings["dimensions"]), k=1, ef=1)
            if len(want.ids) >= 256:
                assert found.distances_computed < len(want.ids) / 2


# --- what the files must have, or they would not try the reader ---------------------------------


def sections(content):
    count = struct.unpack_from("<I", content, 56)[0]
    return {struct.unpack_from("<I", content, 128 + 32 * i)[0] for i in range(count)}


def record_types(content):
    """Of the frames of a log file, as docs/format.md has them."""
    at = FRAME_BYTES
    while content[at : at + 4] == b"FRAM":
        yield struct.unpack_from("<H", content, at + 44)[0]
        payload = struct.unpack_from("<I", content, at + 4)[0]
        at += FRAME_BYTES + (payload + 7) // 8 * 8 + 8


def v1_files(state):
    with zipfile.ZipFile(DATA / f"v1/{state}.zip") as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.mark.parametrize("state", ["closed", "crashed"])
def test_v1_has_a_delta_and_sections_of_every_kind(state):
    files = v1_files(state)
    segments = [content for name, content in files.items() if name.endswith(".segment")]
    assert set().union(*map(sections, segments)) == set(range(1, 9))
    assert any(name.endswith(".delta") for name in files)


def test_v1_has_records_of_every_kind_in_two_files_of_the_log():
    is_log = re.compile(r"wal-\d+\.log").fullmatch
    logs = [content for name, content in v1_files("crashed").items() if is_log(name)]
    assert len(logs) == 2
    assert {kind for log in logs for kind in record_types(log)} == {1, 2, 3, 4}
    assert not any(map(is_log, v1_files("closed")))
