"""Write docs/command-line.md: every command with its arguments and options, as `--help` tells them.

python tools/command_line.py
python tools/command_line.py --check    # exit status 1: the page is not up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from unnoise.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
HEAD = """# The command line

Every command, as `unnoise COMMAND --help` tells it. This page is written by `python tools/command_line.py`.

Exit status: 0; 1: something failed; 2: the call was wrong; 130: it was stopped, by Ctrl-C or its like. What went wrong is
one sentence on standard error.
"""


def main() -> None:
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/command-line.md is not up to date; run python tools/command_line.py")


def page() -> str:
    """The text of the page."""
    root = typer.main.get_command(app)
    return HEAD + "".join(f"\n{section(name, command)}" for name, command in sorted(_commands(root, "unnoise")))


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each command that does something, with its whole name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    for word, each in (inner or {}).items():
        if not each.hidden:
            yield from _commands(each, f"{name} {word}")


def section(name: str, command: Any) -> str:
    """One command: what it is for, how it is called, its options in a table."""
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", _plain(command.help), "", "```", usage, "```", ""]
    rows = [row for each in command.get_params(context) if (row := _row(each, context))]
    if rows:
        lines += ["| option | what it does |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any, context: Any) -> str | None:
    """A line of the table; None: it is hidden, or it is `--help`."""
    if getattr(parameter, "hidden", False) or parameter.name == "help":
        return None
    found = parameter.get_help_record(context)
    if parameter.param_type_name == "argument":
        found = parameter.metavar or parameter.name.upper(), parameter.help or ""
    if found is None:
        return None
    name, words = (" ".join(str(part).split()) for part in found)
    return f"| {_cell(f'`{name}`')} | {_cell(words)} |"


def _plain(text: str | None) -> str:
    """A help text whose lines run on."""
    return "\n\n".join(" ".join(part.split()) for part in (text or "").replace("\b", "").split("\n\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;") if not text.startswith("`") else text.replace("|", "\\|")


if __name__ == "__main__":
    main()
