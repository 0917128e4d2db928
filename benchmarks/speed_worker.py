"""Time one form of one method on one size.

On a CPU each entry has its own process, so that its peak memory is its own. On a GPU all run in this process: a GPU
counts memory itself, and its processes take long to start.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from speed_machine import peak_memory, seconds
from speed_methods import run


class Worker:
    """The process, which is ended where it does not answer in time."""

    def __init__(self, method: str, form: str, side: int, options: argparse.Namespace) -> None:
        what = json.dumps(
            [
                method,
                form,
                side,
                options.device,
                options.clock,
                str(options.published or ""),
                options.threads,
                options.precision,
            ]
        )
        command = [sys.executable, str(Path(__file__).with_name("speed.py")), "worker", "--what", what]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def measure(self, until: float) -> float | None:
        """Seconds of one more run; None where it failed, as for want of memory, or has not ended by the monotonic time
        `until`."""
        return self._ask("run", until)

    def close(self) -> float:
        """End the process; its peak memory in bytes, 0 where it is not known."""
        peak = self._ask("end", time.monotonic() + 60)
        self.process.kill()
        self.process.wait()
        return peak or 0.0

    def _ask(self, word: str, until: float) -> float | None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.process.poll() is not None:
            return None
        try:
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return None
        if not select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            self.process.kill()
            self.process.wait()
            return None
        answer = self.process.stdout.readline()
        return float(answer) if answer.strip() else None


class Here:
    """The same in this process, on a GPU."""

    def __init__(self, method: str, form: str, side: int, options: argparse.Namespace) -> None:
        import torch

        self.device = options.device
        self.noisy = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.device)
        self.restore: Any = None
        self.what = method, form, self.device, options.published, options.precision
        self.peak = 0.0

    def measure(self, until: float) -> float | None:
        """Seconds of one more run; None where it failed, as for want of memory. What has begun is not stopped."""
        import torch

        if time.monotonic() > until:
            return None
        try:
            self.restore = self.restore or run(*self.what)
            torch.cuda.reset_peak_memory_stats(self.device)
            taken = seconds(lambda: self.restore(self.noisy), self.device, "wall")
        except Exception as error:  # a user's own code may raise anything
            print(f"{self.what[0]}, {self.what[1]}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            torch.cuda.empty_cache()
            return None
        self.peak = max(self.peak, float(peak_memory(self.device)))
        return taken

    def close(self) -> float:
        """Most bytes that the GPU held at one time."""
        import torch

        self.restore = None
        torch.cuda.empty_cache()
        return self.peak


def work_for(what: list[Any]) -> None:
    """The worker's side: restore a picture at each word that comes in."""
    import torch

    method, form, side, device, clock, published, threads, precision = what
    if threads:
        torch.set_num_threads(threads)
    restore = run(method, form, device, Path(published) if published else None, precision)
    noisy = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    for word in sys.stdin:
        print(seconds(lambda: restore(noisy), device, clock) if word.strip() == "run" else peak_memory(device), flush=True)
