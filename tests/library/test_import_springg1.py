# SPDX-License-Identifier: MIT
"""The Go Springg's NAME.bin, NAME.meta and NAME.wal into an index, also after its crashes."""

import json
import os
import pathlib
import shutil
import struct

import numpy as np
import pytest

import springg
from springg import importing_springg1
from springg.importing import read_queries

FIXTURES = pathlib.Path(__file__).parents[1] / "data/springg1"
THIRDS = np.array([1 / 3, 2 / 3, 2 / 3], np.float32)


@pytest.fixture
def index(db):
    return db.create_index("x", 3)


def bin_file(rows, width=3, **fields):
    """A .bin of ids (text or bytes) and vectors."""
    count = fields.get("count", len(rows))
    head = b"SPRINGG1" + struct.pack("<III12x", fields.get("version", 1), width, count)
    parts = [head]
    for name, vector in rows:
        name = name.encode() if isinstance(name, str) else name
        parts.append(struct.pack("<I", len(name)) + name + np.asarray(vector, "<f4").tobytes())
    return b"".join(parts)


def go_files(folder, rows=(("a", [0.6, 0, 0.8]),), *, meta=None, wal=None, **fields):
    """Write the files of one index; returns the .bin."""
    path = folder / "go.bin"
    path.write_bytes(bin_file(rows, **fields))
    if meta is not None:
        text = meta if isinstance(meta, str) else json.dumps(meta, indent=2)
        path.with_suffix(".meta").write_text(text)
    if wal is not None:
        path.with_suffix(".wal").write_bytes(b"".join(map(line, wal)))
    return path


def line(entry):
    return entry if isinstance(entry, bytes) else json.dumps(entry).encode() + b"\n"


def put(identifier, vector=(0.6, 0.0, 0.8), op="add", **more):
    return {"op": op, "id": identifier, "vector": list(vector), **more}


def contents(index):
    return {i: (index[i].vector.tolist(), index[i].metadata) for i in index.ids}


# What the Go program wrote


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("g1", {"a": (THIRDS, None)}),
        ("g2", {"a": (THIRDS, {})}),
        (
            "g4",
            {
                "B": ([0.6, 0, 0.8], {"modified_date": "m"}),
                "a": (THIRDS, None),
                "aa": ([-0.99503714, 0.09950372, 9.950371e-21], {}),
                "b": ([0, 0.6, 0.8], None),
                "é": ([0, 0, 0], None),
            },
        ),
        ("g5", {"a": ([3, 0, 4], None)}),
    ],
)
def test_golden_files(index, name, rows):
    assert index.import_file(FIXTURES / f"{name}.bin") == len(rows)
    wanted = {i: (np.asarray(v, np.float32).tolist(), m) for i, (v, m) in rows.items()}
    assert contents(index) == wanted


def test_numbers_and_text_of_metadata(index):
    index.import_file(FIXTURES / "g3.bin")
    record = index["a"].metadata
    assert record.keys() == {"published_date", "custom"}
    custom = record["custom"]
    assert (custom["big"], type(custom["big"])) == (float(12345678901234567890), float)
    assert (custom["n"], type(custom["n"])) == (100, int)
    assert (custom["z"], custom["y"], custom["x"], custom["f"]) == (1e21, 1e-6, 1e-7, 1)
    assert custom["t"] == "<b>&'\"\\/"
    assert custom["u"] == "\u2028é日😀"
    assert custom["c"] == "\b\f\n\r\t\x01\x7f"
    assert (custom["nul"], custom["yes"], custom["e"]) == (None, True, {})
    assert custom["arr"] == [1, "a", {"z": 1, "a": 2.5}]
    assert custom[""] == "empty key"


LOGGED = {
    "kept": ([3, 0, 4], {"modified_date": "<new>"}),
    "new": ([0.77151674, 0.15430336, 0.6172134], {"custom": {"t": "second", "z": 0.0}}),
}


@pytest.mark.parametrize(
    "name",
    ["logged", "doubled", "runaway", "restarted", "renames", "half_renamed", "not_emptied"],
)
def test_state_after_a_crash(index, name):
    report = index.import_file(FIXTURES / f"{name}.bin")
    assert (report, report.skipped) == (2, [])
    wanted = {i: (np.asarray(v, np.float32).tolist(), m) for i, (v, m) in LOGGED.items()}
    assert contents(index) == wanted
    assert np.signbit(index["new"].metadata["custom"]["z"])


