"""A process that ends with the one that made it, even when that one is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # of prctl(2)


def end_with_parent(parent: int) -> None:
    """Let the system kill this process when its parent ends. Only Linux can; elsewhere this does nothing.

    Args:
        parent: the parent's number. If it has ended already, this process ends at once.

    >>> end_with_parent(os.getppid())
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != parent:
        os._exit(1)
