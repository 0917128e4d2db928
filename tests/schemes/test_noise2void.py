"""Noise2Void: which pixels are replaced, by what, and that only they count."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.schemes.noise2void import Noise2Void, stratified_places


def _numbered(batch: int, height: int, width: int) -> torch.Tensor:
    """Every pixel has its own value, alike in both channels but for a sign."""
    values = torch.arange(1.0, 1 + batch * height * width).reshape(batch, 1, height, width)
    return torch.cat([values, -values], dim=1)


def _seen_and_replaced(scheme: Noise2Void, noisy: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    seen: list[torch.Tensor] = []
    scheme.loss(lambda x: seen.append(x) or x, noisy, torch.Generator().manual_seed(seed))  # type: ignore[func-returns-value]
    return seen[0], (seen[0] != noisy).any(1)


@given(size=st.tuples(st.integers(1, 30), st.integers(1, 30)), side=st.integers(2, 8), seed=st.integers(0, 99))
def test_each_box_has_at_most_one_pixel_and_each_whole_box_one(size: tuple[int, int], side: int, seed: int) -> None:
    places = stratified_places(2, *size, 1 / side**2, torch.Generator().manual_seed(seed)).tolist()
    boxes = Counter((image, row // side, column // side) for image, row, column in places)
    assert set(boxes.values()) <= {1}
    whole = {(b, i, j) for b in range(2) for i in range(size[0] // side) for j in range(size[1] // side)}
    assert whole <= set(boxes)
    assert all(row < size[0] and column < size[1] for _, row, column in places)


def test_all_places_of_a_box_are_as_likely() -> None:
    places = stratified_places(1, 400, 400, 1 / 16, torch.Generator().manual_seed(0))
    counts = Counter((row % 4, column % 4) for _, row, column in places.tolist())
    assert len(counts) == 16
    assert 500 < min(counts.values()) <= max(counts.values()) < 750  # 625 each


@settings(deadline=None)
@given(size=st.tuples(st.integers(2, 20), st.integers(2, 20)), window=st.sampled_from([3, 5, 11]), seed=st.integers(0, 99))
def test_a_random_pixel_of_the_surroundings_and_never_itself(size: tuple[int, int], window: int, seed: int) -> None:
    noisy = _numbered(2, *size)
    scheme = Noise2Void(share=0.25, window=window)
    seen, replaced = _seen_and_replaced(scheme, noisy, seed)
    expected = stratified_places(2, *size, 0.25, torch.Generator().manual_seed(seed))
    assert sorted(replaced.nonzero().tolist()) == sorted(expected.tolist())
    for b, i, j in replaced.nonzero().tolist():
        image, row, column = np.unravel_index(int(seen[b, 0, i, j]) - 1, (2, *size))
        assert image == b
        assert max(abs(row - i), abs(column - j)) <= window // 2
        assert seen[b, 1, i, j] == -seen[b, 0, i, j]  # all channels come from one pixel


def test_each_pixel_of_the_window_is_as_likely() -> None:
    noisy = _numbered(4000, 3, 3)
    seen, replaced = _seen_and_replaced(Noise2Void(share=1 / 9, window=3), noisy, 0)
    from_middle = Counter((seen[replaced[:, 1, 1], 0, 1, 1].long() - 1).remainder(9).tolist())
    assert set(from_middle) == set(range(9)) - {4}
    assert max(from_middle.values()) < 2 * min(from_middle.values())  # about 55 each


def test_the_pixel_itself_may_be_drawn_where_the_recipe_says_so() -> None:
    noisy = _numbered(1, 60, 60)
    replaced = [
        int(_seen_and_replaced(Noise2Void(share=0.25, window=3, with_center=each), noisy, 0)[1].sum()) for each in (False, True)
    ]
    assert replaced[0] == 900
    assert 760 < replaced[1] < 840  # one ninth stays as it is


@settings(deadline=None, max_examples=30)
@given(
    size=st.tuples(st.integers(2, 14), st.integers(2, 14)),
    window=st.sampled_from([3, 5, 11]),
    kind=st.sampled_from(["median", "mean"]),
    seed=st.integers(0, 99),
)
def test_the_median_and_the_mean_of_the_surroundings(size: tuple[int, int], window: int, kind: str, seed: int) -> None:
    noisy = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(seed))
    seen, _ = _seen_and_replaced(Noise2Void(share=0.25, window=window, replaced_by=kind), noisy, seed)  # type: ignore[arg-type]
    for b, i, j in stratified_places(1, *size, 0.25, torch.Generator().manual_seed(seed)).tolist():
        for channel in range(2):
            image, radius = noisy[b, channel].numpy(), window // 2
            rows, columns = (range(max(0, k - radius), min(n, k + radius + 1)) for k, n in zip((i, j), size, strict=True))
            around = [image[r, c] for r in rows for c in columns if (r, c) != (i, j)]
            expected = (np.median if kind == "median" else np.mean)(around)
            assert float(seen[b, channel, i, j]) == pytest.approx(float(expected), abs=1e-6)


def test_only_the_replaced_pixels_count() -> None:
    noisy = torch.rand(2, 3, 16, 16)
    places = stratified_places(2, 16, 16, 1 / 16, torch.Generator().manual_seed(0))
    wrong = torch.full_like(noisy, 99.0)
    for b, i, j in places.tolist():
        wrong[b, :, i, j] = noisy[b, :, i, j] + 0.5
    loss = Noise2Void(share=1 / 16).loss(lambda x: wrong, noisy, torch.Generator().manual_seed(0))
    assert loss.item() == pytest.approx(0.25)
