# SPDX-License-Identifier: MIT
"""An index into files of the Go Springg, byte for byte as it writes them."""

import hashlib
import json
import pathlib
import struct
import uuid

import numpy as np
import pytest

import springg
from springg._go_json import go_json, go_number
from springg._go_vectors import normalised

FIXTURES = pathlib.Path(__file__).parents[1] / "data/springg1"
GOLDEN_M = {
    "published_date": "2024-01-15",
    "modified_date": "",
    "custom": {
        "z": 1e21,
        "y": 0.000001,
        "x": 1e-7,
        "n": 100,
        "big": 12345678901234567890,
        "f": 1.0,
        "t": "<b>&'\"\\/",
        "u": "\u2028é日😀",
        "c": "\b\f\n\r\t\x01\x7f",
        "nul": None,
        "yes": True,
        "arr": [1, "a", {"z": 1, "a": 2.5}],
        "e": {},
        "": "empty key",
    },
}
# As the description of the Go program has them: rows added in this order, hash of block 0.
GOLDEN = {
    "g1": (
        [("a", [1, 2, 2], None)],
        "5b87fbe4531dc00967683587c5fa654b5edf0995457c5101fdd56e2b23864fe7",
    ),
    "g2": (
        [("a", [1, 2, 2], {})],
        "f762f30b595d54c2111ad7a1da1076bb5871853829b064b68783b4ae0635e2e3",
    ),
    "g3": (
        [("a", [1, 2, 2], GOLDEN_M)],
        "6f47a7a424858447a6cb5bbda61664ac04fdfb16a5b8e78040674e1923617431",
    ),
    "g4": (
        [
            ("b", [0, 3, 4], None),
            ("a", [1, 2, 2], None),
            ("B", [3, 0, 4], {"modified_date": "m"}),
            ("é", [0, 0, 0], None),
            ("aa", [-1, 0.1, 1e-20], {"custom": {}}),
        ],
        "09b7f61323230bf65e280140a205f7bf747460fc14e95f431ed5e924e651e0f8",
    ),
}


@pytest.fixture
def index(db):
    return db.create_index("x", 3)


def add(index, rows):
    ids, vectors, metadata = zip(*rows, strict=True)
    index.add(list(ids), np.array(vectors, np.float32), list(metadata))


def block_hashes(path):
    """The hashes that a Go node computes of a .bin and its .meta."""
    data = path.read_bytes()
    assert data[:12] == b"SPRINGG1" + struct.pack("<I", 1)
    width, count = struct.unpack_from("<II", data, 12)
    meta = path.with_suffix(".meta")
    # All numbers are floats to Go; -0 would lose its sign as an integer.
    text = meta.read_text() if meta.exists() else "{}"
    records = json.loads(text, parse_int=float)
    hashes, at = [], 32
    for row in range(count):
        if row % 1000 == 0:
            hashes.append(hashlib.sha256())
        (size,) = struct.unpack_from("<I", data, at)
        name = data[at + 4 : at + 4 + size]
        hashes[-1].update(data[at + 4 : at + 4 + size + 4 * width])
        if name.decode() in records:
            hashes[-1].update(go_json(records[name.decode()], sort=False).encode())
        at += 4 + size + 4 * width
    assert at == len(data)
    return [each.hexdigest() for each in hashes]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vectors_as_they_were_sent(index, tmp_path, name):
    rows, wanted = GOLDEN[name]
    add(index, rows)
    path = tmp_path / "x.bin"
    assert index.export_file(path, normalise=True) == len(rows)
    assert path.read_bytes() == (FIXTURES / f"{name}.bin").read_bytes()
    meta = FIXTURES / f"{name}.meta"
    assert path.with_suffix(".meta").exists() == meta.exists()
    if meta.exists():
        assert path.with_suffix(".meta").read_bytes() == meta.read_bytes()
    assert block_hashes(path) == [wanted]


