"""Old names of members that users' own denoisers and schemes define or read: each works for one release, with a
warning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any


class RenamedMember:
    """Stands in a base class where a member with an old name was, and gives the member with the new name.

    Args:
        new: the name to use in its place.

    Example:
        >>> class Base:
        ...     radius = 3
        ...     reach = RenamedMember("radius")
        >>> with warnings.catch_warnings(action="ignore"):
        ...     Base().reach
        3
    """

    def __init__(self, new: str) -> None:
        self.new = new

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.old = owner, name

    def __get__(self, instance: object | None, owner: type) -> Any:
        warn(self.owner, self.old, self.new)
        lookup = owner if instance is None else type(instance)
        below = lookup.__mro__[: lookup.__mro__.index(self.owner)]
        definer = next((each for each in below if self.old in each.__dict__), None)
        if definer is not None:
            # A subclass overrides the old name and calls `super()`. Its own member would call this again, without end.
            return getattr(super(definer, owner if instance is None else instance), self.new)
        return getattr(owner if instance is None else instance, self.new)


def adopt_old_names(cls: type, table: Mapping[str, str]) -> None:
    """Give what a class defines under old names the new ones, with a warning.

    Args:
        cls: a subclass that somebody else wrote.
        table: old name → new name.
    """
    for old, new in table.items():
        if old in cls.__dict__ and new not in cls.__dict__ and not isinstance(cls.__dict__[old], RenamedMember):
            warn(cls, old, new)
            setattr(cls, new, cls.__dict__[old])


def warn(cls: type, old: str, new: str) -> None:
    """Warn that a member has a new name."""
    warnings.warn(f"{cls.__name__}.{old} is now called {new}; rename it.", DeprecationWarning, stacklevel=4)
