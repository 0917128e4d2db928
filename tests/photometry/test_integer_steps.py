"""Who gives faint counts as whole numbers is told what rounding costs."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import unnoise
from unnoise.errors import UnnoiseWarning

COUNTS = np.random.default_rng(0).poisson(2.0, (64, 64))
SENTENCE = r"spans [4-9] whole numbers, and its result is rounded to whole numbers too; give it as floats"


def test_faint_whole_counts_are_warned_of() -> None:
    with pytest.warns(UnnoiseWarning, match="^The image " + SENTENCE):
        unnoise.denoise(COUNTS.astype(np.uint16))


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_others_are_not(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnnoiseWarning)
        unnoise.denoise(COUNTS.astype(kind))
        unnoise.denoise((COUNTS * 300).astype(np.uint16))
        unnoise.denoise(np.full((32, 32), 7, np.uint16))


def test_the_command_line_says_it_in_one_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "faint.npy", COUNTS.astype(np.uint16))
    program = "from unnoise.cli import main; main()"
    called = subprocess.run(
        [sys.executable, "-c", program, "denoise", "faint.npy", "--model", "fast"], cwd=tmp_path, capture_output=True, text=True
    )
    assert called.returncode == 0
    told = [line for line in called.stderr.splitlines() if "faint.npy" in line]
    assert len(told) == 1
    assert told[0].startswith("unnoise: faint.npy spans ")
    assert "Warning" not in called.stderr
