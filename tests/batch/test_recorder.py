"""What is said of a picture that could not be denoised."""

from __future__ import annotations

from pathlib import Path

import pytest

from unnoise.batch.jobs import Job
from unnoise.batch.recorder import as_sentence


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 39936000 bytes."),
            "more memory than there is",
        ),
        (ZeroDivisionError("division by zero"), "please report this"),
    ],
)
def test_a_lack_of_memory_is_no_fault_to_report(tmp_path: Path, error: Exception, words: str) -> None:
    (tmp_path / "a.png").touch()
    said = str(as_sentence(Job(tmp_path / "a.png", tmp_path / "b.png"), error))
    assert words in said
    assert said.startswith(f"{tmp_path / 'a.png'} ")
    assert ("--tile" in said) != ("report" in said)
