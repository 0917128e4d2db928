"""What an installation is made of: locked versions with hashes, licences, advisories, and wheels that can be built again."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _pins(path: str) -> dict[str, set[str]]:
    """The versions of each package; several, where they depend on the system."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            requirement = Requirement(line.removesuffix("\\").strip())
            found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier).removeprefix("=="))
    return found


def test_every_requirement_is_locked() -> None:
    """If this fails: `make lock`."""
    extras = PROJECT["optional-dependencies"]
    asked = [Requirement(text) for text in [*PROJECT["dependencies"], *(text for each in extras.values() for text in each)]]
    locked, constraints = _pins("requirements/dev.txt"), _pins("constraints.txt")
    for requirement in asked:
        name = canonicalize_name(requirement.name)
        if name in ("unnoise", "torch"):
            continue
        assert locked.get(name), f"{name} is not locked: make lock"
        assert all(requirement.specifier.contains(version) for version in locked[name]), name
    assert "torch" in constraints
    assert _pins("requirements/demo.txt").items() <= locked.items()
    assert {name: versions for name, versions in constraints.items() if name != "torch"} == locked


@pytest.mark.parametrize("name", ["demo", "dev"])
def test_every_locked_package_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    blocks = re.findall(r"^(\S+)==.*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    assert {canonicalize_name(block[0]) for block in blocks} == set(_pins(f"requirements/{name}.txt"))


def test_licences() -> None:
    tool = _tool("licences")
    assert tool.fault_of("unnoise", "MIT") == ""
    assert "needs a reason" in tool.fault_of("unnoise", "GPL-3.0-or-later OR MIT")
    assert "does not know" in tool.fault_of("unnoise", "Free for non-commercial use")
    assert "states no licence" in tool.fault_of("unnoise", "")
    assert tool.licence_of("numpy").startswith("BSD-3-Clause")
    assert tool.licence_of("no-such-package-here") == ""
    users = tool.needed_by_users()
    assert {"numpy", "pydicom", "pylibjpeg-libjpeg", "pillow", "torch", "sympy"} <= users  # those of others too
    assert not users & {"pytest", "mypy", "pillow-jxl-plugin"}


def test_advisories() -> None:
    verdict = _tool("audit").verdict
    fault = {"id": "X-1", "aliases": ["CVE-1"], "fix_versions": []}
    found = [{"name": "a", "version": "1", "vulns": [fault]}, {"name": "b", "version": "2", "vulns": []}]
    said, status = verdict(found, {})
    assert status == 1
    assert "a 1 has the vulnerability X-1, mended in no version." in said
    assert verdict(found, {"CVE-1": "not called"})[1] == 0
    said, status = verdict([*found[1:], {"name": "c", "skip_reason": "not on PyPI"}], {})
    assert status == 0
    assert said == "1 package audited, 0 vulnerabilities unexplained; the service does not know 1 other."


def test_the_audit_says_that_it_reached_nobody() -> None:
    """Without a network, `make lint` goes on, and does not claim that all is well."""
    nobody = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    answer = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "audit.py")], env=os.environ | nobody, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Not audited: the advisory service cannot be reached")


@pytest.mark.slow
def test_wheels_are_built_again_byte_for_byte_and_work_alone(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__", "dist", "demo", "runs")
    built = []
    for number, mask in enumerate((0o022, 0o077)):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(ROOT, copy, ignore=ignored, copy_function=shutil.copyfile)  # other times
        for path in copy.rglob("*"):
            path.chmod(path.stat().st_mode & ~mask)
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path / f"dist{number}"), str(copy)]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
        built.append({path.name: path.read_bytes() for path in (tmp_path / f"dist{number}").iterdir()})
    assert len(built[0]) == 2
    assert built[0] == built[1]

    (wheel,) = (tmp_path / "dist0").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(".safetensors") for name in names)
    assert all(name.startswith(("unnoise/", "unnoise-")) for name in names)

    # A clean environment that sees the libraries of this one, but neither its unnoise nor this folder.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "clean")], check=True)
    (packages,) = (tmp_path / "clean").glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    python = tmp_path / "clean" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = (
        "import numpy, unnoise; print(unnoise.__file__, unnoise.denoise(numpy.full((16, 16), 7, 'uint8'), model='fast').mean())"
    )
    answer = subprocess.run([str(python), "-c", code], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(str(packages))
    shown = subprocess.run(
        [python.with_name("unnoise"), "models"], cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
    )
    assert "default" in shown.stdout, shown.stderr
