"""Networks in processes that were forked after torch had computed with several threads.

The threads of OpenMP do not live on in a forked process, and it waits for them forever. With one thread none is asked
for. torch's own workers for data do the same.
"""

from __future__ import annotations

import os
import sys
from functools import cache


@cache
def compute_alone_after_fork() -> None:
    """From now on, processes that are forked from this one compute with one thread. Results stay the same to rounding.

    >>> compute_alone_after_fork()
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)


def _one_thread() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
