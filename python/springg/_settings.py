# SPDX-License-Identifier: MIT
"""Words that say how an index is made, checked before the engine sees them."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from springg.errors import error_of
from springg.types import Dtype, Durability, Metric, Quantization

# What works today. Names of later releases go to the engine, which says that it has them not yet.
_TODAY: dict[str, tuple[str, ...]] = {
    "metric": get_args(Metric),
    "dtype": get_args(Dtype),
    "quantization": get_args(Quantization),
    "durability": get_args(Durability),
}
_LATER = {
    "metric": (),
    "dtype": (),
    "quantization": (),
    "durability": (),
}
_MEANT = {
    "euclidean": "l2",
    "euclid": "l2",
    "ip": "dot",
    "inner": "dot",
    "inner_product": "dot",
    "cos": "cosine",
    "angular": "cosine",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "taxicab": "manhattan",
    "f4": "float32",
    "f2": "float16",
    "float": "float32",
    "half": "float16",
    "i1": "int8",
    "byte": "uint8",
    "u1": "uint8",
    "bool": "binary",
    "bit": "binary",
    "bits": "binary",
    "fsync": "disk",
    "sync": "disk",
    "memory": "buffered",
    "none": "buffered",
}


def checked(setting: str, value: Any) -> str:
    """The value of a setting; an unknown one is refused with what there is."""
    if not isinstance(value, str):
        raise TypeError(f"{setting} must be a str, got {type(value).__name__}")
    today = _TODAY[setting]
    if value in today or value in _LATER[setting]:
        return value
    message = f"unknown {setting}: expected one of {', '.join(today)}; got {value!a}"
    near = _near(value.lower(), today)
    raise error_of("invalid_argument", f"{message}: did you mean {near!r}?" if near else message)


def dtype_name(dtype: Any) -> Any:
    """The name of a numpy dtype or scalar type; anything else as it is."""
    if isinstance(dtype, np.dtype) or (isinstance(dtype, type) and issubclass(dtype, np.generic)):
        return np.dtype(dtype).name
    return dtype


def _near(value: str, names: tuple[str, ...]) -> str | None:
    meant = _MEANT.get(value, value)
    if meant in names:
        return meant
    import difflib  # here: `import springg` is to take no time

    return next(iter(difflib.get_close_matches(value, names, 1)), None)
