# SPDX-License-Identifier: MIT
"""What ``progress=`` may be: a callable, a tqdm-like object, or True."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Callback = Callable[[int, int], object]


@contextmanager
def reporting(progress: Any, title: str) -> Iterator[Callback | None]:
    """A callable ``(done, total)`` for what the caller passed; None when nothing is to be told."""
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with _bar(title) as callback:
            yield callback
    elif isinstance(progress, type) and hasattr(progress, "update"):  # the class tqdm itself
        bar = progress(desc=title)
        try:
            yield _updating(bar)
        finally:
            bar.close()
    elif hasattr(progress, "update"):
        yield _updating(progress)
    elif callable(progress):
        yield progress
    else:
        raise TypeError(
            "progress must be callable(done, total), a tqdm-like object or True, "
            f"got {type(progress).__name__}"
        )


def _updating(bar: Any) -> Callback:
    told = 0
    if getattr(bar, "n", 0) and hasattr(bar, "reset"):
        bar.reset()  # it told of an earlier call

    def callback(done: int, total: int) -> None:
        nonlocal told
        if done < told and hasattr(bar, "reset"):  # a count that begins again
            bar.reset(total)
            told = 0
        bar.total = total
        if done > told:
            bar.update(done - told)
            told = done

    return callback


@contextmanager
def _bar(title: str) -> Iterator[Callback]:
    def callback(done: int, total: int) -> None:
        percent = 100 * done // total if total else 100
        sys.stderr.write(f"\r{title}: {percent:3d} % ({done:,} of {total:,})")
        sys.stderr.flush()

    try:
        yield callback
    finally:
        sys.stderr.write("\n")
