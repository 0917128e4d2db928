"""What bfloat16 costs the shipped model on real photographs: at most 0.02 dB on a data set."""

from __future__ import annotations

from dataclasses import replace

import pytest

import unnoise
from reference import data_dir
from unnoise.data import DataSet, open_set

CORNER = (slice(256), slice(256))


class _Corners(DataSet):
    """A corner of each picture of another set: the whole ones would take minutes."""

    has_truth = True

    def __init__(self, pictures: DataSet) -> None:
        self.name, self.pairs = pictures.name, [replace(p, noisy=p.noisy[CORNER], clean=p.clean[CORNER]) for p in pictures]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.pairs)


@pytest.mark.parametrize(("kind", "folder"), [("sidd-val", "sidd_val"), ("polyu", "polyu")])
def test_bfloat16_changes_the_score_by_little(kind: str, folder: str) -> None:
    corners = _Corners(open_set(f"{kind}:{data_dir(folder)}").spread(12))
    model = unnoise.load("default")
    exact, fast = (unnoise.evaluate(model, corners, precision=name, refine=False) for name in ("float32", "bfloat16"))
    assert abs(exact.restored.psnr - fast.restored.psnr) <= 0.02
    assert exact.restored.psnr != fast.restored.psnr
