#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes golden files with the release of springg that is installed (docs/testing.md).

    make.py DIRECTORY

Two databases, each as STATE.zip with what must come back from it: STATE.json has settings, ids and
metadata in insertion order, STATE.npz the vectors. `closed` was closed; the process of `crashed`
ended without that, so that its log has a tail of records of every kind. What must come back is this
script's own record of what it wrote, and was not read from springg. Rows follow from fixed seeds;
uuids, salts and times are of the day.
"""

import json
import os
import pathlib
import subprocess
import sys
import uuid
import zipfile

import numpy as np

import springg

ZIP_TIME = (2024, 1, 1, 0, 0, 0)


class Recorded:
    """An index, and what it must hold: rows in insertion order, and ids that are gone."""

    def __init__(self, db, name, dimensions, **settings):
        self.index = db.create_index(name, dimensions, **settings)
        self.settings = {"dimensions": dimensions, "metric": "cosine", "dtype": "float32"}
        self.settings |= settings
        self.rows = {}
        self.deleted = set()

    def _stored(self, vector):
        return np.asarray(vector, self.settings["dtype"]).astype(np.float32)

    def upsert(self, ids, vectors, metadata=None):
        self.index.upsert(ids, vectors, metadata)
        for i, key in enumerate(ids):
            self.rows.pop(key, None)
            self.deleted.discard(key)
            self.rows[key] = (self._stored(vectors[i]), metadata[i] if metadata else None)

    def move(self, ids, vectors):
        """New vectors, the same metadata."""
        self.index.update(ids, vectors=vectors)
        for i, key in enumerate(ids):
            self.rows[key] = (self._stored(vectors[i]), self.rows.pop(key)[1])

    def patch(self, ids, metadata):
        self.index.update(ids, metadata=metadata)
        for key, document in zip(ids, metadata, strict=True):
            self.rows[key] = (self.rows[key][0], document)

    def delete(self, ids):
        self.index.delete(ids)
        for key in ids:
            del self.rows[key]
            self.deleted.add(key)


def uuids(count):
    return [uuid.uuid5(uuid.NAMESPACE_URL, f"springg/{i}") for i in range(count)]


def documents(count, text):
    return [
        None if i % 3 == 0 else {text: i, "half": i / 2, "é": ["x", None]} for i in range(count)
    ]


def fill_four(db, rng):
    """One index for each metric, with every type of id and of element, in segments and deltas."""
    four = {
        "cosine": Recorded(db, "cosine", 12, m=8, ef_construction=40, seed=3),
        "dot": Recorded(db, "dot", 7, metric="dot", dtype="float16"),
        "l2": Recorded(db, "l2", 5, metric="l2"),
        "manhattan": Recorded(db, "manhattan", 3, metric="manhattan", dtype="float16"),
        "empty": Recorded(db, "empty", 2),
    }

    def rows(name, count):
        return rng.standard_normal((count, four[name].settings["dimensions"]), dtype=np.float32)

    vectors = rows("cosine", 300)  # enough for a graph
    vectors[7] = 0
    four["cosine"].upsert(list(range(300)), vectors, documents(300, "n"))
    words = [f"word {i}" if i % 2 else f"слово {i}" for i in range(40)]
    four["dot"].upsert(words, rows("dot", 40), documents(40, "w"))
    mixed = [1, "1", 2**64 - 1, "x" * 512, *uuids(3), "deleted", 1000]
    four["l2"].upsert(mixed, rows("l2", 9), documents(9, "m"))
    four["manhattan"].upsert(uuids(20), rows("manhattan", 20))
    db.flush()
    # From here on in deltas, and in a second segment of the first index.
    four["cosine"].delete(list(range(10, 30)))
    four["cosine"].patch([5, 6], [{"patched": True}, {}])
    four["cosine"].upsert([5000, 1], rows("cosine", 2), [{"late": "yes"}, None])
    four["l2"].delete(["deleted"])
    four["manhattan"].delete(uuids(20)[3:5])
    db.flush()
    return four, rows


def make_closed(db, rng):
    four, rows = fill_four(db, rng)
    gone = Recorded(db, "gone", 2)
    gone.upsert([1, 2], np.eye(2))
    db.drop_index("gone")
    four["dot"].index.optimize()
    four["l2"].move(["1"], rows("l2", 1))
    return four


def make_crashed(db, rng):
    four, rows = fill_four(db, rng)
    cleared = Recorded(db, "cleared", 4, metric="l2")
    cleared.upsert([1, 2, 3], np.ones((3, 4), np.float32))
    # From here on in the log alone.
    four["cosine"].upsert(list(range(290, 310)), rows("cosine", 20), documents(20, "log"))
    four["cosine"].delete([0, 299, 301, 305])
    four["cosine"].patch([5, 50, 302], [{"again": 1}, {"log": [1, 2]}, {}])
    four["cosine"].move([5, 51], rows("cosine", 2))
    four["dot"].upsert(["late", "word 1"], rows("dot", 2), [{"late": True}, None])
    four["l2"].upsert([uuids(30)[29], "1", 1], rows("l2", 3), documents(3, "log"))
    four["manhattan"].delete(uuids(20)[:2])
    cleared.index.clear()
    cleared.rows.clear()
    cleared.deleted = {1, 2, 3}
    cleared.upsert([3, 4], np.eye(4, dtype=np.float32)[:2])
    # Wide rows, nearly all zeros so that they compress: over 1 MiB of them take the log into its
    # second file, and over 8 MiB in one call go into a file beside it.
    wide = Recorded(db, "wide", 65_536, metric="l2")
    sparse = np.zeros((40, 65_536), np.float32)
    sparse[np.arange(40), np.arange(40) * 1000] = np.arange(1, 41)
    wide.upsert([1, 2], sparse[:2], documents(2, "wide"))
    wide.upsert([1, 3, 4], sparse[2:5])
    wide.upsert([f"row {i}" for i in range(34)] + [4], sparse[5:40], documents(35, "beside"))
    wide.delete(["row 5", 2])
    # Names of indexes are in the manifest alone, so that the log has to follow them.
    db.rename_index("dot", "renamed")
    four["renamed"] = four.pop("dot")
    return {**four, "cleared": cleared, "wide": wide}


MAKERS = {"closed": make_closed, "crashed": make_crashed}


def as_json(key):
    return {"uuid": str(key)} if isinstance(key, uuid.UUID) else key


def write_expected(target, state, indexes):
    expected, vectors = {}, {}
    for name, recorded in indexes.items():
        expected[name] = {
            "settings": recorded.settings,
            "ids": [as_json(key) for key in recorded.rows],
            "metadata": [row[1] for row in recorded.rows.values()],
            "deleted": [as_json(key) for key in sorted(recorded.deleted, key=str)],
        }
        width = recorded.settings["dimensions"]
        rows = [row[0] for row in recorded.rows.values()]
        vectors[name] = np.asarray(rows, np.float32).reshape(-1, width)
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (target / f"{state}.json").write_text(text + "\n", encoding="utf-8")
    np.savez_compressed(target / f"{state}.npz", **vectors)


def make_state(target, state):
    db = springg.open(target / state, threads=1)
    indexes = MAKERS[state](db, np.random.default_rng(1))
    write_expected(target, state, indexes)
    if state == "crashed":
        os._exit(0)
    db.close()


def pack(directory, archive):
    """A zip, because files of the log are written full of zeros ahead."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(directory.iterdir()):
            entry = zipfile.ZipInfo(path.name, ZIP_TIME)
            packed.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)
            path.unlink()
    directory.rmdir()


def main():
    target = pathlib.Path(sys.argv[1])
    if len(sys.argv) == 3:
        make_state(target, sys.argv[2])
        return
    target.mkdir(parents=True, exist_ok=True)
    for state in MAKERS:
        # A process each: one of them has to end without a close.
        subprocess.run([sys.executable, __file__, str(target), state], check=True)
        pack(target / state, target / f"{state}.zip")


if __name__ == "__main__":
    main()
