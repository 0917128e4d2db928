"""A short run of the soak: commands that are killed or disturbed lose nothing, and leave nothing half-written or wrong."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "benchmarks" / "faults" / "soak.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_nothing_is_lost(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "--trials", "20", "--seconds", "30", "--seed", "1", "--out", str(tmp_path / "a.csv")]
    command += ["--only", "denoise, fresh", "denoise, overwriting", "denoise, stack .npy", "denoise, stack .tif"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(int(row[name]) == 0 for row in rows for name in ("lost", "half_written", "wrong", "leftovers", "no_sentence"))
