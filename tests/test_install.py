"""What an installation brings, and what unnoise says where something is missing."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from unnoise import registry
from unnoise.cli import main
from unnoise.errors import UnnoiseError

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_PEOPLE = {"all", "build", "cuda", "demo", "dev", "docs"}
"""Extras that no part of the package asks for."""
HANDED_ON = {"PIL", "triton", "google"}
"""Brought by another package where they are needed: by torch on GPUs, by onnxruntime, and by tests."""


def _names(requirements: list[str], system: str = "Linux") -> set[str]:
    parsed = [Requirement(text) for text in requirements]
    here = {"platform_system": system, "sys_platform": system.lower(), "extra": ""}
    return {canonicalize_name(each.name) for each in parsed if each.marker is None or each.marker.evaluate(here)}


def _imported() -> set[str]:
    """The top-level names of all libraries that the package imports anywhere."""
    found: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"unnoise"}


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_a_plain_install_brings_onnxruntime_and_no_torch(system: str) -> None:
    names = _names(PROJECT["dependencies"], system)
    assert "torch" not in names
    assert "onnxruntime" in names
    assert _names(EXTRAS["torch"]) == {"torch"}
    assert {str(Requirement(text)) for text in EXTRAS["cuda"]} == {"unnoise[torch]"}


def test_what_the_package_imports_is_declared() -> None:
    distributions = packages_distributions()
    always = _names(PROJECT["dependencies"], "Darwin")
    for library in _imported() - HANDED_ON:
        names = {canonicalize_name(name) for name in distributions[library]}
        extra = registry.EXTRAS.get(library)
        assert names & (always if extra is None else _names(EXTRAS[extra])), library


def test_every_extra_is_used_and_every_library_s_extra_exists() -> None:
    assert set(EXTRAS) - FOR_PEOPLE == set(registry.EXTRAS.values())
    (everything,) = EXTRAS["all"]
    assert Requirement(everything).extras == set(registry.EXTRAS.values()) - {"napari", "cluster"}  # one machine needs no Ray


@pytest.mark.parametrize("library", registry.EXTRAS)
def test_a_missing_library_names_its_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnnoiseError, match=rf"^This needs {library}, .* pip install '\.\[{registry.EXTRAS[library]}\]'\.$"):
        registry.require(library, "This")


def test_a_broken_library_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halved.py").write_text("import a_part_that_is_gone")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="a_part_that_is_gone"):
        registry.require("halved", "This")


def _call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["unnoise", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    return capfd.readouterr().err


@pytest.mark.parametrize(
    ("library", "arguments"),
    [
        ("accelerate", ["train", "noisy", "--recipe", "ap-bsn", "--out", "run"]),
        ("tensorboard", ["train", "noisy", "--recipe", "ap-bsn", "--out", "run"]),
        ("matplotlib", ["denoise", "a.npy", "--report"]),
    ],
)
def test_commands_say_what_is_missing_before_any_work(
    library: str, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, library, None)
    (line,) = _call(monkeypatch, capfd, *arguments).splitlines()
    assert f"pip install '.[{registry.EXTRAS[library]}]'" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("from unnoise.cli import main; sys.argv = ['unnoise', 'train', '.', '--out', 'run']; main()", 2),
        ("import unnoise; unnoise.train", 1),
    ],
)
def test_without_torch_the_way_to_it_is_told(code: str, status: int) -> None:
    program = f"import sys; sys.modules['torch'] = None; {code}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == status
    last = result.stderr.splitlines()[-1]
    assert "PyTorch is not installed" in last
    assert "pip install torch --index-url https://download.pytorch.org/whl/cpu" in last
