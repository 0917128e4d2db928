"""The error for a file that cannot be decoded."""

from __future__ import annotations

import struct
from pathlib import Path

from unnoise.errors import UnnoiseError

OUR_WORDS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    UnicodeError,
    struct.error,
)
"""Errors of programs. Their messages say nothing about the file."""
MEMORY_WORDS = (
    "out of memory",
    "cannot allocate",
    "unable to allocate",
    "not enough memory",
    "memory allocation",
    "malloc failed",
)
"""What libraries say where memory ran out."""


def damaged(path: Path, reason: str | Exception) -> UnnoiseError:
    """The error to raise for a damaged file.

    Args:
        path: the file.
        reason: the decoder's message. Its first line is quoted if it is about the file.

    >>> str(damaged(Path("a.png"), "bad header")).partition(":")[0]
    'a.png cannot be decoded (bad header)'
    """
    if isinstance(reason, MemoryError) or any(words in str(reason).lower() for words in MEMORY_WORDS):
        return UnnoiseError(
            f"{path} cannot be decoded, since memory ran out; close other programs, raise the limit (ulimit), or give a smaller picture."
        )
    words = "" if isinstance(reason, OUR_WORDS) else str(reason).strip().partition("\n")[0].strip().rstrip(".")
    return UnnoiseError(
        f"{path} cannot be decoded ({words or 'its bytes make no picture'}): it is damaged, cut short or of an unknown kind; "
        "get a fresh copy."
    )
