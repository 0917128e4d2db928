"""Color changes: the same for all pictures of a stack, affine, and each in its share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.errors import UsageError
from unnoise.simulation.color_change import LARGEST_SATURATION, ColorChange

NONE = {"exchange": 0, "mix": 0, "saturate": 0, "tint": 0, "negative": 0}
STACK = np.random.default_rng(0).random((12, 10, 9)).astype(np.float32)  # three pictures


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_all_pictures_of_a_stack_change_alike_and_stay_in_range(seed: int) -> None:
    changed = ColorChange().apply(STACK, np.random.default_rng(seed))
    assert changed.shape == STACK.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 1
    for start in (0, 3, 6):
        alone = ColorChange().apply(STACK[..., start : start + 3], np.random.default_rng(seed))
        np.testing.assert_allclose(changed[..., start : start + 3], alone, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_the_mean_of_the_noise_stays_zero(seed: int) -> None:
    """Affine: the change of a mean is the mean of the changes, as long as nothing is cut off."""
    change = ColorChange(saturate=0)  # saturation alone leaves the range
    noisy = change.apply(STACK[..., :3], np.random.default_rng(seed))
    mean = change.apply(STACK[..., :3].mean((0, 1), keepdims=True), np.random.default_rng(seed))
    np.testing.assert_allclose(noisy.mean((0, 1)), mean[0, 0], atol=1e-5)


def test_exchange_alone_permutes_the_channels() -> None:
    orders = set()
    for seed in range(60):
        changed = ColorChange(**NONE | {"exchange": 1}).apply(STACK, np.random.default_rng(seed))
        order = tuple(int(np.abs(STACK[..., :3] - changed[..., n, None]).sum((0, 1)).argmin()) for n in range(3))
        np.testing.assert_array_equal(changed[..., 3:6], STACK[..., 3:6][..., order])
        orders.add(order)
    assert len(orders) == 6


def test_negative_alone_inverts() -> None:
    changed = ColorChange(**NONE | {"negative": 1}).apply(STACK, np.random.default_rng(0))
    np.testing.assert_allclose(changed, 1 - STACK, atol=1e-6)


def test_nothing_asked_changes_nothing_measurements_included() -> None:
    beyond = STACK * 4 - 1
    np.testing.assert_array_equal(ColorChange(**NONE).apply(beyond, np.random.default_rng(0)), beyond)


@pytest.mark.parametrize(("field", "largest"), [("mix", 1.0), ("tint", 1.0), ("saturate", LARGEST_SATURATION)])
def test_how_far_each_change_goes(field: str, largest: float) -> None:
    """Mixing and tinting never raise the noise of independent channels; saturation does up to its bound; all change something."""
    for seed in range(100):
        matrix, _ = ColorChange(**NONE | {field: 1}).draw(np.random.default_rng(seed))
        assert np.linalg.norm(matrix, axis=1).max() <= largest + 1e-9
        assert np.abs(matrix - np.eye(3)).max() > 0


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(UsageError, match="color change's field 'mix'"):
        ColorChange(mix=1.5)
