"""Callbacks of libvips with a signal in them, also in processes of their own, which find them by this module's name."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


def call_as_pyvips_does(name: str, function: Callable[[], object]) -> None:
    """Call a function within one of this name that lies in a file of pyvips, and drop a `KeyboardInterrupt` as it would."""
    space: dict[str, Any] = {}
    code = f"""
import sys
def {name}(function):
    try:
        function()
    except KeyboardInterrupt:
        print('dropped', file=sys.stderr)
"""
    exec(compile(code, "site-packages/pyvips/gobject.py", "exec"), space)
    space[name](function)


def struck_in_a_callback(tiles: int, replace: bool, on_tile: Callable[[int, int], None]) -> None:
    """A job during which SIGTERM comes while libvips calls Python. It tells of so many tiles."""
    call_as_pyvips_does("_log_handler_callback", lambda: signal.raise_signal(signal.SIGTERM))
    for tile in range(tiles):
        on_tile(tile, tiles)
