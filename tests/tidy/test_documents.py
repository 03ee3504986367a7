# SPDX-License-Identifier: MIT
"""What the documents name exists: make verbs, files, links; notebooks hold no output."""

import json
import re

import pytest

from project_tree import ROOT, files, report, text

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/testing.md")


def verbs() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", text("Makefile"), re.MULTILINE))


def code_of(name: str) -> str:
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text(name), re.S))


@pytest.mark.parametrize("page", PAGES)
def test_there_is_the_page(page):
    assert page in files(".md")


def test_every_make_verb_that_is_named_exists():
    named = {
        (name, verb)
        for name in files(".md", ".sh", ".cmake")
        for line in re.findall(
            r"\bmake((?: [a-z][a-z-]*)+)", code_of(name) if name.endswith(".md") else ""
        )
        for verb in line.split()
    }
    assert named
    unknown = sorted(f"{name}: make {verb}" for name, verb in named if verb not in verbs())
    assert not unknown, report(unknown)


def test_every_verb_teaches():
    taught = set(re.findall(r"^([a-z][a-z-]*):.*  ## \S", text("Makefile"), re.MULTILINE))
    assert verbs() == taught


def test_links_between_pages_lead_somewhere():
    problems = []
    for name in files(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(name)):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (ROOT / name).parent.joinpath(target).exists():
                problems.append(f"{name} links to {target}")
    assert not problems, report(problems)


def test_notebooks_are_stored_without_output():
    problems = [
        f"{name}: cell {number}"
        for name in files(".ipynb")
        for number, cell in enumerate(json.loads(text(name))["cells"])
        if cell["cell_type"] == "code" and (cell["outputs"] or cell["execution_count"])
    ]
    assert not problems, report(problems)


def test_scripts_can_be_run():
    problems = [
        name
        for name in (*files(".sh"), ".ci/run")
        if not (ROOT / name).stat().st_mode & 0o100 or not text(name).startswith("#!")
    ]
    assert not problems, report(problems)
