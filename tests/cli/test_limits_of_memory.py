"""Under a limit of memory a picture comes out right, or the command ends with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unnoise.images import Picture, read, write

resource = pytest.importorskip("resource")

PROGRAM = """
import resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
sys.argv[1:3] = []
from unnoise.cli import main
main()
"""
GIGABYTE = 10**9


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep these limits")
@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("RLIMIT_AS", 1.0),
        ("RLIMIT_AS", 1.5),
        ("RLIMIT_AS", 2.0),
        ("RLIMIT_DATA", 0.4),
        ("RLIMIT_DATA", 0.7),
        ("RLIMIT_DATA", 1.5),
    ],
)
def test_twelve_megapixels_come_out_right_or_end_with_a_sentence(tmp_path: Path, kind: str, limit: float) -> None:
    scene = np.kron(np.random.default_rng(0).integers(40, 200, (30, 40, 3)), np.ones((100, 100, 1)))
    noisy = (scene + np.random.default_rng(1).normal(0, 10, scene.shape)).clip(0, 255).astype(np.uint8)
    write(tmp_path / "a.png", Picture(noisy))
    arguments = ["denoise", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--model", "fast"]
    program = [sys.executable, "-c", PROGRAM, kind, str(int(limit * GIGABYTE)), *arguments]
    answer = subprocess.run(program, capture_output=True, text=True, check=False)
    assert "Traceback" not in answer.stderr
    if answer.returncode == 0:
        result = read(tmp_path / "b.png").pixels
        assert np.abs(result - scene).mean() < 0.5 * np.abs(noisy - scene).mean()
    else:
        assert answer.returncode == 1, answer.stderr
        assert [line for line in answer.stderr.splitlines() if line.startswith("unnoise: ")]
        assert not (tmp_path / "b.png").exists()
        assert limit < 2
