"""Calling the command line within the tests' own process."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from unnoise.cli import main


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: object) -> Answer:
    """Run `unnoise` with these arguments, and give its exit status and what it wrote."""
    monkeypatch.setattr(sys, "argv", ["unnoise", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        main()
    captured = capfd.readouterr()
    status = exit_.value.code
    return Answer(status if isinstance(status, int) else 0, captured.out, captured.err)