@pytest.mark.parametrize("ending", [".bin", ".meta", ".wal", ""])
def test_each_file_stands_for_all(index, tmp_path, ending):
    path = go_files(tmp_path, meta={"a": {"published_date": "d"}}, wal=[put("b")])
    assert index.import_file(str(path)[:-4] + ending) == 2
    assert index["a"].metadata == {"published_date": "d"}


def test_files_that_are_not_there(index, tmp_path):
    assert index.import_file(go_files(tmp_path)) == 1
    assert contents(index) == {"a": (np.float32([0.6, 0, 0.8]).tolist(), None)}
    with pytest.raises(springg.IoError, match=r"cannot read .*no.bin: No such file"):
        index.import_file(tmp_path / "no.wal")


def test_fields(db, tmp_path):
    path = go_files(
        tmp_path,
        meta={"a": {"published_date": "d", "custom": {"n": 1}}},
        wal=[put("b", metadata={"custom": {"n": 2}})],
    )
    flat, dates, none = (db.create_index(name, 3) for name in ("flat", "dates", "none"))
    flat.import_file(path, metadata="custom")
    assert [flat[i].metadata for i in ("a", "b")] == [{"n": 1}, {"n": 2}]
    dates.import_file(path, metadata=["published_date"])
    assert [dates[i].metadata for i in ("a", "b")] == [{"published_date": "d"}, None]
    none.import_file(path, metadata=())
    assert [none[i].metadata for i in ("a", "b")] == [None, None]
    assert read_queries(path, 3).shape == (2, 3)


def test_large_files_are_gathered_on_disk(index, tmp_path, monkeypatch):
    monkeypatch.setattr(importing_springg1, "GATHERED_IN_MEMORY", 1000)
    monkeypatch.setattr(importing_springg1, "ROWS_AT_ONCE", 7)
    rows = np.random.default_rng(1).standard_normal((500, 3)).astype(np.float32)
    path = go_files(
        tmp_path,
        [(f"row {i}", row) for i, row in enumerate(rows)],
        wal=[{"op": "delete", "id": "row 9"}, put("row 3", op="update"), put("last")],
    )
    calls = []
    assert index.import_file(path, progress=lambda done, total: calls.append(total)) == 500
    assert calls[-1] == 500
    kept = [i for i in range(500) if i not in (3, 9)]
    assert index.ids == [*(f"row {i}" for i in kept), "row 3", "last"]
    assert np.array_equal(index.vectors[:498], rows[kept])


# The log


def test_deletes_replacements_and_dropped_metadata(index, tmp_path):
    path = go_files(
        tmp_path,
        [("a", [1, 0, 0]), ("b", [0, 1, 0]), ("c", [0, 0, 1])],
        meta={"a": {"published_date": "1"}, "b": {"published_date": "2"}},
        wal=[
            {"op": "delete", "id": "c"},
            put("a", (3, 0, 4), "update"),
            {"op": "delete", "id": "unknown"},
            put("d", (0, 0, 1), metadata={}),
            put("e"),
            {"op": "delete", "id": "e"},
        ],
    )
    index.import_file(path)
    assert contents(index) == {
        "b": ([0, 1, 0], {"published_date": "2"}),
        "a": ([3, 0, 4], None),
        "d": ([0, 0, 1], {}),
    }


def test_an_add_that_is_not_of_unit_length_is_normalised_as_go_would(index, tmp_path):
    index.import_file(go_files(tmp_path, wal=[put("b", (1, 2, 2))]))
    assert np.array_equal(index["b"].vector, THIRDS)


@pytest.mark.parametrize("cut", range(1, 70, 9))
def test_a_cut_last_line(index, tmp_path, cut):
    whole = line(put("b", (0.0, 1.0, 0.0), metadata={"custom": {"k": "ä"}}))
    path = go_files(tmp_path, wal=[put("c"), whole[:cut]])
    report = index.import_file(path)
    assert index.ids == ["a", "c"]
    assert report.skipped == [(2, "go.wal: a write that a crash cut is left out")]


