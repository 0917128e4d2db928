"""A store for writing Zarr arrays: a folder that can be closed, so that no later write reaches it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zarr.abc.store import Store
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore, WrapperStore


class ClosableStore(WrapperStore[Store]):
    """A folder that takes chunks until it is shut.

    zarr writes chunks in threads. When one fails, or when Ctrl-C ends the wait, it goes on with the others. The next chunk
    would make a removed folder anew.
    """

    def __init__(self, store: Store | Path) -> None:
        super().__init__(LocalStore(store) if isinstance(store, Path) else store)
        self._changed = threading.Condition()
        self._under_way = 0
        self._shut = False

    def shut(self) -> None:
        """Wait for the chunks that are being written; those that come later raise OSError."""
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._under_way == 0)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._changed:
            if self._shut:
                raise OSError("the file has been given up")
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    async def set(self, key: str, value: Buffer) -> None:
        """As in zarr."""
        with self._writing():
            await super().set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """As in zarr."""
        with self._writing():
            await super().set_if_not_exists(key, value)
