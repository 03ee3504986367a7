# SPDX-License-Identifier: MIT
"""Every test file is run, and the release build is what the rules say (needs build/release)."""

import json
import platform
import re
import subprocess
import sys

import pytest

from project_tree import ROOT, cpp_layers, files, report, text

RELEASE = ROOT / "build/release"


@pytest.fixture(scope="module")
def compiled() -> set[str]:
    """Paths from the root of what build/release compiles."""
    database = RELEASE / "compile_commands.json"
    assert database.is_file(), "no build/release: run `make build` first"
    entries = json.loads(database.read_text())
    paths = {entry["file"].removeprefix(f"{ROOT}/") for entry in entries}
    return {path for path in paths if not path.startswith("/")}


def test_every_cpp_test_is_compiled(compiled):
    tests = {name for name in files(".cpp") if name.startswith("tests/cpp/")}
    missing = sorted(tests - compiled)
    assert not missing, report(missing)


def test_every_source_is_compiled(compiled):
    arm = platform.machine() in ("aarch64", "arm64")
    other = r"/isa_(sse2|avx\w+)\.cpp$" if arm else r"/isa_neon\.cpp$"
    sources = {name for name in files(".cpp") if name.startswith(("cpp/src/", "cpp/bindings/"))}
    missing = sorted(name for name in sources - compiled if not re.search(other, name))
    assert not missing, report(missing)


@pytest.mark.parametrize("layer", cpp_layers())
def test_every_layer_has_tests(layer):
    assert any(name.startswith(f"tests/cpp/{layer}/") for name in files("_test.cpp"))


def test_every_python_test_is_collected():
    problems = [
        name
        for name in files(".py")
        if name.startswith("tests/")
        and "\ndef test_" in text(name)
        and not name.rsplit("/", 1)[1].startswith("test_")
    ]
    assert not problems, report(problems)


def test_no_symbol_is_shared_with_kernels(compiled):
    done = subprocess.run(
        [sys.executable, "tests/tidy/check_symbols.py", str(RELEASE)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