def test_a_last_line_that_lacks_its_end_alone(index, tmp_path):
    report = index.import_file(go_files(tmp_path, wal=[line(put("b"))[:-1]]))
    assert (index.ids, report.skipped) == (["a", "b"], [])


def test_what_was_written_after_a_cut_is_read(index, tmp_path):
    nested = {"custom": {"x": {"op": "y"}}}
    cut = json.dumps(put("b", metadata=nested), separators=(",", ":")).encode()[:-2]
    after = json.dumps(put("c", metadata=nested), separators=(",", ":")).encode()
    path = go_files(tmp_path, wal=[cut + after + b"\n", put("d")])
    report = index.import_file(path)
    assert index.ids == ["a", "c", "d"]
    assert index["c"].metadata == nested
    assert report.skipped == [(1, "go.wal: a write that a crash cut is left out")]


def test_a_line_of_a_megabyte(db, tmp_path):
    wide = db.create_index("wide", 60_000)
    rng = np.random.default_rng(3)
    vector = rng.standard_normal(60_000).astype(np.float32)
    entry = put("b", [float(str(x)) for x in vector], "update")
    path = go_files(tmp_path, [("a", vector)], width=60_000, wal=[entry])
    assert path.with_suffix(".wal").stat().st_size > 600_000
    path.with_suffix(".wal").write_bytes(line(entry)[:-2] + b" " * 1_000_000 + b"}\n")
    assert wide.import_file(path) == 2
    assert np.array_equal(wide["b"].vector, vector)


def test_decimals_are_rounded_once(index, tmp_path):
    # Just above the middle of two float32: as a float64 it is the middle, which is even below.
    text = b'{"op":"update","id":"b","vector":[1.000000059604644775390626,1,-1e-45]}\n'
    index.import_file(go_files(tmp_path, wal=[text]))
    assert index["b"].vector.tolist() == [np.nextafter(np.float32(1), np.float32(2)), 1, -(2**-149)]


