# SPDX-License-Identifier: MIT
"""springg: a vector database, embedded in Python on a C++ engine.

>>> import numpy as np, springg
>>> db = springg.open(":memory:")
>>> index = db.create_index("colours", 3)
>>> index.add(["red", "lime", "blue"], np.eye(3), [{"warm": True}, None, {"warm": False}])
3
>>> hits = index.search([0.9, 0.1, 0.0], k=2)
>>> hits.ids
['red', 'lime']
>>> hits.metadata[0]
{'warm': True}
>>> db.close()
"""

try:
    from springg import _core
except ImportError as error:
    raise ImportError(
        "springg's C++ extension (springg._core) cannot be loaded. In a checkout, build it: "
        "`make build`, or `pip install .` into a virtual environment, and do not start Python in "
        f"the folder python/. The loader said: {error}"
    ) from error

import typing as _typing

from springg.database import Database, open  # noqa: A004 - springg.open, as gzip.open
from springg.errors import (
    AlreadyExists,
    Corruption,
    DeadlineExceeded,
    DimensionMismatch,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    IoError,
    NotFound,
    ResourceExhausted,
    SpringgError,
    Unavailable,
    Unsupported,
)
from springg.index import Index
from springg.index_view import IndexView
from springg.maintenance import CheckReport, Problem, SnapshotInfo, check, restore
from springg.types import BatchHits, Hit, Hits, Record, TuneReport

if _typing.TYPE_CHECKING:
    from springg import datasets, errors
    from springg.importing_table import ImportReport
    from springg.types import Id

__all__ = [
    "AlreadyExists",
    "BatchHits",
    "CheckReport",
    "Corruption",
    "Database",
    "DeadlineExceeded",
    "DimensionMismatch",
    "FailedPrecondition",
    "Hit",
    "Hits",
    "Id",
    "ImportReport",
    "Index",
    "IndexView",
    "Internal",
    "InvalidArgument",
    "IoError",
    "NotFound",
    "Problem",
    "Record",
    "ResourceExhausted",
    "SnapshotInfo",
    "SpringgError",
    "TuneReport",
    "Unavailable",
    "Unsupported",
    "__version__",
    "check",
    "cpu_features",
    "datasets",
    "errors",
    "open",
    "restore",
]

__version__: str = _core.__version__


def cpu_features() -> dict[str, object]:
    """Say which instruction set the distance kernels use.

    Returns
    -------
    dict
        ``"isa"`` in use, ``"available"`` ones of this build and machine (slowest first), and
        ``"forced"``, the value of ``SPRINGG_FORCE_ISA`` or None.

    Raises
    ------
    Unsupported
        ``SPRINGG_FORCE_ISA`` names one that is not built or not supported here.
    """
    return _core.cpu_features()


def __getattr__(name: str) -> object:
    # On use: `import springg` is to take no time.
    if name in ("datasets", "errors"):
        import importlib

        return importlib.import_module(f"springg.{name}")
    if name == "ImportReport":
        from springg.importing_table import ImportReport

        return ImportReport
    if name == "Id":
        import uuid

        return str | int | uuid.UUID
    raise AttributeError(f"module 'springg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
