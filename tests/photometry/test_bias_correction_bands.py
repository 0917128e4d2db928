"""The light of bands is kept some rows at a time, however high the bands are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from unnoise.photometry import array_threads, bias_correction_bands
from unnoise.photometry.bias_correction import CELL_PIXELS, BiasCorrection
from unnoise.photometry.photometry import Photometry
from unnoise.regions import RegionSource


@pytest.mark.parametrize("heights", [(300,), (70, 150, 80), (5,) * 60])
def test_high_bands_are_handed_on_in_low_portions(monkeypatch: pytest.MonkeyPatch, heights: tuple[int, ...]) -> None:
    monkeypatch.setattr(bias_correction_bands, "PORTION", {"cpu": 1})
    noisy, restored = torch.rand(2, 1, 3, sum(heights), 50).pow(2)
    seen = []

    def read(rows: slice, columns: slice) -> torch.Tensor:
        seen.append(rows.stop - rows.start)
        return noisy[..., rows, columns]

    def bands() -> Iterator[tuple[slice, torch.Tensor]]:
        top = 0
        for height in heights:
            yield slice(top, top + height), restored[..., top : top + height, :]
            top += height

    light = BiasCorrection(curve="srgb")
    results = list(
        bias_correction_bands.correct_bands(
            [Photometry(bias_correction=light)], [RegionSource((noisy.shape[-2], 50), read)], bands()
        )
    )
    assert torch.allclose(torch.cat([band for _, band in results], dim=-2), light(noisy, restored), atol=1e-6)
    assert max(seen) < 2 * CELL_PIXELS
    assert (
        max(band.shape[-2] for _, band in results[:-1]) < 2 * CELL_PIXELS
    )  # the last holds the rows that waited for those below


@pytest.mark.parametrize("heights", [(300,), (70, 150, 80), (5,) * 60])
def test_with_several_threads_it_is_the_same(monkeypatch: pytest.MonkeyPatch, heights: tuple[int, ...]) -> None:
    monkeypatch.setattr(bias_correction_bands, "PORTION", {"cpu": 1})
    noisy, restored = np.random.default_rng(0).random((2, 1, 3, sum(heights), 50), np.float32) ** 2
    edges = np.cumsum((0, *heights)).tolist()
    results = []
    for count in (1, 3):
        monkeypatch.setattr(array_threads, "thread_count", lambda count=count: count)
        bands = ((slice(top, bottom), restored[..., top:bottom, :]) for top, bottom in pairwise(edges))
        made = list(
            bias_correction_bands.correct_bands(
                [Photometry(bias_correction=BiasCorrection(curve="srgb"))], [RegionSource.of(noisy)], bands
            )
        )
        assert [rows.start for rows, _ in made] == [0, *(rows.stop for rows, _ in made[:-1])]  # in order, each row once
        results.append(np.concatenate([band for _, band in made], axis=-2))
    assert (results[0] == results[1]).all()
    assert abs(results[0] - restored).max() > 0.01
