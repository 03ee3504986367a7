# SPDX-License-Identifier: MIT
from __future__ import annotations

import copy
import pickle

import pytest

import springg
from springg import errors

CLASSES = {
    "invalid_argument": (springg.InvalidArgument, ValueError),
    "dimension_mismatch": (springg.DimensionMismatch, springg.InvalidArgument),
    "not_found": (springg.NotFound, KeyError),
    "already_exists": (springg.AlreadyExists, ValueError),
    "failed_precondition": (springg.FailedPrecondition, RuntimeError),
    "resource_exhausted": (springg.ResourceExhausted, MemoryError),
    "unavailable": (springg.Unavailable, Exception),
    "deadline_exceeded": (springg.DeadlineExceeded, TimeoutError),
    "corruption": (springg.Corruption, OSError),
    "io_error": (springg.IoError, OSError),
    "unsupported": (springg.Unsupported, NotImplementedError),
    "internal": (springg.Internal, Exception),
}


@pytest.mark.parametrize("code", CLASSES)
def test_each_class(code):
    kind, builtin = CLASSES[code]
    error = errors.error_of(code, "a 'message' of its own", row=3, file="x")
    assert type(error) is kind
    assert isinstance(error, springg.SpringgError)
    assert isinstance(error, builtin)
    for same in (error, pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(same) is kind
        assert str(same) == same.message == "a 'message' of its own"
        assert same.code == code
        assert same.details == {"row": 3, "file": "x"}
        assert repr(same) == f"{kind.__name__}(\"a 'message' of its own\")"
    made = kind(code, "message", {"a": 1})
    assert (made.code, str(made), made.details) == (code, "message", {"a": 1})
    assert kind(code, "message").details == {}
    with pytest.raises(builtin) as caught:
        raise error
    assert str(caught.value) == "a 'message' of its own"


def test_the_base_class():
    error = springg.SpringgError("internal", "m", {"a": 1})
    assert str(pickle.loads(pickle.dumps(error))) == "m"
    assert type(errors.error_of("a_code_of_tomorrow", "m")) is springg.SpringgError


def test_every_class_is_exported_and_drawn():
    for kind, _ in CLASSES.values():
        assert getattr(springg, kind.__name__) is kind
        assert kind.__name__ in errors.__doc__
        assert kind.__doc__


def test_details_of_the_extension(index):
    with pytest.raises(springg.DimensionMismatch) as caught:
        index.search([1, 2])
    error = caught.value
    assert error.details["expected"] == 4
    assert error.details["actual"] == 2
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    with pytest.raises(springg.NotFound) as caught:
        index["x"]
    assert str(caught.value) == "no id 'x' in index 'small'"
    assert caught.value.code == "not_found"
