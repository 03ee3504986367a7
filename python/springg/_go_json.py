# SPDX-License-Identifier: MIT
"""JSON as the Go Springg reads and writes it, and its metadata records.

A record has ``published_date``, ``modified_date`` (text) and ``custom`` (an object), each left out
when empty. All numbers are 64-bit floats there. Go's files hold no duplicate keys, no bad UTF-8
and no lone surrogates: one that has them was not written by it, and is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from decimal import Decimal
from typing import Any

from springg.importing_table import BadRowError, refuse_constant

DATES = ("published_date", "modified_date")
RECORD_KEYS = (*DATES, "custom")
# Above it, not every integer is a float.
EXACT_INTEGER_MAX = 2**53

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
_ESCAPED["\u2029"] = "\\u2029"
_TO_ESCAPE = re.compile("[<>&\u2028\u2029]")


# Reading


def integer(text: str) -> int | float:
    """Return a number without point and exponent: an int where that is the same as Go's float."""
    if text == "-0" or len(text) > len(str(EXACT_INTEGER_MAX)) + 1:
        return float(text)
    number = int(text)
    return number if abs(number) <= EXACT_INTEGER_MAX else float(text)


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys differ."""
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {twice!r} stands twice")
    return found


DECODER = json.JSONDecoder(
    parse_int=integer, parse_constant=refuse_constant, object_pairs_hook=object_of
)


def decode_line(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line, or raise `BadRowError`."""
    try:
        text = line.decode()
        found = DECODER.decode(text)
    except UnicodeDecodeError as error:
        raise BadRowError(f"is not UTF-8: byte {error.start} of the line") from None
    except RecursionError:
        raise BadRowError("is nested too deep") from None
    except ValueError as error:
        raise BadRowError(f"is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRowError(f"must be a JSON object, got {type(found).__name__}")
    refuse_surrogates(text, found)
    return found


def refuse_surrogates(text: str, value: Any) -> None:
    """Refuse half of a surrogate pair in what was read from `text`: it has no UTF-8 form."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadRowError("has a lone surrogate") from None


def record_of(value: Any) -> dict[str, Any] | None:
    """Return a stored record as metadata: empty parts and other keys left out, as Go does."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadRowError(f"metadata must be a JSON object, got {type(value).__name__}")
    record: dict[str, Any] = {}
    for key in RECORD_KEYS:
        part = value.get(key)
        kind = dict if key == "custom" else str
        if part is not None and not isinstance(part, kind):
            wanted = "an object" if kind is dict else "text"
            raise BadRowError(f"{key} must be {wanted}, got {type(part).__name__}")
        if part:
            record[key] = part
    return record


# Writing


def go_record(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata as a record of Go: as it is when it has that form.

    Else its dates, when they are text, stay where Go looks for them, and all other keys come
    into `custom`.
    """
    dates = {key: metadata[key] for key in DATES if isinstance(metadata.get(key), str)}
    rest = {key: value for key, value in metadata.items() if key not in dates}
    custom = rest["custom"] if rest.keys() == {"custom"} else rest
    if not isinstance(custom, dict):
        custom = rest
    record: dict[str, Any] = {key: date for key, date in dates.items() if date}
    if custom:
        record["custom"] = custom
    return record


def go_string(text: str) -> str:
    """Return a text as Go writes it."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found.group()], quoted)


def go_number(number: float) -> str:
    """Return a number as Go writes a 64-bit float."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    digits = repr(value)
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        plain = format(Decimal(digits), "f")
        return plain.removesuffix(".0")
    mantissa, exponent = digits.split("e")
    sign = exponent[0]
    return f"{mantissa}e{sign}{exponent[1:].lstrip('0')}"


def go_json(value: Any, indent: str | None = None, *, sort: bool = True) -> str:
    """Return a value as Go's encoder writes it: compact, or indented by two spaces from `indent`.

    Keys are in the order of their bytes, or as they come when not `sort`ed.
    """
    if isinstance(value, str):
        return go_string(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return go_number(value)
    inner = None if indent is None else indent + "  "
    colon = ":" if indent is None else ": "
    if isinstance(value, dict):
        pairs = sorted(value.items()) if sort else value.items()
        parts = [f"{go_string(key)}{colon}{go_json(item, inner)}" for key, item in pairs]
        opening, closing = "{}"
    else:
        parts = [go_json(item, inner) for item in value]
        opening, closing = "[]"
    if not parts or indent is None:
        return opening + ",".join(parts) + closing
    between = f",\n{inner}"
    return f"{opening}\n{inner}{between.join(parts)}\n{indent}{closing}"


def go_metadata(record: dict[str, Any], indent: str | None = None) -> str:
    """Return a record of `go_record` as Go writes it: dates first, then `custom`."""
    ordered = {key: record[key] for key in RECORD_KEYS if key in record}
    return go_json(ordered, indent, sort=False)
