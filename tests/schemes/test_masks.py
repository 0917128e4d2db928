"""Masks: how much they keep, that complementary ones hide each pixel exactly once, and that a seed repeats them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unnoise.schemes.masks import checkerboard_masks, complementary_masks, random_mask

SIDES = st.integers(1, 40)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(batch=st.integers(1, 4), height=SIDES, width=SIDES, keep=st.floats(0, 1), seed=st.integers(0, 9))
def test_a_random_mask_repeats(batch: int, height: int, width: int, keep: float, seed: int) -> None:
    mask = random_mask(batch, height, width, keep, _generator(seed))
    assert mask.shape == (batch, 1, height, width)
    assert mask.dtype == torch.bool
    assert torch.equal(mask, random_mask(batch, height, width, keep, _generator(seed)))


@pytest.mark.parametrize("keep", [0.0, 0.25, 0.5, 0.9375, 1.0])
def test_a_random_mask_keeps_its_share_of_each_image(keep: float) -> None:
    mask = random_mask(3, 200, 300, keep, _generator())
    shares = mask.double().mean((1, 2, 3))
    assert (shares - keep).abs().max() < 5 * (keep * (1 - keep) / 60_000) ** 0.5 + 1e-12
    if 0 < keep < 1:
        assert not torch.equal(mask[0], mask[1])


@given(count=st.integers(2, 20), batch=st.integers(1, 4), height=SIDES, width=SIDES, seed=st.integers(0, 9))
def test_complementary_masks_hide_each_pixel_once(count: int, batch: int, height: int, width: int, seed: int) -> None:
    """Eq. 5: ΣM = (k − 1)·1 and Σ(1 − M) = 1."""
    masks = complementary_masks(count, batch, height, width, _generator(seed))
    assert masks.shape == (count, batch, 1, height, width)
    assert masks.dtype == torch.bool
    assert (masks.sum(0) == count - 1).all()
    assert ((~masks).sum(0) == 1).all()
    assert torch.equal(masks, complementary_masks(count, batch, height, width, _generator(seed)))


@given(count=st.integers(2, 9), height=SIDES, width=SIDES, seed=st.integers(0, 9), data=st.data())
def test_overlapping_masks_hide_each_pixel_as_often_as_told(
    count: int, height: int, width: int, seed: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(1, count - 1))
    masks = complementary_masks(count, 2, height, width, _generator(seed), overlap=overlap)
    assert ((~masks).sum(0) == overlap).all()
    once = complementary_masks(count, 2, height, width, _generator(seed))
    assert torch.equal(~masks & ~once, ~once)  # what it hides without an overlap, and more
    if overlap == count - 1:
        assert torch.equal(masks.roll(1, 0), ~once)  # a partition of what is shown


@pytest.mark.parametrize(("count", "overlap"), [(4, 3), (5, 2)])
def test_overlapping_masks_hide_equal_shares_by_chance(count: int, overlap: int) -> None:
    masks = complementary_masks(count, 2, 200, 300, _generator(), overlap=overlap)
    hidden = (~masks).double().mean((2, 3, 4))
    share = overlap / count
    assert (hidden - share).abs().max() < 5 * (share * (1 - share) / 60_000) ** 0.5


@pytest.mark.parametrize("count", [2, 3, 16])
def test_complementary_masks_hide_equal_shares_by_chance(count: int) -> None:
    masks = complementary_masks(count, 2, 200, 300, _generator())
    hidden = (~masks).double().mean((2, 3, 4))
    assert (hidden - 1 / count).abs().max() < 5 * ((count - 1) / count**2 / 60_000) ** 0.5
    assert not torch.equal(masks[:, 0], masks[:, 1])
    # Each pixel by itself: whether a neighbour is hidden too tells nothing.
    first = (~masks[0]).double() - 1 / count
    assert (first[..., 1:] * first[..., :-1]).mean().abs() < 0.01 * (count - 1) / count**2 + 5e-3 / count


@given(batch=st.integers(1, 3), height=SIDES, width=SIDES)
def test_a_checkerboard_hides_each_pixel_once_and_none_beside_it(batch: int, height: int, width: int) -> None:
    masks = checkerboard_masks(batch, height, width)
    assert masks.shape == (2, batch, 1, height, width)
    assert masks.dtype == torch.bool
    assert ((~masks).sum(0) == 1).all()
    assert (masks[..., 1:] != masks[..., :-1]).all()
    assert (masks[..., 1:, :] != masks[..., :-1, :]).all()
    assert not masks[0, :, :, 0, 0].any()


def test_senseless_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"share of the pixels in 0\.\.1, got 1\.5"):
        random_mask(1, 4, 4, 1.5, _generator())
    with pytest.raises(ValueError, match="At least two masks"):
        complementary_masks(1, 1, 4, 4, _generator())
    for overlap in (0, 3):
        with pytest.raises(ValueError, match=f"Of 3 masks 1 to 2 can hide a pixel, not {overlap}"):
            complementary_masks(3, 1, 4, 4, _generator(), overlap=overlap)
