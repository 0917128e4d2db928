"""Every file that the documentation names exists. Logs of the past and the changelog may name files of their time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unnoise.denoisers.base import Denoiser
from unnoise.models.model import Model
from unnoise.schemes.base import Scheme

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "findings" / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if not page.stem.endswith("history")),
]
BASES = [ROOT, ROOT / "src" / "unnoise"]
EXAMPLES = {"mine.py", "mine.yaml"}
"""Names of files that a reader is to write."""


def named_files(text: str) -> list[str]:
    """The paths of code and recipes in backticks, such as `layers/norms.py` and `layers/triton/`."""
    return [
        name
        for name in re.findall(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|yaml)|(?:[\w-]+/)+)`", text)
        if Path(name).name not in EXAMPLES and not name.startswith(("demo/", "dist/", "site/", "runs/", "noisy/", "clean/"))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    missing = [
        name
        for name in named_files(page.read_text(encoding="utf-8"))
        if not any((base / name).exists() for base in (*BASES, page.parent))
    ]
    assert missing == []


def test_the_pages_name_files_at_all() -> None:
    assert len(named_files((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_tests_exist(page: Path) -> None:
    """Such as `tests/test_rng.py::test_a`; a name without its file is one of the file before it."""
    file, missing = "", []
    for path, name in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", page.read_text(encoding="utf-8")):
        file = path or file
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8"):
            missing.append(f"{file}::{name}")
    assert missing == []


def test_the_index_of_findings_is_complete() -> None:
    index = (ROOT / "findings" / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in (ROOT / "findings").glob("*.sh") if f"({path.name})" not in index]
    assert missing == [], "add a row to findings/README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_members_exist(page: Path) -> None:
    classes = {"Denoiser": Denoiser, "Model": Model, "Scheme": Scheme}
    named = re.findall(rf"`({'|'.join(classes)})\.(\w+)", page.read_text(encoding="utf-8"))
    assert [f"{owner}.{member}" for owner, member in named if not hasattr(classes[owner], member)] == []
