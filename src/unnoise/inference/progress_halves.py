"""The progress of the network and of the blending after it, as one."""

from __future__ import annotations

from unnoise.inference.bands import Progress


class ProgressHalves:
    """Tells twice the tiles: those of the network, and as many for the blending, which takes as long as a fast network.

    Args:
        progress: that is told; None: nobody is.
        height: of the picture, in rows.
        is_blended: whether anything comes after the network.

    >>> halves = ProgressHalves(lambda done, of: print(done, of), height=8, is_blended=True)
    >>> halves.tiles(1, 2)
    1 4
    >>> halves.tiles(2, 2)
    2 4
    >>> halves.rows(4)
    3 4
    """

    def __init__(self, progress: Progress | None, height: int, is_blended: bool) -> None:
        self._progress, self._height, self._is_blended = progress, height, is_blended
        self._tiles = 1

    def tiles(self, done: int, tiles: int) -> None:
        """After a tile of the network."""
        self._tiles = tiles
        if self._progress:
            self._progress(done, 2 * tiles if self._is_blended else tiles)

    def rows(self, done: int) -> None:
        """After rows of the blending."""
        if self._progress:
            self._progress(self._tiles + done * self._tiles // self._height, 2 * self._tiles)
