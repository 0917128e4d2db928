"""The loss from bfloat16 and int8 on real photographs is at most 0.03 dB and 0.05 dB on a data set."""

from __future__ import annotations

from dataclasses import replace

import pytest

import unnoise
from reference import data_dir, needs_int8
from unnoise.evaluation.datasets import DataSet, open_set

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


SETS = pytest.mark.parametrize(("kind", "folder"), [("sidd-val", "sidd_val"), ("polyu", "polyu")])


def _psnr(kind: str, folder: str, precision: str, name: str = "default", pictures: int = 12) -> tuple[float, float]:
    """In float32, and in that precision."""
    corners = _Corners(open_set(f"{kind}:{data_dir(folder)}").spread(pictures))
    model = unnoise.load(name)
    exact, fast = (unnoise.evaluate(model, corners, precision=each, refine=False) for each in ("float32", precision))
    return exact.restored.psnr, fast.restored.psnr


@pytest.mark.data
@SETS
def test_bfloat16_changes_the_score_by_little(kind: str, folder: str) -> None:
    exact, fast = _psnr(kind, folder, "bfloat16")
    assert abs(exact - fast) <= 0.03
    assert exact != fast


@pytest.mark.data
@needs_int8
@SETS
def test_int8_costs_little(kind: str, folder: str) -> None:
    exact, fast = _psnr(kind, folder, "int8")
    assert abs(exact - fast) <= 0.05
    assert exact != fast


@pytest.mark.data
@needs_int8
def test_int8_costs_little_where_nothing_was_prepared_for_it() -> None:
    """On quiet pictures, of which weights rounded each to the nearest take half a decibel (`layers.dynamic_int8`)."""
    exact, fast = _psnr("polyu", "polyu", "int8", "ap-bsn", pictures=6)
    assert abs(exact - fast) <= 0.05
    assert exact != fast
