"""Which frames of a stack are neighbours of each other, along one of the axes that number them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unnoise.errors import UsageError

USUAL = "T", "Z"
"""The axes that are taken unasked, in this order."""
NO_NEIGHBOURS = "CS"
"""Axes along which pictures show different things."""


MOST_NEIGHBOURS = 16
"""On each side. Farther frames hardly gain anything, and all are held at once."""


def check_neighbours(count: int, along: str | None) -> None:
    """Check the options for neighbours.

    Raises:
        UsageError: the number is not within 0..`MOST_NEIGHBOURS`, or the axis is no single letter that counts frames.

    >>> check_neighbours(2, "T")
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST_NEIGHBOURS:
        raise UsageError(f"The neighbours on each side must be a whole number from 0 to {MOST_NEIGHBOURS}, got {count}.")
    if along is not None and (len(along) != 1 or not along.isalpha() or along.upper() in "YXCS"):
        raise UsageError(f"Neighbours lie along one axis that counts frames, such as T or Z, not along '{along}'.")


def check_report(neighbours: int) -> None:
    """Raise `UsageError` if a report on results with neighbours is asked for: it would judge a frame as if restored alone.

    >>> check_report(0)
    """
    if neighbours:
        raise UsageError("A report judges frames that are restored by themselves; leave the report or the neighbours out.")


@dataclass(frozen=True)
class FrameGrid:
    """Frames in rows of several axes, numbered as in the file.

    >>> FrameGrid((5, 2), axis=0, reach=1).neighbours(4)
    [2, 6]
    """

    shape: tuple[int, ...]
    """Number of frames along each axis."""
    axis: int
    """The axis along which neighbours lie."""
    reach: int
    """Number of neighbours on each side."""

    def __len__(self) -> int:
        return math.prod(self.shape)

    def neighbours(self, index: int) -> list[int]:
        """The numbers of a frame's neighbours, rising. There are fewer at the ends of the axis."""
        place = np.unravel_index(index, self.shape)
        own, count = int(place[self.axis]), self.shape[self.axis]
        step = math.prod(self.shape[self.axis + 1 :])
        return [
            index + (other - own) * step
            for other in range(max(own - self.reach, 0), min(own + self.reach + 1, count))
            if other != own
        ]

    def last_use(self, index: int) -> int:
        """The last frame that has this one among its neighbours, or is it."""
        return max([index, *self.neighbours(index)])


def grid_of(letters: str, shape: tuple[int, ...], reach: int, along: str | None, name: str) -> FrameGrid:
    """Choose the axis along which frames are neighbours: T, else Z, else the only one that there is.

    Args:
        letters, shape: name and length of each axis that numbers frames.
        reach: number of neighbours on each side.
        along: the letter of the axis; None: the usual one.
        name: the subject of error messages.

    Raises:
        UsageError: there is no such axis, or several and none is usual.

    >>> grid_of("TZ", (5, 3), 2, None, "The stack").axis
    0
    """
    letters, along = letters.upper(), along and along.upper()
    possible = [letter for letter in letters if letter not in NO_NEIGHBOURS]
    if along:
        if along not in possible:
            there = f"has the axes {', '.join(possible)}" if possible else "is a single picture"
            raise UsageError(f"{name} {there}, but neighbours along {along} were asked for; name one of its axes with --group.")
        return FrameGrid(shape, letters.index(along), reach)
    chosen = next((letter for letter in USUAL if letter in possible), possible[0] if len(possible) == 1 else None)
    if chosen is None:
        there = f"has the axes {', '.join(possible)}" if possible else "is a single picture"
        remedy = "say with --group along which of them" if possible else "leave --neighbours out, or give a stack with its axes"
        raise UsageError(f"{name} {there}, so its neighbours are not known; {remedy}.")
    return FrameGrid(shape, letters.index(chosen), reach)
