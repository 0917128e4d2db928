"""What zarr writes after a file was given up has no effect."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from unnoise import images
from unnoise.errors import UnnoiseError

storage = pytest.importorskip("zarr.storage", reason="Zarr needs the extra zarr")


@pytest.fixture
def slow_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first chunk fails, the others are written only later; the list gets the names of those that were."""
    whole, begun, written = storage.LocalStore.set, [], []

    async def set_later(self: object, key: str, value: object) -> None:
        if not key.endswith("zarr.json"):
            begun.append(key)
            if len(begun) == 1:
                while len(begun) == 1:  # a chunk that is under way when the first fails must be waited for
                    await asyncio.sleep(0.01)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            await asyncio.sleep(0.2)
            written.append(key)
        await whole(self, key, value)

    monkeypatch.setattr(storage.LocalStore, "set", set_later)
    return written


def test_chunks_that_follow_a_failed_one_leave_nothing(tmp_path: Path, slow_after_a_failure: list[str]) -> None:
    picture = images.Picture(np.random.default_rng(0).integers(0, 256, (1100, 1100), np.uint8))  # of nine chunks
    with pytest.raises(UnnoiseError, match="No space left on device"):
        images.write(tmp_path / "a.zarr", picture)
    assert slow_after_a_failure  # they were waited for, in place of removing what they were about to write
    assert not list(tmp_path.iterdir())
    time.sleep(0.5)
    assert not list(tmp_path.iterdir())


def test_a_store_that_was_shut_takes_nothing(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    from unnoise.images.zarr_store import ClosableStore

    store = ClosableStore(tmp_path / "a.zarr")
    array = zarr.create_array(store, shape=(4, 4), dtype="uint8", chunks=(2, 2))
    array[:2] = 1
    store.shut()
    with pytest.raises(OSError, match="given up"):
        array[2:] = 1
    assert (np.asarray(array) == [[1] * 4] * 2 + [[0] * 4] * 2).all()
