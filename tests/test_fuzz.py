"""A short run of the fuzzer: a damaged file is read, or is one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "benchmarks" / "fuzz" / "fuzz.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_damaged_files_are_sentences() -> None:
    command = [sys.executable, str(FUZZ), "--inputs", "400", "--seconds", "60", "--seed", "7"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.endswith(" 0 findings\n")
