"""What is said of a file that cannot be decoded."""

from __future__ import annotations

import struct
from pathlib import Path

from unnoise.errors import UnnoiseError

OUR_WORDS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    UnicodeError,
    struct.error,
)
"""Errors of programs, whose words say nothing of the file."""


def damaged(path: Path, reason: str | Exception) -> UnnoiseError:
    """The error to raise; `reason` is the decoder's, of which the first line is told if it speaks of the file."""
    words = "" if isinstance(reason, OUR_WORDS) else str(reason).strip().partition("\n")[0].strip().rstrip(".")
    return UnnoiseError(
        f"{path} cannot be decoded ({words or 'its bytes make no picture'}): it is damaged, cut short or of an unknown kind; "
        "get a fresh copy."
    )
