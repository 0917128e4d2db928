"""Old names of keyword arguments: each works for one release, with a warning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def renamed_keywords(**table: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that passes keyword arguments on under their new names.

    Args:
        table: old name → new name.

    Raises:
        TypeError: when the function is called with both names.

    Example:
        >>> @renamed_keywords(reach="radius")
        ... def area(radius: int) -> int:
        ...     return (2 * radius + 1) ** 2
        >>> with warnings.catch_warnings(action="ignore"):
        ...     area(reach=1)
        9
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in table.items():
                if old in kwargs:
                    name = function.__qualname__
                    if new in kwargs:
                        raise TypeError(f"{name} got '{new}' and its old name '{old}'; give '{new}' alone.")
                    warnings.warn(f"The argument '{old}' of {name} is now called '{new}'.", DeprecationWarning, stacklevel=2)
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
