# SPDX-License-Identifier: MIT
from __future__ import annotations

import collections
import types

import numpy as np
import pandas as pd
import pytest

import springg

ROWS = [
    {},
    {"text": 'quotes " and \\ and / \n\t\x00\x1f', "unicode": "é𝄞日本"},
    {"": "empty key", "with space": 1, "a.b": [], "é": {}},
    {"small": -(2**63), "large": 2**64 - 1, "zero": 0, "minus": -1},
    {"pi": 3.141592653589793, "tiny": 5e-324, "huge": 1.7976931348623157e308, "whole": 1.0},
    {"minus zero": -0.0, "exponent": 1e22, "tenth": 0.1},
    {"none": None, "yes": True, "no": False},
    {"nested": {"list": [1, [2, [3, {"deep": None}]]]}},
    None,
]


@pytest.mark.parametrize("reopened", [False, True])
def test_json_comes_back_as_given(tmp_path, reopened):
    db = springg.open(tmp_path / "d")
    db.create_index("a", 2).add(range(len(ROWS)), np.ones((len(ROWS), 2)), ROWS)
    if reopened:
        db.close()
        db = springg.open(tmp_path / "d")
    index = db["a"]
    back = [r.metadata for r in index.get(range(len(ROWS)))]
    assert back == ROWS
    for row, given in zip(back, ROWS, strict=True):
        if given is not None:
            assert list(row) == list(given)
            assert [type(v) for v in row.values()] == [type(v) for v in given.values()]
    assert str(back[5]["minus zero"]) == "-0.0"
    assert index.search([1, 1], 20).metadata == ROWS
    assert [r.metadata for batch in index.scan(2) for r in batch] == ROWS
    db.close()


def test_numpy_values_and_tuples(index):
    index.add(
        "a",
        np.ones(4),
        {
            "i": np.int64(2**62),
            "u": np.uint64(2**64 - 1),
            "f": np.float32(0.5),
            "b": np.bool_(True),
            "s": np.str_("x"),
            "array": np.array([[1, 2], [3, 4]]),
            "scalar": np.array(3),
            "tuple": (1, (2, 3)),
        },
    )
    assert index["a"].metadata == {
        "i": 2**62,
        "u": 2**64 - 1,
        "f": 0.5,
        "b": True,
        "s": "x",
        "array": [[1, 2], [3, 4]],
        "scalar": 3,
        "tuple": [1, [2, 3]],
    }


def test_other_mappings_as_a_row(index):
    rows = [
        collections.OrderedDict(b=1, a=2),
        types.MappingProxyType({"x": types.MappingProxyType({"y": 1})}),
        collections.ChainMap({"z": 1}),
    ]
    index.add(range(3), np.ones((3, 4)), rows)
    assert [r.metadata for r in index.get(range(3))] == [
        {"b": 1, "a": 2},
        {"x": {"y": 1}},
        {"z": 1},
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"year": np.array([1, 2]), "tag": ["a", None], "t": (True, False)},
        {"year": pd.Series([1, 2]), "tag": np.array(["a", None], object), "t": [True, False]},
        pd.DataFrame(
            {"year": [1, 2], "tag": pd.Series(["a", None], dtype=object), "t": [True, False]}
        ),
    ],
)
def test_columns(index, columns):
    index.add(["p", "q"], np.ones((2, 4)), columns)
    assert [r.metadata for r in index.get(["p", "q"])] == [
        {"year": 1, "tag": "a", "t": True},
        {"year": 2, "tag": None, "t": False},
    ]


def test_columns_of_two_dimensions_and_no_columns(index):
    index.add([1, 2], np.ones((2, 4)), {"pair": np.array([[1, 2], [3, 4]])})
    assert index[2].metadata == {"pair": [3, 4]}
    index.upsert([1, 2], np.ones((2, 4)), {})
    assert [r.metadata for r in index.get([1, 2])] == [{}, {}]
    index.add(["only"], np.ones((1, 4)), {"n": [5]})
    assert index["only"].metadata == {"n": 5}


def test_a_series_of_dicts(index):
    index.add([1, 2], np.ones((2, 4)), pd.Series([{"a": 1}, None], dtype=object))
    assert [r.metadata for r in index.get([1, 2])] == [{"a": 1}, None]


def deep(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"x": float("nan")}, "nan"),
        ({"x": [1, float("inf")]}, "inf"),
        ({"x": np.float32("nan")}, "nan"),
        ({"x": 2**64}, "64 bits"),
        ({"x": -(2**63) - 1}, "64 bits"),
        ({"x": 10**5000}, "64 bits"),
        ({1: "x"}, "keys must be str"),
        ({"x": {None: 1}}, "keys must be str"),
        ({"x": {1, 2}}, "set"),
        ({"x": b"x"}, "bytes"),
        ({"x": 1j}, "complex"),
        ({"x": object()}, "object"),
        ({"x": np.datetime64("2020-01-01")}, "datetime"),
        ({"x": "\ud800"}, "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (deep(65), "64"),
        (deep(1000), "64"),
        ({"x": "y" * 65_536}, "65536"),
        ([1], "list"),
        ("text", "str"),
        (5, "int"),
    ],
)
def test_what_json_cannot_hold_names_the_row(index, bad, match):
    with pytest.raises(springg.InvalidArgument, match="row 1") as caught:
        index.add(["a", "b"], np.ones((2, 4)), [{}, bad])
    assert match in str(caught.value)
    assert caught.value.details["row"] == 1
    assert len(index) == 0


def test_a_list_that_holds_itself(index):
    loop = []
    loop.append(loop)
    with pytest.raises(springg.InvalidArgument, match="too deep"):
        index.add("a", np.ones(4), {"x": loop})


def test_limits_are_inclusive(index):
    index.add("deep", np.ones(4), deep(64))
    index.add("large", np.ones(4), {"x": "y" * (65_536 - len('{"x":""}'))})
    assert index["deep"].metadata == deep(64)
    assert len(index["large"].metadata["x"]) == 65_528


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"x": [1]}, r"2.*1"),
        ({"x": [1, 2, 3]}, r"2.*3"),
        ({"x": 5}, "int"),
        ({"x": "ab"}, "str"),
        ({"t": np.array(["2020", "2021"], "M8[ns]")}, "datetime64"),
        ([{}], r"2.*1"),
    ],
)
def test_columns_and_lists_of_other_lengths(index, bad, match):
    with pytest.raises(springg.InvalidArgument, match=match):
        index.add(["a", "b"], np.ones((2, 4)), bad)
    assert len(index) == 0


@pytest.mark.parametrize("wrong", [5, "text", b"x", 1.5])
def test_metadata_of_the_wrong_type(index, wrong):
    with pytest.raises(TypeError):
        index.add(["a", "b"], np.ones((2, 4)), wrong)


def test_metadata_is_decoded_when_it_is_read(filled):
    hits = filled.search(np.zeros(8), 2)
    assert hits.metadata is hits.metadata
    hits.metadata[0]["new"] = 1
    assert "new" not in filled[hits.ids[0]].metadata
