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
from unnoise.photometry.integer_steps import steps_are_coarse
from unnoise.regions import RegionSource

COUNTS = np.random.default_rng(0).poisson(2.0, (64, 64))
SENTENCE = r"spans [4-9] whole numbers. Its result is rounded up or down by chance"


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_faint_whole_counts_are_warned_of_and_keep_their_light(kind: str) -> None:
    for mean in (0.5, 2.0):
        counts = np.random.default_rng(1).poisson(mean, (96, 96)).astype(kind)
        with pytest.warns(UnnoiseWarning, match="^The image " + SENTENCE):
            result = unnoise.denoise(counts)
        assert result.dtype == counts.dtype
        assert result.mean() == pytest.approx(counts.mean(), rel=0.02)


def test_masks_and_labels_of_few_values_stay() -> None:
    labels = np.repeat(np.repeat(np.random.default_rng(2).integers(0, 5, (6, 6)), 16, 0), 16, 1).astype(np.uint8)
    with pytest.warns(UnnoiseWarning, match="no noise"):
        assert np.array_equal(unnoise.denoise(labels), labels)
    with pytest.warns(UnnoiseWarning, match="only two values"):
        assert np.array_equal(unnoise.denoise((labels > 2).astype(np.uint8)), labels > 2)


def test_noise_of_many_steps_is_not_coarse() -> None:
    noise = RegionSource.of(np.random.default_rng(3).normal(0, 10, (1, 1, 96, 96)).astype(np.float32))  # type: ignore[type-var]
    assert not steps_are_coarse(noise, 1.5)
    assert steps_are_coarse(noise, 1.9)


def test_others_are_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnnoiseWarning)
        unnoise.denoise(COUNTS.astype(np.float32))
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
