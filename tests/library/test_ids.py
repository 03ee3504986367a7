# SPDX-License-Identifier: MIT
from __future__ import annotations

import enum
import uuid

import numpy as np
import pandas as pd
import pytest

import springg

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    "ids",
    [
        ["a", "b", "é𝄞"],
        [0, 5, 2**64 - 1],
        [UUID, uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)],
        ["1", 1, UUID],
        ("x", "y", "z"),
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_the_type_given_is_the_type_returned(tmp_path, ids, reopened):
    db = springg.open(tmp_path / "d")
    db.create_index("a", 3).add(ids, np.eye(3))
    if reopened:
        db.close()
        db = springg.open(tmp_path / "d")
    index = db["a"]
    assert index.ids == list(ids) == list(index)
    assert [type(i) for i in index.ids] == [type(i) for i in ids]
    assert index.search([0, 1, 0], 1).ids == [ids[1]]
    assert index[ids[2]].id == ids[2]
    assert all(i in index for i in ids)
    db.close()


def test_uuids_come_back_whole(index):
    index.add(UUID, np.ones(4))
    (back,) = index.ids
    assert back == UUID
    assert hash(back) == hash(UUID)
    assert str(back) == str(UUID)
    assert back.is_safe == UUID.is_safe


def test_text_and_number_of_equal_spelling_are_different_ids(index):
    index.add(["1", 1, str(UUID), UUID], np.eye(4))
    assert len(index) == 4
    assert index.delete("1") == 1
    assert index.ids == [1, str(UUID), UUID]


@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u1", "u2", "u8", ">i4", ">u8"])
def test_integer_arrays(index, dtype):
    index.add(np.array([3, 1, 2], dtype), np.eye(4)[:3])
    assert index.ids == [3, 1, 2]
    assert all(type(i) is int for i in index.ids)
    assert index.delete(np.array([3, 9], dtype)) == 1


def test_other_arrays_and_scalars(db):
    cases = [
        (np.array(["a", "bc", "é"]), ["a", "bc", "é"]),
        (np.array(["a", 2, UUID], object), ["a", 2, UUID]),
        (np.arange(6, dtype=np.uint16)[::2], [0, 2, 4]),
        (pd.Series([5, 6, 7]), [5, 6, 7]),
        (pd.Series(["p", "q", "r"]), ["p", "q", "r"]),
        (pd.Index(["p", "q", "r"]), ["p", "q", "r"]),
        (pd.RangeIndex(3), [0, 1, 2]),
        (range(3), [0, 1, 2]),
        ({"k": 1, "l": 2, "m": 3}.keys(), ["k", "l", "m"]),
        (iter("abc"), ["a", "b", "c"]),
        ([np.int64(1), np.uint8(2), np.str_("s")], [1, 2, "s"]),
    ]
    for i, (ids, expected) in enumerate(cases):
        index = db.create_index(f"i{i}", 3)
        index.add(ids, np.eye(3))
        assert index.ids == expected
        assert [type(x) for x in index.ids] == [type(x) for x in expected]


def test_numpy_scalars_as_one_id(index):
    index.add(np.int64(5), np.ones(4))
    index.add(np.str_("a"), np.ones(4))
    assert index.ids == [5, "a"]
    assert np.uint8(5) in index
    assert index[np.int32(5)].id == 5
    assert index.get(np.array(5)).id == 5


def test_subclasses_of_int_and_str(index):
    class Colour(enum.IntEnum):
        RED = 3

    class Text(str):
        __slots__ = ()

    index.add([Colour.RED, Text("t")], np.eye(4)[:2])
    assert index.ids == [3, "t"]


@pytest.mark.parametrize(
    "wrong",
    [True, np.True_, 1.0, np.float32(1), None, b"x", 1j, object(), ("nested",)],
)
def test_what_is_no_id(index, wrong):
    with pytest.raises(TypeError, match="row 1"):
        index.add(["a", wrong], np.eye(4)[:2])
    assert len(index) == 0
    if not isinstance(wrong, tuple):
        with pytest.raises(TypeError):
            index.add(wrong, np.ones(4))
    assert wrong not in index


@pytest.mark.parametrize(
    "wrong",
    [np.array([1.5]), np.array([True]), np.array([b"x"]), np.array([1 + 1j]), {"a": 1}, b"ab"],
)
def test_what_is_no_sequence_of_ids(index, wrong):
    with pytest.raises(TypeError):
        index.delete(wrong)


@pytest.mark.parametrize("wrong", [-1, 2**64, -(2**70)])
def test_integers_out_of_range(index, wrong):
    with pytest.raises(springg.InvalidArgument, match=f"row 1.*{wrong}") as caught:
        index.add([0, wrong], np.eye(4)[:2])
    assert caught.value.details["row"] == 1
    assert wrong not in index


def test_negative_integers_in_an_array(index):
    with pytest.raises(springg.InvalidArgument, match=r"row 2.*-3"):
        index.add(np.array([1, 2, -3]), np.eye(4)[:3])


def test_arrays_of_two_dimensions(index):
    with pytest.raises(springg.InvalidArgument):
        index.add(np.zeros((2, 2), int), np.eye(4)[:2])


@pytest.mark.parametrize("size", [512, 513])
def test_length_of_text(index, size):
    for text in ("a" * size, "é" * (size // 2) + "a" * (size % 2)):
        if size == 512:
            index.add(text, np.ones(4))
            assert text in index
        else:
            with pytest.raises(springg.InvalidArgument, match=r"512.*513"):
                index.add(text, np.ones(4))
            assert text not in index


def test_empty_text_and_lone_surrogates(index):
    with pytest.raises(springg.InvalidArgument, match="empty"):
        index.add("", np.ones(4))
    with pytest.raises(springg.InvalidArgument, match=r"row 1.*surrogate"):
        index.add(["a", "\ud800"], np.ones((2, 4)))
    assert len(index) == 0
    assert "" not in index
    assert "\ud800" not in index


def test_ids_with_a_nul_and_other_odd_text(index):
    odd = ["a\0b", " ", "\n", "../x", "💥"]
    index.add(odd, np.ones((5, 4)))
    assert index.ids == odd


def test_numbers_of_ids_and_vectors_differ(index):
    with pytest.raises(springg.InvalidArgument, match=r"3.*2"):
        index.add(["a", "b", "c"], np.ones((2, 4)))
    with pytest.raises(springg.InvalidArgument, match=r"2.*1"):
        index.add(["a", "b"], np.ones(4))
    with pytest.raises(springg.InvalidArgument, match=r"2.*3"):
        index.upsert(["a", "b"], np.ones((2, 4)), [{}, {}, {}])
    assert len(index) == 0
