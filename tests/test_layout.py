"""The layout of the tree: what may lie at the top of the package, and how long a file may be."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
TOP_MODULES = {"__init__.py", "errors.py", "regions.py", "registry.py", "rng.py"}
"""The only modules beside the packages. Everything else has a subject, and so a folder."""
MOST_LINES = 400


def test_the_top_of_the_package_holds_few_modules() -> None:
    assert {path.name for path in (ROOT / "src" / "unnoise").glob("*.py")} == TOP_MODULES


def test_files_are_short() -> None:
    files = [path for folder in ("src", "tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}
