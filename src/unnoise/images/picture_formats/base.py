"""What the modules of `picture_formats` share: an opened file, and a file that is being written picture by picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unnoise.images.opening import Regions
from unnoise.images.picture import Layout, Metadata, Pixels
from unnoise.images.scratch import Scratch


@dataclass(frozen=True)
class Opened:
    """The pictures of a file."""

    frames: int
    decode: Callable[[int], tuple[Regions, Layout, Metadata]]

    @classmethod
    def of(cls, pixels: Pixels, layout: Layout, metadata: Metadata) -> Opened:
        """A single picture that lies in memory."""
        return cls(1, lambda _: (Scratch.of(np.ascontiguousarray(pixels)), layout, metadata))


class Writer(ABC):
    """A file that is being written: `add` each picture, then `finish`."""

    def __init__(self, path: Path, name: str, metadata: Metadata, quality: int | None, lossless: bool | None) -> None:
        """
        Args:
            path: where the file is made.
            name: what it will be called, the subject of errors.
            metadata: of the first picture.
            quality, lossless: as `images.write` takes them.
        """
        self.path, self.name, self.first, self.quality, self.lossless = path, name, metadata, quality, lossless

    @abstractmethod
    def add(self, pixels: Pixels, layout: Layout, metadata: Metadata) -> None:
        """Write one picture (H, W) or (H, W, C). Raises ValueError, RuntimeError or OSError where it cannot be encoded."""

    def finish(self) -> None:  # noqa: B027 (most files are complete by then)
        """Complete the file."""

    def close(self) -> None:  # noqa: B027 (most have none)
        """Give all room back."""
