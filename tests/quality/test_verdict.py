"""The verdict: what the figures mean, in a few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.quality.verdict import MOST_LEFT, MOST_LOST, Verdict, verdict_of

SHARES = st.floats(0, 5)


@given(st.floats(-30, 30), SHARES, SHARES)
def test_only_little_left_and_little_lost_is_trusted(gain: float, left: float, lost: float) -> None:
    trusted = verdict_of(gain, left, lost) is Verdict.TRUST
    assert trusted == (left <= MOST_LEFT and lost <= MOST_LOST)


@given(st.floats(-30, 30), SHARES, SHARES)
def test_harm_is_seen_only_where_structure_was_lost(gain: float, left: float, lost: float) -> None:
    found = verdict_of(gain, left, lost)
    assert not found.is_harm or lost > MOST_LOST
    assert (found is Verdict.WORSE) == (gain < 0 and lost > MOST_LOST)


@pytest.mark.parametrize(
    ("left", "lost", "expected"),
    [(0.8, 0.3, Verdict.LEAVES_NOISE), (0.3, 0.6, Verdict.TOOK_STRUCTURE), (0.2, 0.18, Verdict.TOOK_STRUCTURE)],
)
def test_the_larger_error_is_named(left: float, lost: float, expected: Verdict) -> None:
    assert verdict_of(2.0, left, lost) is expected
