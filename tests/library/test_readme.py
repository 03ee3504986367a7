# SPDX-License-Identifier: MIT
"""The README's Python runs and prints what the README says; its demo excerpt is the demo's."""

import pathlib
import re
import subprocess
import sys

import pytest

README = pathlib.Path(__file__).parents[2] / "README.md"


FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def fences():
    """(language, text) of each block, in order."""
    return FENCE.findall(README.read_text())


def test_python_prints_what_stands_below_it(tmp_path):
    blocks = fences()
    (at,) = [i for i, (language, _) in enumerate(blocks) if language == "python"]
    code, expected = blocks[at][1], blocks[at + 1][1]
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == expected
    assert ran.stderr == ""


def test_demo_excerpt_is_what_the_demo_prints(tmp_path):
    (excerpt,) = [text for _, text in fences() if "a morbid fear" in text]
    ran = subprocess.run(
        [sys.executable, "-m", "springg.cli", "demo", "--dir", tmp_path / "demo"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert [line for line in excerpt.splitlines() if line not in ran.stdout.splitlines()] == []


def shell_lines():
    return [
        line.split()
        for _, text in fences()
        for line in text.splitlines()
        if line.startswith("springg ")
    ]


def test_there_are_commands():
    assert len(shell_lines()) >= 8


@pytest.mark.parametrize("words", shell_lines(), ids=" ".join)
def test_options_of_the_commands_exist(words):
    command = [sys.executable, "-m", "springg.cli", words[1], "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    for option in words[2:]:
        if option.startswith("-"):
            assert re.search(rf"(^|[ ,]){re.escape(option)}\b", ran.stdout), option
