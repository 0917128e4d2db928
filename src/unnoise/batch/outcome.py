"""The outcome of a list of jobs: what was written, left, failed and not done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unnoise.errors import UnnoiseError


@dataclass
class Outcome:
    """The outcome of a list of jobs."""

    written: list[Path] = field(default_factory=list)
    """Results that were written."""
    done_before: list[Path] = field(default_factory=list)
    """Results of an earlier call with the same source and settings."""
    left: list[Path] = field(default_factory=list)
    """Files at the path of a result, beside the pictures, that no manifest records as ours."""
    failures: list[str] = field(default_factory=list)
    """One sentence for each picture that failed."""
    not_done: int = 0
    """Pictures that an interrupt, or a device that failed, left undone."""
    exit_status: int = 0
    """0: no failure. 2: every failure was a `UsageError`. 1: some failure was another error."""

    def summary(self) -> str:
        """The numbers that are not 0, as one sentence.

        >>> Outcome(written=[Path("a.png")], failures=["b.png is damaged."]).summary()
        '1 written, 1 failed.'
        """
        counts = {
            "written": len(self.written),
            "done before and unchanged": len(self.done_before),
            "there already and left alone": len(self.left),
            "failed": len(self.failures),
            "not done": self.not_done,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count) + "."

    def fail(self, error: UnnoiseError) -> None:
        """Record a failure."""
        self.failures.append(str(error))
        self.exit_status = error.exit_status if self.exit_status in (0, error.exit_status) else 1


class Stopped(KeyboardInterrupt):
    """Ctrl-C or a similar signal ended a run. `outcome` holds what was done until then."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.summary())
        self.outcome = outcome
