"""Progress where standard error is no terminal."""

from __future__ import annotations

import threading

import pytest

from unnoise.cli.progress import bar


def test_a_bar_that_nobody_sees_starts_no_thread(capfd: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with bar("check") as tell:
        tell(1, 2)
        assert threading.active_count() == before
    assert capfd.readouterr() == ("", "")
