"""What the documentation shows really runs: Python snippets are executed, command lines are parsed by the command they name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from unnoise.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in body.splitlines()) for indent, body in blocks]


PYTHON = [(page.name, block) for page in PAGES for block in _blocks(page, "python")]
LINES = [
    line.split("#")[0].strip()
    for page in PAGES
    for block in _blocks(page, "sh")
    for line in block.splitlines()
    if line.split("#")[0].strip()
]
INLINE = [code for page in PAGES[:2] for code in re.findall(r"`(unnoise \w+ [^`]+)`", page.read_text(encoding="utf-8"))]
COMMANDS = [line for line in [*LINES, *INLINE] if line.startswith("unnoise ") and "COMMAND" not in line and "…" not in line]


@pytest.mark.parametrize(("page", "snippet"), PYTHON)
def test_python_snippets_run(page: str, snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet, page, "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("line", COMMANDS)
def test_command_lines_parse(line: str) -> None:
    command, arguments = typer.main.get_command(app), shlex.split(line)[1:]
    while hasattr(command, "commands"):  # down through groups such as `benchmark`
        command = command.commands[arguments.pop(0)]
    command.make_context(command.name, arguments)


def test_make_and_pytest_are_given_what_is_there() -> None:
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = [shlex.split(line)[1] for line in LINES if line.startswith("make ")]
    assert len(asked) >= 4
    assert set(asked) <= set(targets)
    files = [word for line in LINES if "bin/pytest" in line for word in shlex.split(line)[1:] if word.endswith(".py")]
    assert files
    assert [name for name in files if not (ROOT / name).is_file()] == []


def test_there_are_snippets_at_all() -> None:
    assert len(PYTHON) >= 2
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = re.findall(r"^### (\d+)\.", (ROOT / "docs/decisions.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(numbers)) == len(numbers)