@pytest.mark.parametrize("name", [*GOLDEN, "g5"])
def test_golden_files_come_back(index, tmp_path, name):
    index.import_file(FIXTURES / f"{name}.bin")
    index.export_file(tmp_path / name, format="springg1")
    for path in (tmp_path / f"{name}.bin", tmp_path / f"{name}.meta"):
        there = FIXTURES / path.name
        assert path.exists() == there.exists()
        assert not there.exists() or path.read_bytes() == there.read_bytes()


def test_bytes_of_the_description(index, tmp_path):
    index.add(["a"], [[3, 0, 4]])
    index.export_file(tmp_path / "x.bin")
    assert (tmp_path / "x.bin").read_bytes().hex() == (
        "535052494e4747310100000003000000010000000000000000000000000000000100000061"
        "000040400000000000008040"
    )
    index.update(["a"], vectors=[[1, 2, 2]], metadata=[{}])
    index.export_file(tmp_path / "x.bin", normalise=True)
    assert (tmp_path / "x.bin").read_bytes().hex() == (
        "535052494e4747310100000003000000010000000000000000000000000000000100000061"
        "abaaaa3eabaa2a3fabaa2a3f"
    )
    assert (tmp_path / "x.meta").read_bytes() == b'{\n  "a": {}\n}'


def test_blocks_of_many_rows(db, tmp_path):
    index = db.create_index("many", 2)
    index.add([f"v{k:04}" for k in range(2001)], [[k, 1] for k in range(2001)])
    index.export_file(tmp_path / "many.bin", normalise=True)
    assert block_hashes(tmp_path / "many.bin") == [
        "4f8348ecdd8e70a67ab9552b3ca4bc2abc2f4df4c9906e53516cd3ac388b775c",
        "b0f33a767ddf4035445d6ddc9491ebd9bb9d7dfd54d58d1f67d51c82cd7094fb",
        "58930b2d1bc0d720f8d147911ae0506f15e25d46a1b2112fcd6cffefb54ea5a4",
    ]


def test_bits_come_back_whatever_the_order(db, tmp_path, rng):
    index, again = db.create_index("one", 24), db.create_index("two", 24)
    rows = rng.standard_normal((3000, 24), dtype=np.float32)
    rows[0, 0] = -0.0
    ids = [f"{i:x} ä" for i in rng.permutation(3000)]
    index.add(ids, rows, [{"custom": {"i": i}} if i % 3 else None for i in range(3000)])
    assert index.export_file(tmp_path / "x.bin") == 3000
    assert again.import_file(tmp_path / "x.bin") == 3000
    assert again.ids == sorted(ids, key=str.encode)
    assert again.get_vectors(ids).tobytes() == rows.tobytes()
    assert [again[i].metadata for i in ids] == [index[i].metadata for i in ids]


# Which files there are afterwards


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_stood_there_goes(index, tmp_path):
    for name in ("x.bin", "x.meta", "x.wal", "x.bin.tmp", "x.meta.tmp", "y.wal"):
        (tmp_path / name).write_text("old")
    index.add(["a"], [[1, 0, 0]])
    index.export_file(tmp_path / "x.bin")
    assert names(tmp_path) == ["x.bin", "y.wal"]
    index.update(["a"], metadata=[{"custom": {"k": 1}}])
    index.export_file(tmp_path / "x", format="springg1")
    assert names(tmp_path) == ["x.bin", "x.meta", "y.wal"]


def test_a_crash_in_between_leaves_what_an_import_understands(index, db, tmp_path, monkeypatch):
    add(index, [("a", [1, 0, 0], {"published_date": "old"})])
    index.export_file(tmp_path / "x.bin")
    index.update(["a"], metadata=[{"published_date": "new"}])
    steps = []
    rename = pathlib.Path.replace

    def crash_at_last(self, target):
        steps.append(pathlib.Path(target).name)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", crash_at_last)
    with pytest.raises(KeyboardInterrupt):
        index.export_file(tmp_path / "x.bin")
    assert steps == ["x.bin.tmp", "x.meta.tmp", "x.bin", "x.meta"]
    again = db.create_index("again", 3)
    again.import_file(tmp_path / "x.bin")
    assert again["a"].metadata == {"published_date": "new"}


