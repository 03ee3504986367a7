# SPDX-License-Identifier: MIT
"""Names of files, spelling, and what must not stand in a tracked file."""

import io
import re
import tokenize

import pytest

from project_tree import CODE, TIDY, cpp_prose, files, matches, report, text

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "stuff"}

# British in prose, but for the words of the field (neighbor, center) and of the API (quantization,
# optimize). Each pattern is the form that is not used here.
OTHER_SPELLINGS = (
    r"(de|re|un|non)?normaliz\w*|(re|un)?initializ(?!er)\w*|behavior\w*|colors?|colored|coloring"
    r"|(de)?serializ\w*|organiz\w*|recogniz\w*|summariz\w*|analyz\w*|favor\w*|honor\w*"
    r"|cancel(ed|ing)|label(ed|ing)|model(ed|ing)|materializ\w*|minimiz\w*|maximiz\w*"
    r"|synchroniz\w*|prioritiz\w*|utiliz\w*|realiz\w*|generaliz\w*"
    r"|parallelized?|vectorized?|canonicaliz\w*|randomiz\w*|neighbour\w*|centre[ds]?|artefact\w*"
)
# A key of a dictionary is what others write, not prose.
SPELLING = re.compile(rf"(?<![\w`.-])({OTHER_SPELLINGS})(?![\w`(=]|\":)", re.IGNORECASE)

NOT_PROSE = ("LICENSE", "requirements/", TIDY)


def python_prose(source: str) -> str:
    """Comments and strings of Python, on their lines."""
    lines = [""] * (source.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for offset, line in enumerate(token.string.split("\n")):
                lines[token.start[0] - 1 + offset] += " " + line
    return "\n".join(lines)


def prose(name: str) -> str:
    """What people read of a file, with quoted code blanked."""
    source = text(name)
    if name.endswith((".h", ".cpp")):
        source = cpp_prose(source)
    elif name.endswith((".py", ".pyi")):
        source = python_prose(source)
    elif name.endswith((".cmake", ".sh", "Makefile")):
        source = re.sub(r"(?m)^[^#\n]*", "", source)
    elif name.endswith(".md"):
        source = re.sub(r"```.*?```", lambda m: "\n" * m.group().count("\n"), source, flags=re.S)
    return re.sub(r"`[^`\n]*`|https?://\S+", "`", source)


def read_by_people() -> list[str]:
    kinds = (".h", ".cpp", ".py", ".pyi", ".md", ".cmake", ".sh", "Makefile")
    return [name for name in files(*kinds) if not any(skip in name for skip in NOT_PROSE)]


def test_file_names_say_what_is_inside():
    problems = [
        name
        for name in files()
        for part in re.split(r"[/._-]", name.lower())
        if part in VAGUE_NAMES
    ]
    assert not problems, report(problems)


def test_one_spelling():
    problems = [
        problem
        for name in read_by_people()
        for problem in matches(SPELLING.pattern, prose(name).lower(), name)
    ]
    assert not problems, report(problems)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("vectors are normalized", True),
        ("the behaviour of a neighbor", False),
        ("a neighbour", True),
        ("see `normalize`", False),
        ("initializer", False),
        ("color=red", False),
    ],
)
def test_spelling_pattern(line, wrong):
    assert bool(SPELLING.search(line)) == wrong


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("leftover note", r"\b(TODO|FIXME|XXX|HACK)\b"),
        ("machine path", r"(?<![\w.])/(root|home|work|Users)/\w+|/tmp/bash|\bC:\\\\Users"),
        ("merge conflict", r"(?m)^(<{7}|>{7}) "),
    ],
)
def test_no_tracked_file_holds_a(what, pattern):
    problems = [
        problem
        for name in files()
        if not name.startswith(TIDY) and is_text(name)
        for problem in matches(pattern, text(name), name)
    ]
    assert not problems, report(problems)


def is_text(name: str) -> bool:
    binary = (".npz", ".npy", ".png", ".bin", ".gz", ".parquet", ".hdf5", ".segment", ".bin.tmp")
    return not name.endswith(binary) and "/corpus/" not in name and "tests/data/v" not in name


def test_licence_line_stands_first():
    problems = []
    for name in files(*CODE):
        if name.endswith(".cmake"):
            continue
        first = [line for line in text(name).splitlines()[:2] if not line.startswith("#!")]
        if not first or first[0] not in (
            "// SPDX-License-Identifier: MIT",
            "# SPDX-License-Identifier: MIT",
        ):
            problems.append(name)
    assert not problems, report(problems)
