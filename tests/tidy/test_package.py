# SPDX-License-Identifier: MIT
"""The package as its users meet it: names, stubs, versions, the error list."""

import importlib.metadata
import os
import re
import subprocess
import sys
import types

import springg
from project_tree import ROOT, files, report, text

VERSION = re.search(r'^version = "(.*)"$', text("pyproject.toml"), re.MULTILINE).group(1)


def test_exports_are_the_public_names():
    public = {
        name
        for name, value in vars(springg).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    on_use = {"Id", "ImportReport", "datasets", "errors"}
    assert set(springg.__all__) - {"__version__"} - on_use == public
    assert all(getattr(springg, name) is not None for name in on_use)
    assert len(springg.__all__) == len(set(springg.__all__))


def test_dir_shows_the_exports():
    assert set(springg.__all__) <= set(dir(springg))


def test_one_version():
    assert springg.__version__ == VERSION
    assert importlib.metadata.version("springg") == VERSION
    assert f"## [{VERSION}]" in text("CHANGELOG.md") or "## [Unreleased]" in text("CHANGELOG.md")


def test_stubs_equal_the_extension():
    command = [sys.executable, "-m", "mypy.stubtest", "springg._core", "--concise"]
    done = subprocess.run(
        [*command, "--allowlist", "tests/tidy/stubtest_allowlist.txt"],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT / "python")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def error_codes() -> list[str]:
    listed = re.search(
        r"enum class ErrorCode[^{]*\{(.*?)\};", text("cpp/include/springg/status.h"), re.S
    )
    return [name for name in re.findall(r"\bk(\w+) = \d+", listed.group(1)) if name != "Ok"]


def test_the_list_of_errors_is_one():
    rows = re.findall(r"^\| (\w+) \| `(\w+)` \| `(\w+)`", text("docs/errors.md"), re.MULTILINE)
    assert [code for code, _, _ in rows] == error_codes()
    in_cpp = dict(
        re.findall(r'case ErrorCode::k(\w+): return "(\w+)";', text("cpp/src/base/status.cpp"))
    )
    problems = []
    for code, spelling, kind in rows:
        in_python = type(springg.errors.error_of(spelling, "m")).__name__
        if in_cpp.get(code) != spelling:
            problems.append(f"{code}: {spelling} on the page, {in_cpp.get(code)} in C++")
        if in_python != kind:
            problems.append(f"{code}: class {kind} on the page, {in_python} in Python")
    assert not problems, report(problems)


def test_every_class_of_error_has_a_code():
    classes = {
        name
        for name, value in vars(springg).items()
        if isinstance(value, type) and issubclass(value, springg.SpringgError)
    }
    assert classes - {"SpringgError"} <= set(error_codes())


def test_the_package_says_that_it_is_typed():
    assert "python/springg/py.typed" in files()
    assert "python/springg/_core.pyi" in files()
