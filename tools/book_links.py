"""A hook of MkDocs: pages that lie outside of docs/ become part of the book, links to files of the sources stay readable, and
so do diagrams, which only a script from elsewhere could draw.

The pages are written to be read in the repository too, where docs/README.md leads to ../CONTRIBUTING.md.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "findings/README.md": "findings.md",
}
"""Pages outside of docs/, and their names in the book."""
RENAMED = {"README.md": "pages.md"}
"""Pages of docs/ that have another name in the book; its first page is the README of the project."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
DIAGRAM = re.compile(r"^```mermaid\nflowchart TD\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^( *)```.*?^\1```", flags=re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside, with their own links mended when they are read."""
    for source, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    for source, name in RENAMED.items():
        found = files.get_file_from_path(source)
        if found is not None:
            files.remove(found)
        files.append(File.generated(config, name, content=(ROOT / "docs" / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links lead to the book's own pages. What is in no page, such as a program, is named without a link."""
    name = page.file.src_uri
    origin = next((source for source, made in OUTSIDE.items() if made == name), None)
    origin = origin or next((f"docs/{source}" for source, made in RENAMED.items() if made == name), f"docs/{name}")
    return mend_links(DIAGRAM.sub(_in_words, markdown), origin, name)


def _in_words(match: re.Match[str]) -> str:
    """The arrows of a diagram of Mermaid as a table."""
    rows = [re.split(r" -[-.]+> ", line.strip()) for line in match.group(1).splitlines() if line.strip()]
    return "\n".join(["| from | to |", "|---|---|", *(f"| {' | '.join(row)} |".replace(" &", ",") for row in rows)])


def mend_links(markdown: str, origin: str, name: str) -> str:
    """The text with links as the book has them.

    Args:
        markdown: of a page.
        origin: its path in the repository.
        name: its path in the book.
    """
    codes: list[str] = []

    def hide(match: re.Match[str]) -> str:
        codes.append(match.group())
        return f"\0{len(codes) - 1}\0"

    def mend(match: re.Match[str]) -> str:
        image, text, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or ":" in path:
            return match.group()
        place = in_book(posixpath.normpath(posixpath.join(posixpath.dirname(origin), path)))
        if place is None:
            return text
        relative = posixpath.relpath(place, posixpath.dirname(name) or ".")
        return f"{image}[{text}]({relative}{'#' * bool(anchor)}{anchor})"

    mended = LINK.sub(mend, FENCE.sub(hide, markdown))
    return re.sub("\0([0-9]+)\0", lambda match: codes[int(match.group(1))], mended)


def in_book(path: str) -> str | None:
    """Where the book has a file of the repository; None: it has not."""
    if path in OUTSIDE:
        return OUTSIDE[path]
    if path.startswith("docs/"):
        inner = path.removeprefix("docs/")
        return RENAMED.get(inner, inner)
    return None
