# SPDX-License-Identifier: MIT
"""The project's own files, as the rules of this folder look at them."""

import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIDY = "tests/tidy/"  # names what it bans, so that some rules leave it out
CODE = (".h", ".cpp", ".py", ".pyi", ".cmake", ".sh")


@functools.cache
def files(*suffixes: str) -> tuple[str, ...]:
    """Paths from the root that git tracks or would track, of these endings (none: all)."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = (name for name in listed.splitlines() if (ROOT / name).is_file())
    return tuple(sorted(name for name in names if not suffixes or name.endswith(suffixes)))


@functools.cache
def text(name: str) -> str:
    """The text of one of them."""
    return (ROOT / name).read_text(encoding="utf-8")


def cpp_layers() -> list[str]:
    """The folders of cpp/src."""
    return sorted(path.name for path in (ROOT / "cpp/src").iterdir() if path.is_dir())


_CPP_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      |(?P<raw>R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)")
      |(?P<string>"(?:\\.|[^"\\\n])*")
      |(?P<char>(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')""",
    re.DOTALL | re.VERBOSE,
)


def cpp_code(source: str) -> str:
    """C++ with comments and literals blanked; lines stay where they are."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    return _CPP_TOKEN.sub(blank, source)


def cpp_prose(source: str) -> str:
    """What cpp_code blanks: comments and literals; lines stay where they are."""
    parts, end = [], 0
    for match in _CPP_TOKEN.finditer(source):
        parts += [re.sub(r"[^\n]", " ", source[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, re.sub(r"[^\n]", " ", source[end:])])


def matches(pattern: str, source: str, name: str) -> list[str]:
    """`name:line: found` for every match of pattern."""
    return [
        f"{name}:{source.count(chr(10), 0, match.start()) + 1}: {match.group().strip()}"
        for match in re.finditer(pattern, source)
    ]


def report(problems: list[str]) -> str:
    """One problem a line, for the message of a failed assertion."""
    return "\n".join(["", *problems])
