"""Old module paths: each imports, warns, and gives the very module at the new path."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import unnoise
from unnoise.deprecated.modules import KEPT, MOVED

SOURCE = Path(unnoise.__file__).parent


def _exists(path: str) -> bool:
    """Whether there is a module of our own at an old path, so that it did not just move."""
    place = SOURCE.joinpath(*path.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


TAKEN = sorted(old for old in MOVED if _exists(old))
"""Old modules whose path is a package now; the package hands on their names."""


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """Old paths are imported as if for the first time, and leave nothing behind."""
    old = {name: module for name, module in sys.modules.items() if name.removeprefix("unnoise.") in set(MOVED) - set(TAKEN)}
    for name in old:
        del sys.modules[name]
    yield
    for name in [f"unnoise.{path}" for path in MOVED if path not in TAKEN]:
        sys.modules.pop(name, None)
    sys.modules.update(old)


@pytest.mark.parametrize("old", [old for old in MOVED if old not in TAKEN])
@pytest.mark.usefixtures("_forgotten")
def test_an_old_path_gives_the_module_at_the_new_one(old: str) -> None:
    if "triton" in MOVED[old]:
        pytest.importorskip("triton", reason="our GPU kernels need Triton, which is for Linux on x86-64")
    new = import_module(f"unnoise.{MOVED[old]}")
    spec = new.__spec__
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert import_module(f"unnoise.{old}") is new
    told = [str(warning.message) for warning in caught if f"unnoise.{old} has moved" in str(warning.message)]
    assert told == ([] if old in KEPT else [f"unnoise.{old} has moved to unnoise.{MOVED[old]}; import it from there."])
    assert new.__spec__ is spec
    assert new.__name__ == f"unnoise.{MOVED[old]}"


@pytest.mark.parametrize(
    ("package", "old", "new"),
    [
        ("evaluation", "evaluate", "evaluation.scoring:evaluate"),
        ("evaluation", "Evaluation", "evaluation.scoring:Evaluation"),
        ("evaluation", "ImageScore", "evaluation.scoring:ImageScore"),
        ("evaluation", "Denoises", "evaluation.scoring:SupportsDenoise"),
        ("files", "make_folder", "files.atomic:make_folder"),
        ("files", "written_whole", "files.atomic:atomic_write"),
        ("files", "reserve", "files.atomic:preallocate"),
        ("draws", "Source", "rng:RandomSource"),
        ("draws", "PlacedDraws", "rng:PositionalGenerator"),
        ("rng", "Source", "rng:RandomSource"),
        ("views", "View", "regions:RegionSource"),
        ("views", "Part", "regions:Region"),
        ("views", "grown", "regions:dilate"),
        ("views", "spread_windows", "regions:sample_windows"),
        ("noise.inspection", "inspect", "models.inspection:inspect"),
    ],
)
def test_old_names_in_modules(package: str, old: str, new: str) -> None:
    home, name = new.split(":")
    with warnings.catch_warnings(action="ignore"):
        found = getattr(import_module(f"unnoise.{package}"), old)
    assert found is getattr(import_module(f"unnoise.{home}"), name)


def test_new_paths_exist() -> None:
    for old, new in MOVED.items():
        assert _exists(new), f"{old} → {new}"
        assert find_spec(f"unnoise.{new}") is not None


def test_the_zoo_is_a_promised_name_and_does_not_warn() -> None:
    code = (
        "import unnoise, unnoise.zoo, unnoise.zoo.choice\n"
        "from unnoise import zoo\n"
        "from unnoise.models import shipped\n"
        "assert zoo is unnoise.zoo is shipped and zoo.import_checkpoint and zoo.load"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 1  # zoo.choice is no promise
    assert "unnoise.zoo.choice has moved" in result.stderr
    code = code.replace(", unnoise.zoo.choice", "")
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
