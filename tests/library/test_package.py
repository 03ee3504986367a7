# SPDX-License-Identifier: MIT
"""What `import springg` is: its names, its cost, its words."""

from __future__ import annotations

import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import springg
from springg import _core

PACKAGES = str(pathlib.Path(springg.__file__).parents[1])


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {PACKAGES!r})\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_exported_members():
    assert sorted(springg.__all__, key=str.lower) == sorted(set(springg.__all__), key=str.lower)
    assert dir(springg) == sorted(springg.__all__)
    for name in springg.__all__:
        assert getattr(springg, name) is not None
    contract = [
        "SpringgError",
        "InvalidArgument",
        "DimensionMismatch",
        "NotFound",
        "AlreadyExists",
        "FailedPrecondition",
        "ResourceExhausted",
        "Corruption",
        "IoError",
        "Unsupported",
        "Unavailable",
        "DeadlineExceeded",
        "Internal",
        "open",
        "cpu_features",
        "__version__",
    ]
    assert set(contract) <= set(springg.__all__)


def test_everything_public_has_a_docstring():
    for name in springg.__all__:
        member = getattr(springg, name)
        if not (inspect.isclass(member) or inspect.isfunction(member)):
            continue
        assert member.__doc__, name
        for attribute, value in vars(member).items():
            if not attribute.startswith("_") and callable(value):
                assert value.__doc__, f"{name}.{attribute}"


def test_the_version_is_one():
    project = pathlib.Path(__file__).parents[2] / "pyproject.toml"
    (version,) = re.findall(r'(?m)^version = "(.*)"$', project.read_text())
    assert springg.__version__ == version == _core.__version__


def test_cpu_features():
    features = springg.cpu_features()
    assert set(features) == {"isa", "available", "forced"}
    assert features["isa"] in features["available"]


def test_import_needs_numpy_alone_and_starts_no_thread():
    out = python(
        "import numpy, os, threading\n"
        "before = set(sys.modules)\n"
        "count = len(os.listdir('/proc/self/task'))\n"
        "import springg\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "new -= sys.stdlib_module_names | {'numpy'}\n"
        "print(sorted(new), len(os.listdir('/proc/self/task')) - count)"
    )
    assert out.strip() == "['springg'] 0"


def test_a_missing_extension_is_explained(tmp_path):
    folder = tmp_path / "springg"
    folder.mkdir()
    for file in pathlib.Path(springg.__file__).parent.glob("*.py"):
        (folder / file.name).write_text(file.read_text())
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c",
         f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import springg"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "make build" in done.stderr
    assert "pip install" in done.stderr


def test_names_that_are_brought_in_on_use():
    out = python(
        "import springg\n"
        "late = ('springg.datasets', 'springg.importing_table', 'uuid')\n"
        "print([name for name in late if name in sys.modules])\n"
        "print(springg.datasets.__name__, springg.errors.__name__)\n"
        "print(springg.ImportReport(3), isinstance('a', springg.Id), isinstance(1.5, springg.Id))\n"
    )
    assert out.splitlines() == [
        "[]",
        "springg.datasets springg.errors",
        "ImportReport(3 rows added, 0 skipped) True False",
    ]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        springg.nothing  # noqa: B018


def test_files_are_documented_where_they_are_called():
    for method in (springg.Index.import_file, springg.Index.export_file):
        assert "Parameters" in method.__doc__
        assert "Returns" in method.__doc__
