"""A disk of two megabytes, and files that cannot grow, for what happens when there is no room."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SCRIPT = 'mount -t tmpfs -o size=2m small "$1" && shift && exec "$@"'
"""In a name space of its own: nobody else sees that disk, and it goes with the process."""


def run_on_small_disk(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python `code`, which finds the empty disk's folder as `folder`."""
    unshared = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh", str(folder)]
    try:
        subprocess.run([*unshared, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here")
    start = f"import sys; from pathlib import Path; folder = Path({str(folder)!r})\n"
    return subprocess.run([*unshared, sys.executable, "-c", start + code], capture_output=True, text=True, timeout=120)


@contextmanager
def small_files(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond this size: libraries see the error of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
