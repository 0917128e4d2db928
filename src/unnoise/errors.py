"""The two kinds of error that a user can meet: each carries one sentence that says what was wrong and what to do."""

from __future__ import annotations


class UnnoiseError(Exception):
    """Something failed although the call was sound: a damaged file, a full disk. The command line exits with 1."""

    exit_status = 1


class UsageError(UnnoiseError, ValueError):
    """The call itself was wrong: an unknown name, a missing file, a value out of range. The command line exits with 2."""

    exit_status = 2


class UnnoiseWarning(UserWarning):
    """What a user should know of a result that is as good as it can be; the command line prints it as one sentence."""
