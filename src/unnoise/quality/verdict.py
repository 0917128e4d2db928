"""The verdict on a result, in a few plain words."""

from __future__ import annotations

from enum import StrEnum

MOST_LOST = 0.15
"""Share of the noise's power that lost structure and drift may have, where a result is to be trusted."""
MOST_LEFT = 0.5
"""Share of the noise's power that may be left there."""


class Verdict(StrEnum):
    """What to think of a result.

    >>> Verdict.UNKNOWN.is_harm
    False
    """

    TRUST = "trust it"
    LEAVES_NOISE = "it leaves noise"
    TOOK_STRUCTURE = "it took structure"
    WORSE = "worse than the input"
    NO_NOISE = "no noise to remove"
    UNKNOWN = "cannot tell"

    @property
    def is_harm(self) -> bool:
        """Whether more than noise was taken."""
        return self in (Verdict.TOOK_STRUCTURE, Verdict.WORSE)


def verdict_of(gain: float, left: float, lost: float) -> Verdict:
    """The verdict on a picture with noise.

    Args:
        gain: estimated, in dB.
        left: power of the noise that is left, in units of the noise's.
        lost: power of lost structure and of drift, in the same units.

    >>> print(verdict_of(gain=8.0, left=0.1, lost=0.02))
    trust it
    >>> print(verdict_of(gain=-4.0, left=0.1, lost=2.4))
    worse than the input
    """
    if lost > MOST_LOST and gain < 0:
        return Verdict.WORSE
    if lost > max(MOST_LOST, left):
        return Verdict.TOOK_STRUCTURE
    if left > MOST_LEFT:
        return Verdict.LEAVES_NOISE
    return Verdict.TRUST if lost <= MOST_LOST else Verdict.TOOK_STRUCTURE
