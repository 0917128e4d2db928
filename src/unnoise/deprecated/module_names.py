"""Old names of functions and classes within a module: each works for one release, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def renamed(module: str, table: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a module whose names changed.

    Args:
        module: its `__name__`.
        table: old name → new name in the same module, or "package.module:name" elsewhere.

    Example:
        >>> get = renamed("math", {"square_root": "sqrt"})
        >>> with warnings.catch_warnings(action="ignore"):
        ...     get("square_root")(4.0)
        2.0
    """

    def get(name: str) -> Any:
        if name not in table:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        home, _, new = table[name].rpartition(":")
        home = home or module
        warnings.warn(f"{module}.{name} is now called {home}.{new}; use that.", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), new)

    return get
