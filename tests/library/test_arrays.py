# SPDX-License-Identifier: MIT
from __future__ import annotations

import gc
import pathlib

import numpy as np
import pandas as pd
import pytest

import springg
from springg import _arrays, _core


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[3:],
        lambda a: a[::2],
        lambda a: a[:, :5],
        lambda a: a[5],
        lambda a: a[2:3, ::2][:, :1],
    ],
)
def test_float32_is_passed_on_in_place(view, rng):
    array = view(rng.random((20, 8), dtype=np.float32))
    passed = _arrays.as_matrix(array, 8)
    assert address(passed) == address(array)
    assert passed.shape == array.shape


def test_views_of_every_kind_store_the_right_values(db, rng):
    base = rng.random((20, 8)).astype(np.float32)
    unaligned = np.frombuffer(b"x" + base.tobytes(), np.float32, offset=1).reshape(20, 8)
    kinds = {
        "plain": base,
        "rows": np.repeat(base, 2, axis=0)[::2],
        "columns": np.hstack([base, base])[:, :8],
        "fortran": np.asfortranarray(base),
        "reversed": base[::-1][::-1].copy()[::-1][::-1],
        "backwards": base[::-1].copy()[::-1],
        "every second": np.repeat(base, 2, axis=1)[:, ::2],
        "unaligned": unaligned,
        "broadcast": np.broadcast_to(base[0], (20, 8)),
        "big endian": base.astype(">f4"),
        "double": base.astype(np.float64),
        "read-only": np.frombuffer(base.tobytes(), np.float32).reshape(20, 8),
        "list": base.tolist(),
        "rows of arrays": list(base),
        "matrix": pd.DataFrame(base),
        "column of arrays": pd.Series(list(base)),
    }
    for name, array in kinds.items():
        index = db.create_index(name.replace(" ", "-"), 8)
        index.add(np.arange(20), array)
        expected = np.stack(list(array)) if isinstance(array, pd.Series) else np.asarray(array)
        assert np.array_equal(index.vectors, expected.astype(np.float32)), name


@pytest.mark.parametrize("dtype", ["f2", "f8", "i1", "i8", "u4", "bool", "longdouble"])
def test_other_numbers_are_converted(index, dtype):
    array = np.array([[1, 0, 1, 1], [0, 1, 0, 1]], dtype)
    index.add([1, 2], array)
    assert np.array_equal(index.vectors, array.astype(np.float32))


class Tensor:
    """What torch tensors are to numpy: an object with the array protocol."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


def test_the_array_protocol(index):
    index.add(Tensor(np.array([4, 5])), Tensor(np.eye(4)[:2]))
    assert index.ids == [4, 5]
    assert index.search(Tensor(np.eye(4)[1]), 1).ids == [5]
    mask = Tensor(np.array([True, False]))
    assert index.search(Tensor(np.eye(4)[1]), 1, filter=mask).ids == [4]


def test_the_array_protocol_that_refuses(index):
    class OnTheGpu:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    with pytest.raises(TypeError, match="cuda"):
        index.add("a", OnTheGpu())


def test_add_makes_one_copy_of_its_own(index, rng):
    vectors = rng.random((5, 4), dtype=np.float32)
    sent = vectors.copy()
    index.add(np.arange(5), vectors)
    vectors[:] = 0
    assert np.array_equal(index.vectors, sent)


def test_the_array_of_a_call_is_not_held(index, rng):
    vectors = rng.random((5, 4), dtype=np.float32)
    index.add(np.arange(5), vectors)
    index.search(vectors[0])
    assert vectors.base is None
    vectors.resize((1, 4), refcheck=True)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_vectors_of_one_segment_are_a_view(tmp_path, rng, dtype, kind):
    db = springg.open(":memory:" if kind == "memory" else tmp_path / "d")
    index = db.create_index("a", 16, dtype=dtype)
    index.add(np.arange(300), rng.standard_normal((300, 16)))
    copy = index.vectors
    assert copy.dtype == dtype
    assert address(index.vectors) != address(copy)
    index.optimize()
    view = index.vectors
    assert view.dtype == dtype
    assert address(index.vectors) == address(view)
    assert np.shares_memory(index.vectors, view)
    assert np.array_equal(view, copy)
    db.close()


def test_a_reopened_segment_is_a_view_of_its_file(tmp_path, rng):
    sent = rng.standard_normal((300, 16)).astype(np.float32)
    with springg.open(tmp_path / "d") as db:
        db.create_index("a", 16).add(np.arange(300), sent)
    with springg.open(tmp_path / "d") as db:
        view = db["a"].vectors
        assert address(db["a"].vectors) == address(view)
        mapped = mapping_of(address(view))
        assert str(tmp_path) in mapped
    assert np.array_equal(view, sent)


def mapping_of(pointer):
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        begin, end = (int(x, 16) for x in line.split()[0].split("-"))
        if begin <= pointer < end:
            return line
    return ""


def test_vectors_are_read_only(filled):
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            filled.vectors[0, 0] = 1
        filled.optimize()
    view = filled.vectors
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.setflags(write=True)


@pytest.mark.parametrize("end", ["optimize", "drop_index", "close", "clear"])
@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_a_view_outlives_its_index(tmp_path, rng, end, kind):
    db = springg.open(":memory:" if kind == "memory" else tmp_path / "d")
    index = db.create_index("a", 64)
    sent = rng.standard_normal((500, 64)).astype(np.float32)
    index.add(np.arange(500), sent)
    db.flush()
    index.optimize()
    view = index.vectors
    row = view[7]
    if end == "optimize":
        index.upsert(np.arange(400), np.zeros((400, 64)))
        index.optimize()
    elif end == "drop_index":
        db.drop_index("a")
    elif end == "close":
        db.close()
    else:
        index.clear()
    db.close()
    del index, db
    gc.collect()
    other = springg.open(":memory:").create_index("b", 64)
    other.add(np.arange(500), np.ones((500, 64)))
    assert np.array_equal(view, sent)
    del view
    gc.collect()
    assert np.array_equal(row, sent[7])


def test_vectors_match_ids_after_deletes(filled):
    filled.delete(np.arange(0, 100, 3))
    filled.upsert(50, np.zeros(8))
    for _ in range(2):
        assert np.array_equal(filled.vectors, filled.get_vectors(filled.ids))
        assert filled.vectors.shape == (len(filled), 8)
        filled.optimize()


def test_vectors_of_an_empty_index(index):
    assert index.vectors.shape == (0, 4)
    assert index.vectors.dtype == np.float32
    index.optimize()
    assert index.vectors.shape == (0, 4)
    assert index.ids == []


def test_an_array_that_is_not_converted_is_refused_by_the_extension(index):
    with pytest.raises(TypeError, match="float64"):
        index._core.add(_core.Ids("a"), np.ones(4), None, None, None)
