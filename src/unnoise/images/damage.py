"""What is said of a file that cannot be decoded."""

from __future__ import annotations

from pathlib import Path

from unnoise.errors import UnnoiseError


def damaged(path: Path, reason: str) -> UnnoiseError:
    """The error to raise; `reason` is the decoder's, of which the first line is told."""
    reason = reason.partition("\n")[0].rstrip(".")
    return UnnoiseError(
        f"{path} cannot be decoded ({reason}): it is damaged, cut short or of an unknown kind; get a fresh copy."
    )
