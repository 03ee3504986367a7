# SPDX-License-Identifier: MIT
"""Check what the kernels' objects show to the linker.

Usage: check_symbols.py BUILD_DIR

A function compiled for a newer processor must never stand in for the same function elsewhere: the
linker keeps any one copy of a weak symbol, and a program then dies with an illegal instruction on
an older machine. So an instruction set's object may define one global symbol, its table, and no
weak ones; and it may not refer to exception handling.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

EXCEPTIONS = re.compile(r"^(__cxa_|_Unwind_|__gxx_personality|_ZSt9terminate)")
# Sanitizers, coverage and the stack protector add references, none of which are code of ours.
NEEDED = re.compile(
    r"^(memcpy|memset|memmove|_GLOBAL_OFFSET_TABLE_|__stack_chk_\w+|__(a|t|ub)san_\w+|__gcov_\w+)$"
)


def symbols(path: pathlib.Path) -> list[tuple[str, str]]:
    """Type letter (as nm has it) and mangled name of each symbol of an object or archive."""
    done = subprocess.run(["nm", str(path)], check=True, capture_output=True, text=True)
    found = []
    for line in done.stdout.splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[-2]) == 1:
            found.append((fields[-2], fields[-1]))
    return found


def problems_of_object(path: pathlib.Path) -> list[str]:
    """What is wrong with one instruction set's object."""
    isa = path.name.split(".")[0].removeprefix("isa_")
    table = f"{isa}_table"
    problems = []
    tables = 0
    for kind, name in symbols(path):
        if kind in "Uw":
            if EXCEPTIONS.match(name):
                problems.append(f"refers to exception handling: {name}")
            elif not NEEDED.match(name):
                problems.append(f"refers to a function outside: {name}")
        elif kind in "WVvui":
            problems.append(f"defines the weak symbol {name}")
        elif kind.isupper():
            tables += table in name
            if table not in name:
                problems.append(f"defines the global symbol {name}")
    if tables != 1:
        problems.append(f"defines {tables} functions named {table}, expected 1")
    return [f"{path.name}: {problem}" for problem in problems]


def main() -> int:
    """Write one line a problem; 0 when there is none."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1])
    objects = sorted(path for suffix in ("o", "obj") for path in build.rglob(f"isa_*.cpp.{suffix}"))
    if not objects:
        sys.exit(f"no isa_*.cpp.o under {build}: build it first")
    lines = [problem for path in objects for problem in problems_of_object(path)]
    summary = f"{len(objects)} kernel objects, {len(lines)} problems"
    sys.stdout.write("\n".join([*lines, summary]) + "\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