BAD_LINES = {
    "no json": (b"nonsense\n", "is not valid JSON"),
    "no object": (b"[1]\n", "must be a JSON object, got list"),
    "op": ({"op": "put", "id": "b"}, "op must be 'add', 'update' or 'delete', got 'put'"),
    "no id": ({"op": "delete"}, "id must be text, got NoneType"),
    "empty id": (put(""), "id must not be empty"),
    "no vector": ({"op": "add", "id": "b"}, "must be a list of numbers, got NoneType"),
    "width": (put("b", (1, 2)), "expected 3, got 2"),
    "null": (put("b", (1, 2, None)), "flat list of numbers"),
    "beyond float32": (put("b", (1, 2, 1e39)), "element 2 is 1e.39"),
    "nan": (b'{"op":"add","id":"b","vector":[NaN,0,0]}\n', "NaN is not a JSON number"),
    "twice": (b'{"op":"add","id":"b","id":"c","vector":[1,0,0]}\n', "key 'id' stands twice"),
    "surrogate": (b'{"op":"delete","id":"\\ud800"}\n', "lone surrogate"),
    "not utf-8": (b'{"op":"delete","id":"\xff"}\n', "is not UTF-8"),
    "metadata": (put("b", metadata=[1]), "metadata must be a JSON object, got list"),
    "date": (put("b", metadata={"published_date": 1}), "published_date must be text, got int"),
    "custom": (put("b", metadata={"custom": "x"}), "custom must be an object, got str"),
    "behind": (b'{"op":"delete","id":"b"} {}\n', "Extra data"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_lines(index, tmp_path, name):
    bad, reason = BAD_LINES[name]
    path = go_files(tmp_path, wal=[put("c"), bad, put("d")])
    with pytest.raises(springg.InvalidArgument, match=rf"go\.wal, line 2: .*{reason}") as caught:
        index.import_file(path)
    assert caught.value.details["line"] == 2
    assert len(index) == 0
    report = index.import_file(path, on_error="skip")
    assert (report, index.ids) == (3, ["a", "c", "d"])
    [(number, told)] = report.skipped
    assert number == 2
    assert told.startswith("go.wal: ")


def test_rows_that_the_index_refuses_are_named_by_their_file(index, tmp_path):
    path = go_files(tmp_path, [("a", [1, 0, 0]), ("b", [0, 1, 0])], wal=[put("c"), put("d" * 513)])
    index.add(["c"], [[1, 1, 1]])
    with pytest.raises(springg.InvalidArgument, match=r"go.wal, line 2: id must be at most 512"):
        index.import_file(path)
    report = index.import_file(path, on_error="skip")
    assert index.ids == ["c", "a", "b"]
    assert report.skipped == [
        (1, "go.wal: id 'c' exists already"),
        (2, "go.wal: id must be at most 512 UTF-8 bytes, got 513"),
    ]
    with pytest.raises(springg.AlreadyExists, match=r"go.bin, line 1: id 'a'"):
        index.import_file(go_files(tmp_path, wal=[]))


# The .bin


def test_bad_ids_and_vectors_of_records(index, tmp_path):
    rows = [("a", [1, 0, 0]), (b"\xff", [1, 0, 0]), ("", [1, 0, 0]), ("d", [1, np.inf, 0])]
    path = go_files(tmp_path, [*rows, ("a", [0, 0, 1])])
    with pytest.raises(springg.InvalidArgument, match=r"go.bin, line 2: id is not UTF-8"):
        index.import_file(path)
    assert len(index) == 0
    report = index.import_file(path, on_error="skip")
    assert [row.line for row in report.skipped] == [2, 3, 4, 5]
    assert index.ids == ["a"]


def test_damage_is_an_error_whatever_was_asked(index, tmp_path):
    path = tmp_path / "go.bin"
    whole = bin_file([("a", [1, 0, 0]), ("b", [0, 1, 0])])
    for data in (b"", b"SPRINGG2" + whole[8:], whole[:-1], whole + b"x", bin_file([], count=2)):
        path.write_bytes(data)
        with pytest.raises(springg.Corruption, match=r"go\.bin: .* at byte \d+"):
            index.import_file(path, on_error="skip")
    path.write_bytes(bin_file([], version=2))
    with pytest.raises(springg.Unsupported, match="expected 1, got 2"):
        index.import_file(path)
    path.write_bytes(bin_file([], width=4))
    with pytest.raises(springg.DimensionMismatch, match=r"go\.bin: .*expected 3, got 4"):
        index.import_file(path)


def test_a_bin_that_changes_meanwhile(index, tmp_path, monkeypatch):
    path = go_files(tmp_path)

    def save_comes_between(*arguments):
        path.write_bytes(bin_file([("b", [1, 0, 0])] * 2))
        return {}

    monkeypatch.setattr(importing_springg1, "read_metadata", save_comes_between)
    with pytest.raises(springg.Unavailable, match="was replaced while it was read"):
        index.import_file(path)


# The .meta


def test_parts_that_go_drops(index, tmp_path):
    meta = {"a": {"published_date": "", "modified_date": None, "custom": {}, "other": 1}}
    index.import_file(go_files(tmp_path, meta={**meta, "deleted": {"published_date": "x"}}))
    assert index["a"].metadata == {}


def test_null_is_no_record(index, tmp_path):
    index.import_file(go_files(tmp_path, meta={"a": None}))
    assert index["a"].metadata is None


def test_integers_are_floats_beyond_two_to_the_53(index, tmp_path):
    text = '{"a": {"custom": {"n": [9007199254740992, -9007199254740993, 1e3, -0, 123456789%s]}}}'
    index.import_file(go_files(tmp_path, meta=text % ("0" * 300)))
    numbers = index["a"].metadata["custom"]["n"]
    assert numbers == [2**53, -(2.0**53), 1000, 0, 123456789e300]
    assert [type(number) for number in numbers] == [int, float, float, float, float]


BAD_META = {
    "cut": ('{\n  "a": {},\n  "b": {', 3, "not valid JSON"),
    "not json": ("{\n,", 2, "not valid JSON"),
    "a list": ("[]", 1, r"expected '\{', got '\['"),
    "empty": ("", 1, "ends too early"),
    "no colon": ('{\n\n"a" {}}', 3, "expected ':'"),
    "no id": ("{1: {}}", 1, "expected an id in quotes, got int"),
    "behind": ('{"a": {}}\n\n{}', 3, "expected nothing after the object"),
    "no comma": ('{"a": {}\n"b": {}}', 2, r"expected '\}', got '\"'"),
    "id twice": ('{"a": {},\n"a": {}}', 2, "id 'a' stands twice"),
    "key twice": ('{"a": {"custom": {"k": 1, "k": 2}}}', 1, "key 'k' stands twice"),
    "nan": ('{"a": {"custom": {"k": NaN}}}', 1, "NaN is not a JSON number"),
    "surrogate": ('{"a": {"custom": {"k": "\\udc00"}}}', 1, "lone surrogate"),
    "deep": ('{"a": ' + "[" * 100_000, 1, "nested too deep"),
}


@pytest.mark.parametrize("name", BAD_META)
def test_bad_meta(index, tmp_path, name):
    text, number, reason = BAD_META[name]
    path = go_files(tmp_path, [("a", [1, 0, 0]), ("b", [0, 1, 0])], meta=text)
    with pytest.raises(springg.Corruption, match=rf"go\.meta, line {number}: .*{reason}"):
        index.import_file(path)
    assert len(index) == 0
    report = index.import_file(path, on_error="skip")
    assert report == 2
    [(line_told, told)] = report.skipped
    assert line_told == number
    assert told.startswith("go.meta: ")
    assert told.endswith("; metadata from here on are left out")


def test_meta_that_is_not_utf8(index, tmp_path):
    path = go_files(tmp_path)
    path.with_suffix(".meta").write_bytes(b'{"a": {"published_date": "\xff"}}')
    with pytest.raises(springg.Corruption, match=r"go\.meta, line 1: is not UTF-8"):
        index.import_file(path)


@pytest.mark.parametrize("value", [[], {"custom": []}, {"modified_date": 5}])
def test_a_bad_record_is_a_bad_row(index, tmp_path, value):
    path = go_files(
        tmp_path,
        [("a", [1, 0, 0]), ("b", [0, 1, 0])],
        meta='{"b": {},\n"a": ' + json.dumps(value) + "}",
    )
    with pytest.raises(springg.InvalidArgument, match=r"go\.meta, line 2: .* must be"):
        index.import_file(path)
    report = index.import_file(path, on_error="skip")
    assert index.ids == ["b"]
    [(number, told)] = report.skipped
    assert number == 1
    assert told.startswith("go.meta, line 2: ")


def test_meta_is_read_in_pieces(index, tmp_path, monkeypatch):
    monkeypatch.setattr("springg._go_meta.BLOCK_BYTES", 1)
    records = {f"{i} ä": {"published_date": "日" * i, "custom": {"n": i}} for i in range(40)}
    path = go_files(tmp_path, [(i, [1, 0, 0]) for i in records])
    path.with_suffix(".meta").write_text(json.dumps(records, ensure_ascii=False, indent=2))
    index.import_file(path)
    wanted = {i: r if r["published_date"] else {"custom": {"n": 0}} for i, r in records.items()}
    assert {i: index[i].metadata for i in index.ids} == wanted


# A crash between the renames, and a log that is lost


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        ("between the renames", {"published_date": "new"}),
        ("before the first", {"published_date": "old"}),
        ("unfinished", {"published_date": "old"}),
        ("of another save", {"published_date": "old"}),
        ("left behind long ago", {"published_date": "old"}),
    ],
)
def test_which_metadata_belong_to_the_bin(index, tmp_path, case, wanted):
    path = go_files(tmp_path, meta={"a": {"published_date": "old"}, "deleted": {}})
    unfinished = path.with_suffix(".meta.tmp")
    unfinished.write_text('{"a": {"published_date": "new"}}')
    if case == "before the first":
        shutil.copy(path, path.with_suffix(".bin.tmp"))
    if case == "unfinished":
        unfinished.write_text('{"a": {"published_date": "n')
    if case == "of another save":
        unfinished.write_text('{"a": {"published_date": "new"}, "b": {}}')
    if case == "left behind long ago":
        os.utime(unfinished, (1, 1))
    index.import_file(path)
    assert index["a"].metadata == wanted
