# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

import springg


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def db():
    with springg.open(":memory:", threads=2) as database:
        yield database


@pytest.fixture
def index(db):
    """Empty, of four dimensions."""
    return db.create_index("small", 4)


@pytest.fixture
def filled(db, rng):
    """Ids 0..99, 8 dimensions, l2, metadata {"row": i}."""
    index = db.create_index("filled", 8, metric="l2")
    vectors = rng.standard_normal((100, 8), dtype=np.float32)
    index.add(np.arange(100), vectors, [{"row": i} for i in range(100)])
    return index
