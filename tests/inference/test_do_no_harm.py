"""Guards: equal channels stay equal, and a picture without noise is left unchanged, with a warning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unnoise.errors import UnnoiseWarning
from unnoise.inference.do_no_harm import Guard
from unnoise.regions import RegionSource

STEP = 1 / 255


def noisy(channels: int = 3, sigma: float = 5, side: int = 128) -> torch.Tensor:
    pixels = 120 + sigma * np.random.default_rng(0).normal(size=(1, channels, side, side))
    return torch.from_numpy(np.round(pixels) / 255).float()


def test_equal_channels_stay_exactly_equal() -> None:
    picture = noisy(1).expand(-1, 3, -1, -1).contiguous()
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    coloured = torch.full_like(picture, 120 / 255) + torch.tensor([0.02, 0.0, -0.01])[:, None, None]
    result = guard.apply(picture, coloured)
    assert guard.grey
    assert torch.equal(result[:, 0], result[:, 1])
    assert torch.equal(result[:, 0], result[:, 2])
    assert result.std() < 0.3 * picture.std()


def test_a_mask_stays_as_it_is_and_a_sentence_says_why() -> None:
    mask = (torch.rand(1, 1, 64, 64) < 0.5).float()
    guard = Guard.of(RegionSource.of(mask), step=STEP)
    assert torch.equal(guard.apply(mask, torch.full_like(mask, 0.5)), mask)
    with pytest.warns(UnnoiseWarning, match=r"^mask.png has only two values .*--force"):
        guard.warn("mask.png")


def test_force_restores_a_mask() -> None:
    mask = (torch.rand(1, 1, 64, 64) < 0.5).float()
    guard = Guard.of(RegionSource.of(mask), step=STEP, force=True)
    assert guard.kept is None
    assert not torch.equal(guard.apply(mask, torch.full_like(mask, 0.5)), mask)


def test_where_no_noise_can_be_told_the_picture_stays_bit_for_bit() -> None:
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    picture = torch.stack([x, y, (x + y) / 2]).div(255)[None]
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    assert guard.kept is not None
    assert "no noise can be told" in guard.kept
    assert torch.equal(guard.apply(picture, picture.clamp(0.2, 0.3)), picture)
    assert Guard.of(RegionSource.of(picture), step=STEP, force=True).kept is None


def test_of_a_photograph_no_word_is_said(recwarn: pytest.WarningsRecorder) -> None:
    guard = Guard.of(RegionSource.of(noisy()), step=STEP)
    guard.warn("The image")
    assert guard.kept is None
    assert guard.noise[0] is not None
    assert not recwarn.list


def test_the_plain_part_of_a_screenshot_stays_exact() -> None:
    picture = noisy(side=192)
    picture[..., :96] = 200 / 255
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    result = guard.apply(picture, torch.full_like(picture, 120 / 255) + (picture > 190 / 255) * (81 / 255))
    assert torch.equal(result[..., :80], picture[..., :80])
    assert result[..., 112:].std() < 0.5 * picture[..., 112:].std()


def test_a_picture_too_small_to_measure_is_restored_without_a_bound() -> None:
    picture = noisy(side=20)
    guard = Guard.of(RegionSource.of(picture), step=STEP)
    assert guard.noise == (None,)
    restored = torch.rand_like(picture)
    assert torch.equal(guard.apply(picture, restored), restored)
