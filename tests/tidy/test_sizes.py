# SPDX-License-Identifier: MIT
"""Functions of at most 70 lines, files of at most 500, lines of at most 100 columns."""

import tomllib

import pytest

from function_lengths import cpp_functions, python_functions
from project_tree import CODE, ROOT, files, report, text

FUNCTION_LINES = 70
FILE_LINES = 500
COLUMNS = 100
RATCHET = tomllib.loads((ROOT / "tests/tidy/ratchet.toml").read_text())


def functions_of(name: str) -> list[tuple[str, int, int]]:
    return (cpp_functions if name.endswith((".h", ".cpp")) else python_functions)(text(name))


def too_long(lengths: dict[str, int], limit: int, allowed: dict[str, int]) -> list[str]:
    problems = [
        f"{name}: {lines} lines, allowed {allowed.get(name, limit)}"
        for name, lines in lengths.items()
        if lines > allowed.get(name, limit)
    ]
    loose = [
        f"{name}: the ratchet says {lines}, it has {lengths.get(name, 0)}: lower or remove it"
        for name, lines in allowed.items()
        if lengths.get(name, 0) < lines
    ]
    return problems + loose


def test_functions():
    lengths: dict[str, int] = {}
    for name in files(".h", ".cpp", ".py"):
        for function, _, lines in functions_of(name):
            key = f"{name}::{function}"
            lengths[key] = max(lines, lengths.get(key, 0))
    problems = too_long(lengths, FUNCTION_LINES, RATCHET["functions"])
    assert not problems, report(problems)


def test_files():
    lengths = {name: text(name).count("\n") for name in files(*CODE)}
    problems = too_long(lengths, FILE_LINES, RATCHET["files"])
    assert not problems, report(problems)


def test_lines():
    problems = [
        f"{name}:{number}: {len(line)} columns"
        for name in files(*CODE, "Makefile", "CMakeLists.txt")
        for number, line in enumerate(text(name).splitlines(), 1)
        if len(line) > COLUMNS
    ]
    assert not problems, report(problems)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("int f(int x) {\n  if (x) {\n    return 1;\n  }\n  return 0;\n}\n", [("f", 1, 6)]),
        ("namespace a {\nclass B {\n  int g() const { return 1; }\n};\n}\n", [("g", 3, 1)]),
        ("A::A(int x)\n    : a_{x}, b_(x), c_{f(x)} {\n  use();\n}\n", [("A::A", 1, 4)]),
        ('TEST_CASE("a } b") {\n  CHECK(true);\n}\n', [("TEST_CASE", 1, 3)]),
        ("// void f() {\nconst int a[] = {1, 2};\n", []),
        ("void f() {\n  auto g = [](int x) {\n    return x;\n  };\n}\n", [("f", 1, 5)]),
        ("template <class T>\n  requires(sizeof(T) == 4)\nT f() {\n  g();\n}\n", [("f", 1, 5)]),
        (
            "void f() {\n}\nconst A a[] = {\n  {1, [](int x) { g(x); }},\n  {2, &f},\n};\n",
            [("f", 1, 2), ("?", 4, 1)],
        ),
        ("#define F(x) \\\n  do {       \\\n    x;\nvoid g() {\n}\n", [("g", 4, 2)]),
        (
            "struct [[nodiscard]] S {\n  bool operator()(int a) {\n    return a;\n  }\n};\n",
            [("operator()", 2, 3)],
        ),
    ],
)
def test_functions_are_found_in_cpp(source, expected):
    assert cpp_functions(source) == expected
