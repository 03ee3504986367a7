# SPDX-License-Identifier: MIT
"""The length of every function of a C++ or Python file, by brackets and by syntax tree."""

import ast
import re

from project_tree import cpp_code

_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
_BLOCK = re.compile(r"^\s*(if|for|while|switch|do|else|try|catch)\b")
_NAME = re.compile(r"(operator\s*(?:\(\)|[^\s(]+)|(?!requires\b|alignas\b)\b[\w:~]+)\s*\(")


def _kind(head: str) -> str:
    """What a brace opens, by the code between the last `;`, `{` or `}` and it."""
    if "(" not in head:
        return "scope" if _SCOPE.search(head) else "block"
    if re.match(r"\s*(class|struct|union)\b", re.sub(r"^\s*template\s*<.*>", "", head, flags=re.S)):
        return "scope"
    return "block" if _BLOCK.match(head) else "function"


def cpp_functions(source: str) -> list[tuple[str, int, int]]:
    """(name, first line, lines) of the functions that are in no other function.

    A brace that continues a member-initialiser list belongs to the function that it began.
    """
    code = re.sub(r"(?m)^[ \t]*#(\\\n|.)*", _blank, cpp_code(source))
    found: list[tuple[str, int, int]] = []
    stack: list[str] = []
    head_start, name, first, closed = 0, "", 0, ""
    for match in re.finditer(r"[{};]", code):
        position, token = match.start(), match.group()
        inside = "function" in stack
        if token == "{":
            head = code[head_start:position]
            after_function = found and not inside and closed == "function"
            continues = after_function and re.fullmatch(r"\s*(,[^;{}]*)?", head)
            kind = "function" if continues else _kind(head)
            if kind == "function" and not inside:
                if continues:
                    name, first, _ = found.pop()
                else:
                    name = _name(head)
                    first = code.count("\n", 0, head_start + len(head) - len(head.lstrip())) + 1
            stack.append(kind)
            closed = ""
        elif token == "}" and stack:
            closed = stack.pop()
            if closed == "function" and "function" not in stack:
                found.append((name, first, code.count("\n", 0, position) + 2 - first))
        head_start = position + 1
    return found


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def _name(head: str) -> str:
    match = _NAME.search(re.sub(r"\brequires\s*\([^{}]*?\)\n", "", head))
    return match.group(1) if match else "?"


def python_functions(source: str) -> list[tuple[str, int, int]]:
    """(name, first line, lines without the docstring) of every function."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                docstring = node.body[0]
                lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
            found.append((node.name, node.lineno, lines))
    return found
