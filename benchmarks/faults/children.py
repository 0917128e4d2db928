"""Child processes that run the command line, and what came of them."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

COUNTS = ("lost", "half_written", "wrong", "leftovers", "no_sentence")
TRIAL_SECONDS = 240.0
"""A trial that takes longer counts as wrong."""
CLUSTER_SECONDS = 900.0
"""The same for a cluster, which begins several processes for each."""


PAGE = "serve-pictures"
"""A command of the soak alone: the server with visitors, `page_program.serve_pictures`."""


@dataclass
class Row:
    """What came of the trials of one scenario and one fault."""

    scenario: str
    fault: str
    trials: int = 0
    struck: int = 0
    """Trials in which the fault came before the command had ended."""
    counts: Counter[str] = field(default_factory=Counter)

    def fields(self) -> dict[str, object]:
        counted = {name: self.counts[name] for name in COUNTS}
        return {"scenario": self.scenario, "fault": self.fault, "trials": self.trials, "struck": self.struck} | counted


@dataclass(frozen=True)
class Reference:
    """What a run gives that nobody disturbs, and how long it takes."""

    results: dict[str, bytes]
    seconds: float


def start(arguments: list[str], folder: Path, before: Callable[[], None] = lambda: None, tag: str = "") -> int:
    """Run the command line in a child process; its number."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        signal.alarm(int(CLUSTER_SECONDS if "--engine" in arguments else TRIAL_SECONDS))
        said = os.open(folder / f"said{tag}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
        sys.argv = ["unnoise", *arguments]
        from unnoise.cli import app, main

        if arguments[0] == PAGE:
            from page_program import serve_pictures

            app.command(PAGE)(serve_pictures)
        before()
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 0
        except BaseException:
            traceback.print_exc()
            raise
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def wait(child: int, folder: Path, tag: str = "") -> tuple[int, str]:
    """Exit status (below 0: the signal), and what was said."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), (folder / f"said{tag}").read_text(errors="replace")
