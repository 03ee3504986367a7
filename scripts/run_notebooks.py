# SPDX-License-Identifier: MIT
"""Run every notebook from top to bottom; a copy with its output goes to build/notebooks."""

from __future__ import annotations

import pathlib
import time

import nbformat
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parents[1]


def main() -> None:
    """Run them in the folder that they are stored in, as a reader would."""
    output = ROOT / "build" / "notebooks"
    output.mkdir(parents=True, exist_ok=True)
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        raise SystemExit("no notebooks found")
    for path in paths:
        print(f"== running {path.relative_to(ROOT)}", flush=True)
        start = time.monotonic()
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}
        ).execute()
        nbformat.write(notebook, output / path.name)
        print(f"   {time.monotonic() - start:.0f} s, with output in build/notebooks/{path.name}")


if __name__ == "__main__":
    main()
