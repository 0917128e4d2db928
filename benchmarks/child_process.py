"""The peak memory and the time of a program that runs in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import time


def run_and_measure(command: list[str]) -> tuple[int, float]:
    """Run a command to its end: the peak of its memory in bytes, and its seconds. It must end with status 0."""
    started = time.monotonic()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The process ended with {process.returncode}.")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), time.monotonic() - started
