"""Medians, means and ranks of groups equal NumPy's own, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unnoise.noise.groups import SHORT, least_of_each, mean_of_rows, median


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 3, 40, 41, SHORT - 1, SHORT, SHORT + 1])
def test_medians_are_numpys(count: int, dtype: type) -> None:
    values = np.random.default_rng(count).normal(size=count).astype(dtype).round(2)  # with ties
    assert median(values) == np.median(values)


def test_values_stay_as_they_are() -> None:
    values = np.random.default_rng(0).normal(size=SHORT)
    kept = values.copy()
    median(values)
    mean_of_rows(values)
    np.testing.assert_array_equal(values, kept)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.sampled_from([(), (1,), (3, 2), (16, 16)]), st.sampled_from([np.float32, np.float64]))
def test_means_of_rows_are_numpys(count: int, shape: tuple[int, ...], dtype: type) -> None:
    values = np.random.default_rng(count).normal(size=(count, *shape)).astype(dtype)
    np.testing.assert_array_equal(mean_of_rows(values), values.mean(axis=0))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.floats(0.01, 1), st.integers(1, 4), st.integers(0, 99))
def test_least_of_each_group_are_those_of_a_loop(sizes: list[int], share: float, at_least: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    values = draw.integers(0, 20, sum(sizes)).astype(np.float32)  # with ties
    groups = np.split(draw.permutation(sum(sizes)), np.cumsum(sizes)[:-1])
    expected = [group[np.argsort(values[group], kind="stable")][: max(at_least, round(share * len(group)))] for group in groups]
    found = least_of_each(values, groups, share, at_least)
    assert [each.tolist() for each in found] == [each.tolist() for each in expected]
