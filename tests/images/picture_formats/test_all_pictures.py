"""What holds for every picture format: pixels come back, damage is one sentence, and the kind of file stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from images.picture_formats.samples import SAMPLES, seen
from images.test_stacks import copy
from unnoise import images
from unnoise.errors import UnnoiseError


def make(folder: Path, name: str) -> Path:
    SAMPLES[name](folder / name)
    return folder / name


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_the_same_pixels_come_back(tmp_path: Path, name: str) -> None:
    source = make(tmp_path, name)
    target = tmp_path / f"out{source.suffix}"
    copy(source, target)
    np.testing.assert_array_equal(seen(target), seen(source), strict=True)
    assert {path.name for path in tmp_path.iterdir()} == {source.name, target.name}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning")
def test_a_second_copy_is_the_same_file(tmp_path: Path, name: str) -> None:
    """So nothing is lost at each step."""
    source = make(tmp_path, name)
    copy(source, tmp_path / f"a{source.suffix}")
    copy(tmp_path / f"a{source.suffix}", tmp_path / f"b{source.suffix}")
    assert (tmp_path / f"a{source.suffix}").read_bytes() == (tmp_path / f"b{source.suffix}").read_bytes()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore::unnoise.errors.UnnoiseWarning", "error::RuntimeWarning")
def test_damage_is_one_sentence(tmp_path: Path, name: str) -> None:
    data = make(tmp_path, name).read_bytes()
    random = np.random.default_rng(0)
    for trial in range(16):
        changed = bytearray(data)
        if trial < 8:
            del changed[len(data) * (trial + 1) // 9 :]
        else:
            for place in random.integers(2, min(len(data), 200 if trial < 12 else len(data)), 4):
                changed[place] = random.integers(256)
        path = tmp_path / f"damaged{Path(name).suffix}"
        path.write_bytes(changed)
        said = refusal(path)
        assert said or trial >= 8, f"cut at {trial + 1} ninths, it is read without a word"
        assert not said or (said.endswith(".") and "\n" not in said and str(path) in said)


def refusal(path: Path) -> str:
    """Why a file is refused; empty: it is not."""
    try:
        with images.open(path) as opened:
            for frame in opened:
                frame.picture()
    except UnnoiseError as error:
        return str(error)
    return ""
