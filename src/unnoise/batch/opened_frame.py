"""A frame of an open file as the pipeline takes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.batch.camera_raw import shown
from unnoise.images.number_types import converted
from unnoise.inference.channel_choice import choose_layout, view_of_file
from unnoise.inference.missing_values import FileGaps
from unnoise.inference.options import DenoiseOptions
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.sources import PixelSource, rescaling_of_file, source_of_file
from unnoise.inference.stores import PixelStore
from unnoise.photometry.camera_light import CameraLight
from unnoise.photometry.rescaling import Rescaling


@dataclass(frozen=True)
class OpenedFrame:
    """A frame, and how its values become those that a network sees.

    >>> import tempfile
    >>> from unnoise import recipes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.zeros((8, 9), np.uint8))
    ...     with images.open(f"{folder}/a.npy") as frames:
    ...         settings = DenoiseOptions().settings(recipes.load("ap-bsn"))
    ...         OpenedFrame.of(frames[0], DenoiseOptions(), settings, None).source.size
    (8, 9)
    """

    read: images.Frame
    """As stored, or in the type that was asked for."""
    frame: images.Frame
    """As networks see it, which differs for camera raw alone."""
    light: CameraLight | None
    """How they differ."""
    layout: images.Layout
    rescaling: Rescaling | None
    source: PixelSource
    group: int
    library: images.Library = "torch"

    @classmethod
    def of(
        cls,
        stored: images.Frame,
        options: DenoiseOptions,
        settings: InferenceSettings,
        mask: NDArray[Any] | None,
        library: images.Library = "torch",
    ) -> OpenedFrame:
        """Decide how a frame is read. `library` says which kind of arrays its pixels become.

        Raises:
            UsageError: as `source_of_file`; also for a mask of another size.
        """
        read = converted(stored, options.dtype) if options.dtype else stored
        frame, light = shown(read)
        gaps = FileGaps(stored, options.missing, mask) if light is None else FileGaps(frame, None, mask)
        plain = gaps.of(frame) if gaps.are_possible else frame
        layout, rescaling = frame.layout, None
        if light is None:
            layout = choose_layout(view_of_file(plain, layout), layout, options.channels, frame.name)
        if settings.strength > 0 and light is None:
            rescaling = rescaling_of_file(plain, layout, settings.normalization)
        source = source_of_file(
            plain,
            layout,
            settings.normalization,
            name=frame.name,
            group=options.group,
            rescaling=rescaling,
            whole_numbers=bool(frame.metadata.stored),
            library=library,
        )
        if gaps.are_possible:
            source = replace(source, missing=gaps.planes(layout, options.group, library))
        return cls(read, frame, light, layout, rescaling, source, options.group, library)

    def room(self, folder: Path) -> images.Scratch:
        """Room for the result; a large one lies in `folder`."""
        return images.Scratch(self.frame.shape, np.dtype(np.float32) if self.rescaling else self.frame.dtype, folder)

    def store(self, room: images.Scratch) -> PixelStore:
        """The store that fills this room."""
        return PixelStore(
            self.frame,
            room,
            self.layout,
            name=self.frame.name,
            group=self.group,
            rescaling=self.rescaling,
            library=self.library,
        )
