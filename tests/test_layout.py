"""The layout of the tree: what may lie at the top of the package, and how long a file may be."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
TOP_MODULES = {"__init__.py", "array_api.py", "errors.py", "regions.py", "registry.py", "rng.py"}
"""The only modules beside the packages. Everything else has a subject, and so a folder."""
MOST_LINES = 400


def test_the_top_of_the_package_holds_few_modules() -> None:
    assert {path.name for path in (ROOT / "src" / "unnoise").glob("*.py")} == TOP_MODULES


def test_files_are_short() -> None:
    files = [path for folder in ("src", "tests", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")]
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """import-linter compares packages, of which those in `layers` have modules on several levels; here each module counts by itself."""
    graph = grimp.build_graph("unnoise", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 200
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"These modules import each other: {' → '.join(error.args[1])}")
