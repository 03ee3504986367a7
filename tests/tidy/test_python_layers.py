# SPDX-License-Identifier: MIT
"""What each part of the Python package may import, and what `import springg` brings in."""

import ast
import re
import subprocess
import sys

import pytest

from project_tree import files, report, text

PACKAGE = "python/springg/"
STANDARD = sys.stdlib_module_names
# third-party module: (where it may be imported, whether at import time too)
THIRD_PARTY = {
    "numpy": (("",), True),
    "typer": (("cli/",), True),
    "rich": (("cli/",), True),
    "h5py": (("importing", "exporting"), False),
    "pyarrow": (("importing", "exporting"), False),
}


def modules() -> list[str]:
    return [name for name in files(".py") if name.startswith(PACKAGE)]


def dotted(name: str) -> list[str]:
    """The module path of a file; a package's own name for its __init__."""
    parts = name.removeprefix("python/").removesuffix(".py").split("/")
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(name: str) -> list[tuple[str, bool, int]]:
    """(absolute module, whether at import time, line) for each import of a file."""
    tree = ast.parse(text(name))
    nested = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    } | {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    package = dotted(name) if name.endswith("__init__.py") else dotted(name)[:-1]
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            targets = [prefix] if node.module else [f"{prefix}.{a.name}" for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            targets = [node.module]
            if node.module == "springg":
                targets = [f"springg.{alias.name}" for alias in node.names]
        else:
            continue
        found += [(target, id(node) not in nested, node.lineno) for target in targets]
    return found


def test_third_party_modules_have_their_place():
    problems = []
    for name in modules():
        local = name.removeprefix(PACKAGE)
        for target, at_import, line in imports(name):
            root = target.split(".")[0]
            if root == "springg" or root in STANDARD:
                continue
            places, allowed_at_import = THIRD_PARTY.get(root, ((), False))
            if not local.lstrip("_").startswith(places) or (at_import and not allowed_at_import):
                problems.append(f"{name}:{line} imports {target}")
    assert not problems, report(problems)


def test_the_library_does_not_know_the_command_line():
    problems = [
        f"{name}:{line} imports {target}"
        for name in modules()
        if not name.startswith(f"{PACKAGE}cli/")
        for target, _, line in imports(name)
        if target.startswith("springg.cli")
    ]
    assert not problems, report(problems)


def test_the_command_line_uses_the_library_not_the_extension():
    problems = [
        f"{name}:{line} imports {target}"
        for name in modules()
        if name.startswith(f"{PACKAGE}cli/")
        for target, _, line in imports(name)
        if re.match(r"springg\._(?!_)", target)
    ]
    assert not problems, report(problems)


def test_errors_stand_on_nothing_of_springg():
    own = [
        target for target, _, _ in imports(f"{PACKAGE}errors.py") if target.startswith("springg")
    ]
    assert own == []


LOADED = """
import sys, threading
before = set(sys.modules)
import numpy
with_numpy = set(sys.modules)
import springg
roots = {name.split(".")[0] for name in set(sys.modules) - with_numpy}
print(*sorted(roots - {"springg"} - set(sys.stdlib_module_names)))
print(threading.active_count())
"""


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    command = [sys.executable, "-c", LOADED]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_import_springg_loads_numpy_alone(loaded):
    assert loaded[0].split() == []


def test_import_springg_starts_no_thread(loaded):
    assert loaded[1] == "1"
