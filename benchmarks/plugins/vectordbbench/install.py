# SPDX-License-Identifier: MIT
"""Put springg's client into VectorDBBench: python install.py [the vectordb_bench folder].

VectorDBBench has no plug-ins: a client is a folder among its clients, an entry of its enumeration
`DB`, and a command of its command line. This copies the folder, and writes these lines where its
README asks for them. Running it again brings the folder up to date and changes nothing else.
Nothing is written when a file does not look as expected.
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import re
import shutil

SOURCE = pathlib.Path(__file__).parent / "springg"
CLASSES = {  # property or method of DB: what it imports
    "init_cls": ("springg.springg", "Springg"),
    "config_cls": ("springg.config", "SpringgConfig"),
    "case_config_cls": ("springg.config", "SpringgIndexConfig"),
}


def inserted(text: str, pattern: str, new: str, after: bool) -> str:
    """The text with `new` before or after the first match; an error when there is none."""
    match = re.search(pattern, text, re.DOTALL | re.MULTILINE)
    if match is None:
        raise SystemExit(f"this VectorDBBench does not look as expected: no {pattern!r}")
    at = match.end() if after else match.start()
    return text[:at] + new + text[at:]


def with_database(text: str) -> str:
    """`backend/clients/__init__.py` with springg in `DB`."""
    if "DB.Springg" in text:
        return text
    text = inserted(text, r"^    @property\n    def init_cls", '    Springg = "springg"\n\n', False)
    for name, (module, found) in CLASSES.items():
        head = rf"    def {name}\(.*?\) -> [^\n]*:[^\n]*\n(        \"\"\".*?\"\"\"\n)?"
        branch = (
            "        if self == DB.Springg:\n"
            f"            from .{module} import {found}\n\n"
            f"            return {found}\n\n"
        )
        text = inserted(text, head, branch, True)
    return text


def with_command(text: str) -> str:
    """`cli/vectordbbench.py` with the command `springg`."""
    if "Springg" in text:
        return text
    line = "from ..backend.clients.springg.cli import Springg\n"
    text = inserted(text, r"^from \.cli import cli\n", line, False)
    return inserted(text, r'^if __name__ == "__main__":', "cli.add_command(Springg)\n\n\n", False)


def package_folder() -> pathlib.Path:
    """Where this Python finds vectordb_bench, without importing it."""
    found = importlib.util.find_spec("vectordb_bench")
    if found is None or found.origin is None:
        raise SystemExit("no vectordb_bench here: pip install vectordb-bench, or name its folder")
    return pathlib.Path(found.origin).parent


def install(package: pathlib.Path) -> None:
    """Copy and register."""
    edits = {
        package / "backend/clients/__init__.py": with_database,
        package / "cli/vectordbbench.py": with_command,
    }
    missing = [str(path) for path in edits if not path.is_file()]
    if missing:
        raise SystemExit(f"{package} is no vectordb_bench package: no {', '.join(missing)}")
    changed = {path: edit(path.read_text()) for path, edit in edits.items()}
    target = package / "backend/clients/springg"
    shutil.copytree(SOURCE, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__py*"))
    for path, text in changed.items():
        path.write_text(text)
    print(f"springg is a database of the VectorDBBench in {package}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=pathlib.Path, nargs="?", help="default: the installed one")
    install(parser.parse_args().package or package_folder())


if __name__ == "__main__":
    main()
