# SPDX-License-Identifier: MIT
"""Run the tests of one build tree, all steps even when one fails, and print the totals.

Usage: run_tests.py release|asan|tsan|coverage|neon

Each step leaves its counts in build/reports/LANE-STEP.xml; the last line is what CI counts.
`run_tests.py total` prints the sum over the reports of every lane that has run.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time
from xml.etree import ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
REPORTS = ROOT / "build" / "reports"


@dataclasses.dataclass(frozen=True)
class Step:
    """One test runner with what it is run under."""

    lane: str
    name: str
    command: list[str]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def report(self) -> pathlib.Path:
        """The JUnit file that the runner writes."""
        return REPORTS / f"{self.lane}-{self.name}.xml"

    def run(self) -> bool:
        """Run it, say how long it took, and whether it passed."""
        settings = " ".join(f"{key}={value}" for key, value in self.environment.items())
        print(f"== {self.lane} {self.name}: {settings} {' '.join(self.command)}", flush=True)
        start = time.monotonic()
        flag = "--output-junit" if self.command[0] == "ctest" else "--junit-xml"
        code = subprocess.run(
            [*self.command, flag, str(self.report)],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            check=False,
        ).returncode
        took = time.monotonic() - start
        print(f"== {self.lane} {self.name}: {took:.0f} s, exit {code}", flush=True)
        return code == 0


def cpp(lane: str, name: str = "cpp", *arguments: str, **environment: str) -> Step:
    """The C++ tests, those of one layer with `-L LAYER`."""
    jobs = f"-j{len(os.sched_getaffinity(0))}"  # the processors that this process may use
    command = ["ctest", "--test-dir", f"build/{lane}", jobs, "--output-on-failure"]
    return Step(lane, name, [*command, "--no-tests=error", "--progress", *arguments], environment)


def python(lane: str, *arguments: str, **environment: str) -> Step:
    """The Python tests on the extension of one build tree."""
    if lane != "release":
        environment["PYTHONPATH"] = str(ROOT / "build" / lane / "python")
    return Step(lane, "python", [sys.executable, "-m", "pytest", *arguments], environment)


def instruction_sets() -> list[str]:
    """What this machine can be made to use with SPRINGG_FORCE_ISA."""
    code = "import springg; print(*springg.cpu_features()['available'])"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return done.stdout.split()


def preloaded(library: str) -> str:
    """A sanitizer's run-time library, which must be loaded before python itself."""
    compiler = os.environ.get("CXX", "c++")
    names = (f"lib{library}.so", "libstdc++.so")
    found = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in names
    ]
    return " ".join(found)


def steps_of(lane: str) -> list[Step]:
    """What each lane runs (docs/testing.md has the table)."""
    undefined = {"UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    if lane == "release":
        forced = [
            cpp(lane, f"cpp-{isa}", "-L", "^(kernels|ann)$", SPRINGG_FORCE_ISA=isa)
            for isa in instruction_sets()
        ]
        return [cpp(lane), *forced, python(lane)]
    if lane == "asan":
        # CPython leaves much allocated at its end on purpose, so leaks are looked for in C++ alone.
        options = {"ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}
        tests = ["tests/library", "tests/property", "--timeout=900"]
        return [
            cpp(lane, ASAN_OPTIONS="detect_stack_use_after_return=1", **undefined),
            python(lane, *tests, LD_PRELOAD=preloaded("asan"), **options, **undefined),
        ]
    if lane == "tsan":
        return [cpp(lane, TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1")]
    if lane == "coverage":
        return [cpp(lane)]
    if lane == "neon":
        return [cpp(lane, "cpp", "-L", "^(base|kernels|ann)$")]
    raise SystemExit(__doc__)


def counts(report: pathlib.Path) -> tuple[int, int, int]:
    """Tests that passed, failed (errors included) and were skipped."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))

    def total(*names: str) -> int:
        return sum(int(suite.get(name) or 0) for suite in suites for name in names)

    failed, skipped = total("failures", "errors"), total("skipped", "disabled")
    return total("tests") - failed - skipped, failed, skipped


def print_totals(lanes: str) -> None:
    """One line for each report, and the sum alone on the last line."""
    rows = {path.stem: counts(path) for path in sorted(REPORTS.glob(f"{lanes}-*.xml"))}
    for name, (passed, failed, skipped) in rows.items():
        print(f"{name + ':':22} {passed:6} passed {failed:4} failed {skipped:4} skipped")
    passed, failed, skipped = (sum(column) for column in zip(*rows.values(), strict=True))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


def main() -> None:
    """Run the lane that the command line names."""
    lane = sys.argv[1] if len(sys.argv) == 2 else ""
    if lane == "total":
        print_totals("*")
        return
    steps = steps_of(lane)
    REPORTS.mkdir(parents=True, exist_ok=True)
    for old in REPORTS.glob(f"{lane}-*.xml"):
        old.unlink()
    if not shutil.which("ctest"):
        raise SystemExit("no ctest on the path: run this through make")
    passed = [step.run() for step in steps]
    print_totals(lane)
    if not all(passed):
        names = ", ".join(step.name for step, good in zip(steps, passed, strict=True) if not good)
        raise SystemExit(f"failed: {lane}: {names}")


if __name__ == "__main__":
    main()
