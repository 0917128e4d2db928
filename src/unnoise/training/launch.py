"""`unnoise train --processes N`: N processes of this command on this machine, watched by this one.

Each process gets the variables that torchrun sets, so both ways of starting are one to the rest of the program. When a
process dies, the others cannot go on. They are ended, and one sentence tells the cause.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO

from unnoise.errors import UsageError
from unnoise.files.attempts import signal_name
from unnoise.files.parent_process import end_with_parent

LAUNCHED = "UNNOISE_LAUNCHED"
"""The environment variable that tells a process that `launch` watches it."""
LOST_STATUS = 75
"""Exit status of a process that only lost another one. That one tells the cause."""
STOPPED_STATUS = 130
TOLD_STATUSES = 1, 2, STOPPED_STATUS
"""Exit statuses of a process that has told its own sentence."""
GRACE_SECONDS = 10.0
"""How long processes may go on after one of them has failed. Then they are killed."""
STOP_SECONDS = 120.0
"""How long they may take, after Ctrl-C, to end a step and to save."""
WATCH_SECONDS = 0.2


def is_launched() -> bool:
    """Whether a launcher has started this process: ours, torchrun or accelerate.

    >>> is_launched()
    False
    """
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(count: int, command: Sequence[str] | None = None) -> int:
    """Run `command` in so many processes that form one group, and wait for them. Only the first one is heard.

    Args:
        count: number of processes.
        command: of each one; None: the command of this process.

    Returns:
        The exit status: 0 if all went well, 130 after Ctrl-C, else that of the process that failed first, after one
        sentence on standard error.

    Raises:
        UsageError: the count is below 1.

    >>> launch(2, [sys.executable, "-c", "import os; assert os.environ['WORLD_SIZE'] == '2'"])
    0
    """
    if count < 1:
        raise UsageError(f"--processes takes a number from 1 on, not {count}.")
    return _Group(command or [sys.executable, "-m", "unnoise.cli", *sys.argv[1:]], count).run()


class _Group:
    def __init__(self, command: Sequence[str], count: int) -> None:
        self.said: list[IO[bytes]] = [tempfile.TemporaryFile() for _ in range(count)]  # noqa: SIM115
        self.members: list[subprocess.Popen[bytes]] = []
        port = _free_port()
        for rank in range(count):
            first = rank == 0
            self.members.append(
                subprocess.Popen(
                    command,
                    env=os.environ | _variables(rank, count, port),
                    stdout=None if first else subprocess.DEVNULL,
                    stderr=None if first else self.said[rank],
                    preexec_fn=partial(end_with_parent, os.getpid()) if os.name == "posix" else None,
                )
            )

    def run(self) -> int:
        try:
            if not self._wait(lambda: bool(self._failures())):
                return 0
            self._wait(lambda: False, GRACE_SECONDS)
            return self._explain(self._failures())
        except KeyboardInterrupt:
            for member in self.members:
                member.send_signal(signal.SIGINT)
            self._wait(lambda: any(member.poll() is not None for member in self.members), STOP_SECONDS)
            self._wait(lambda: False, GRACE_SECONDS)
            return STOPPED_STATUS
        finally:
            for member in self.members:
                member.kill()
                member.wait()
            for file in self.said:
                file.close()

    def _wait(self, is_due: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Wait until all have ended, or so long. Returns whether it was due before that."""
        ends = time.monotonic() + seconds
        while not (due := is_due()) and time.monotonic() < ends:
            if all(member.poll() is not None for member in self.members):
                return is_due()
            time.sleep(WATCH_SECONDS)
        return due

    def _failures(self) -> dict[int, int]:
        """The processes that have failed, and their exit statuses; negative: ended by that signal."""
        return {rank: code for rank, member in enumerate(self.members) if (code := member.poll())}

    def _explain(self, failures: dict[int, int]) -> int:
        """Tell the cause, unless the first process has told it. Returns the exit status."""
        causes = {rank: code for rank, code in failures.items() if code != LOST_STATUS} or failures
        rank, code = next(iter(causes.items()))
        if rank == 0 and code in TOLD_STATUSES:
            return code
        self.said[rank].seek(0)
        lines = self.said[rank].read().decode(errors="replace").splitlines()
        sentence = next((line for line in reversed(lines) if line.startswith("unnoise: ")), None)
        fate = f"was ended by {signal_name(-code)}" if code < 0 else f"ended with exit status {code}"
        print(
            sentence
            or f"unnoise: Process {rank} of {len(self.members)} {fate}, so the training stopped; give the same command again "
            "with --resume to go on.",
            file=sys.stderr,
        )
        return code if code in TOLD_STATUSES else 1


def _variables(rank: int, count: int, port: int) -> dict[str, str]:
    """What torch.distributed and accelerate read, as torchrun sets it."""
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // count))
    return {
        LAUNCHED: "1",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": threads,
    }


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
