"""`unnoise denoise --workers`: the same results as one process, and the same sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command_line import call
from unnoise import images


def test_two_workers_write_the_bytes_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    noisy = tmp_path / "noisy"
    noisy.mkdir()
    for name in ("a.png", "b.png", "c.jpg"):
        images.write(noisy / name, images.Picture(draw.integers(80, 120, (40, 48, 3), dtype=np.uint8)))
    (noisy / "bad.png").write_bytes(b"no picture")
    answers = {
        count: call(monkeypatch, capfd, "denoise", noisy, "-o", tmp_path / count, "--model", "fast", "--workers", count)
        for count in ("1", "2")
    }
    assert answers["1"].status == answers["2"].status == 1
    ends = [sorted(line for line in answer.err.splitlines() if not line.startswith("file ")) for answer in answers.values()]
    assert ends[0] == ends[1]
    assert "bad.png" in answers["2"].err
    for name in ("a.png", "b.png", "c.jpg"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
        assert str(tmp_path / "2" / name) in answers["2"].out
    again = call(monkeypatch, capfd, "denoise", noisy, "-o", tmp_path / "2", "--model", "fast", "--workers", "2")
    assert "3 done before and unchanged, 1 failed." in again.err


def test_a_number_of_workers_below_one_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    images.write(tmp_path / "a.png", images.Picture(np.zeros((8, 8, 3), np.uint8)))
    answer = call(monkeypatch, capfd, "denoise", tmp_path, "-o", tmp_path / "out", "--workers", "0")
    assert (answer.status, answer.err) == (2, "unnoise: --workers takes a number of processes from 1 on, not 0.\n")
