# SPDX-License-Identifier: MIT
"""The command `springg`; its own libraries come with the extra: ``pip install ".[cli]"``."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["entry"]


def entry() -> None:
    """Run the command line; never returns."""
    if any(importlib.util.find_spec(name) is None for name in ("typer", "rich")):
        message = 'the command line needs typer and rich; in a checkout: pip install ".[cli]"'
        print(message, file=sys.stderr)
        raise SystemExit(2)
    from springg.cli.main import app

    app(prog_name="springg")
