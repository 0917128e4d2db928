"""How many processes work side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from unnoise.batch import worker_count
from unnoise.batch.worker_count import WORKER_BYTES, choose_worker_count
from unnoise.errors import UsageError


def test_each_core_gets_a_worker_where_there_are_pictures_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_count, "core_count", lambda: 8)
    monkeypatch.setattr(worker_count, "free_bytes", lambda: 100 * WORKER_BYTES)
    assert [choose_worker_count(None, pictures, "cpu") for pictures in (1, 7, 8, 31, 1000)] == [1, 1, 2, 7, 8]
    monkeypatch.setattr(worker_count, "free_bytes", lambda: 3 * WORKER_BYTES + 1)
    assert choose_worker_count(None, 1000, "cpu") == 3
    monkeypatch.setattr(worker_count, "free_bytes", lambda: 0)
    assert choose_worker_count(None, 1000, "cpu") == 1
    assert choose_worker_count(None, 1000, "cuda") == 1
    assert choose_worker_count(5, 1000, "cuda") == 5
    with pytest.raises(UsageError, match="not 0"):
        choose_worker_count(0, 10, "cpu")


@pytest.mark.parametrize(("text", "limit"), [("max 100000", None), ("250000 100000", 2), ("50000 100000", 1), ("?", None)])
def test_a_container_s_share_of_time_limits_the_cores(tmp_path: Path, text: str, limit: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert worker_count._container_limit(tmp_path / "cpu.max") == limit