def test_a_failed_export_leaves_the_old_files(index, tmp_path):
    index.add(["1"], [[1, 0, 0]])
    index.export_file(tmp_path / "x.bin")
    old = (tmp_path / "x.bin").read_bytes()
    index.add([1], [[0, 1, 0]])
    with pytest.raises(springg.InvalidArgument, match="two ids have the text '1'"):
        index.export_file(tmp_path / "x.bin")
    assert names(tmp_path) == ["x.bin"]
    assert (tmp_path / "x.bin").read_bytes() == old
    with pytest.raises(springg.IoError, match=r"cannot write .*no/x.bin: No such file"):
        index.export_file(tmp_path / "no" / "x.bin")


def test_an_empty_index(index, tmp_path):
    assert index.export_file(tmp_path / "x.bin") == 0
    assert (tmp_path / "x.bin").read_bytes() == (b"SPRINGG1" + struct.pack("<III12x", 1, 3, 0))
    assert index.import_file(tmp_path / "x.bin") == 0


def test_normalise_goes_with_this_format_alone(index, tmp_path):
    with pytest.raises(springg.InvalidArgument, match=r"springg1 alone, got \.npy"):
        index.export_file(tmp_path / "x.npy", normalise=True)
    with pytest.raises(TypeError, match="normalise must be a bool"):
        index.export_file(tmp_path / "x.bin", normalise=1)


# What Go has no form for


def test_ids_become_their_text(db, index, tmp_path):
    name = uuid.UUID(int=7)
    index.add([12, name, "é"], np.eye(3))
    index.export_file(tmp_path / "x.bin")
    again = db.create_index("again", 3)
    again.import_file(tmp_path / "x.bin")
    assert again.ids == [str(name), "12", "é"]


@pytest.mark.parametrize(
    ("metadata", "record"),
    [
        ({"year": 2020, "tag": "x"}, {"custom": {"tag": "x", "year": 2020}}),
        ({"published_date": "d", "year": 1}, {"published_date": "d", "custom": {"year": 1}}),
        ({"published_date": 5}, {"custom": {"published_date": 5}}),
        ({"custom": 5}, {"custom": {"custom": 5}}),
        ({"custom": {"a": 1}, "b": 2}, {"custom": {"custom": {"a": 1}, "b": 2}}),
        ({"modified_date": "m", "custom": {"a": 1}}, {"modified_date": "m", "custom": {"a": 1}}),
    ],
)
def test_metadata_become_records(db, index, tmp_path, metadata, record):
    add(index, [("a", [1, 0, 0], metadata)])
    index.export_file(tmp_path / "x.bin")
    assert json.loads((tmp_path / "x.meta").read_text()) == {"a": record}
    again = db.create_index("again", 3)
    again.import_file(tmp_path / "x.bin")
    assert again["a"].metadata == record


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (2**53 + 1, "9007199254740992"),
        (12345678901234567890, "12345678901234567000"),
        (123456789.125, "123456789.125"),
        (1e16, "10000000000000000"),
        (1e20, "100000000000000000000"),
        (9.999999999999999e20, "999999999999999900000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (1.25e-6, "0.00000125"),
        (9.99e-7, "9.99e-7"),
        (1e-10, "1e-10"),
        (5e-324, "5e-324"),
    ],
)
def test_numbers_as_go_writes_them(number, text):
    assert go_number(number) == text


def test_indented_containers():
    value = {"b": [], "a": {}, "c": [1, {"x": []}]}
    assert go_json(value) == '{"a":{},"b":[],"c":[1,{"x":[]}]}'
    assert go_json(value, "") == (
        '{\n  "a": {},\n  "b": [],\n  "c": [\n    1,\n    {\n      "x": []\n    }\n  ]\n}'
    )


def test_lengths_that_float32_cannot_hold():
    rows = np.array([[3e38, 3e38, 0], [1e-30, 0, 0], [0, 0, 0], [1e-6, 0, 0]], np.float32)
    assert normalised(rows).tolist() == [[0, 0, 0], rows[1].tolist(), [0, 0, 0], [1, 0, 0]]
