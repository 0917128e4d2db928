"""Small valid files of every kind come through, or are refused by what they are: a short run of the benchmark."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(name="sweep")
def _sweep(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("formats_sweep")


def test_nothing_fails_and_nothing_is_lost(sweep: Any, tmp_path: Path) -> None:
    for kind in sweep.KINDS:
        counts, notes = sweep.sweep(tmp_path, kind, 24 if kind == "tiff" else 6, seed=7)
        assert sum(counts.values()) == (24 if kind == "tiff" else 6)
        assert counts["failed"] == counts["lost"] == 0, notes
        assert all(re.search(r"FILE (has|is|holds) .*\.$", note) for note in notes), notes


@pytest.mark.parametrize("fault", ["pixels", "frames", "profile", "crash", "nothing"])
def test_the_sweep_finds_faults(sweep: Any, tmp_path: Path, fault: str) -> None:
    image = Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    image.save(tmp_path / "a.png", icc_profile=sweep.PROFILE, save_all=True, append_images=[image.rotate(90)], duration=50)

    def copy(source: Path, target: Path) -> None:
        if fault == "crash":
            raise IndexError("list index out of range")
        sweep.copied(source, target)
        with Image.open(target) as made:
            frames = []
            for index in range(2):
                made.seek(index)
                frames.append(made.convert("RGB"))
        if fault == "pixels":
            frames[1].putpixel((3, 3), (9, 9, 9))
        others = [] if fault == "frames" else frames[1:]
        said = {"icc_profile": b"" if fault == "profile" else sweep.PROFILE}
        frames[0].save(target, save_all=True, append_images=others, duration=50, **said)

    what, why = sweep.outcome(tmp_path / "a.png", tmp_path / "b.png", False, copy)
    assert what == {"crash": "failed", "nothing": "exact"}.get(fault, "lost"), why
    words = {"pixels": "pixels differ", "frames": "2 pictures became 1", "profile": "its profile", "crash": "IndexError"}
    assert words.get(fault, "") in why
