"""The book: links that leave docs/ are mended, and it builds without a warning and without anything remote."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def links() -> ModuleType:
    pytest.importorskip("mkdocs", reason="MkDocs is not installed: pip install '.[docs]'")
    spec = importlib.util.spec_from_file_location("book_links", ROOT / "tools" / "book_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("origin", "name", "text", "expected"),
    [
        ("docs/a.md", "a.md", "[b](b.md#part)", "[b](b.md#part)"),
        ("docs/a.md", "a.md", "[c](../CONTRIBUTING.md)", "[c](contributing.md)"),
        ("docs/results/a.md", "results/a.md", "[r](../../README.md) [i](../README.md)", "[r](../index.md) [i](../pages.md)"),
        (
            "README.md",
            "index.md",
            "![x](docs/images/x.png) [r](docs/results/README.md)",
            "![x](images/x.png) [r](results/README.md)",
        ),
        ("docs/a.md", "a.md", "[`run`](../src/run.py)", "`run`"),
        ("docs/a.md", "a.md", "[w](https://example.org) [h](#here)", "[w](https://example.org) [h](#here)"),
        ("docs/a.md", "a.md", "```\n[c](../CONTRIBUTING.md)\n```", "```\n[c](../CONTRIBUTING.md)\n```"),
    ],
)
def test_links_lead_to_the_books_own_pages(links: ModuleType, origin: str, name: str, text: str, expected: str) -> None:
    assert links.mend_links(text, origin, name) == expected


def test_a_diagram_is_a_table(links: ModuleType) -> None:
    text = "```mermaid\nflowchart TD\n    cli --> web & batch\n    batch -.-> files\n```\n"
    assert links.DIAGRAM.sub(links._in_words, text) == "| from | to |\n|---|---|\n| cli | web, batch |\n| batch | files |\n"


def test_the_page_of_commands_is_up_to_date() -> None:
    """If this fails: `python tools/command_line.py`."""
    tool = ROOT / "tools" / "command_line.py"
    answer = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_every_page_is_in_the_table_of_contents(links: ModuleType) -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"[\w/-]+\.md", str(yaml.safe_load(text)["nav"])))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert listed == {links.RENAMED.get(page, page) for page in pages} | set(links.OUTSIDE.values())


@pytest.mark.slow
def test_the_book_is_built_without_warnings_and_loads_nothing_remote(links: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    loaded = re.compile(r"""<(?:script|img|iframe|source)[^>]+src=["']?(https?:)?//|<link[^>]+href=["']?(https?:)?//""")
    assert [page.name for page in pages if loaded.search(page.read_text(encoding="utf-8"))] == []
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000
