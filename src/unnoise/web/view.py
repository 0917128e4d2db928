"""What the page shows of a job: a place or the whole, before and after, and what was taken away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.images.picture import Picture
from unnoise.models.model import Model
from unnoise.web.choices import Choices
from unnoise.web.display import Bytes, Overview, enlarged, overview, place, region_of, residual
from unnoise.web.job import Job, State
from unnoise.web.orientation import stored_place, turned

SIDES = {"100 %": 640, "200 %": 320, "400 %": 160}
"""Pixels of the picture that are shown, by the enlargement."""
SHOWN_PIXELS = 640
CONTEXT_PIXELS = 32
"""Around a place, so that a preview knows what lies beyond its borders."""
WHOLE = "Whole picture"


def preview(
    model: Model, job: Job, choices: Choices, across: float, down: float, zoom: str, seen: Overview
) -> tuple[Bytes, Bytes]:
    """Restore one place of a picture, before the whole is done: noisy and restored, (h, w, 3) each.

    The noise and the brightness are measured in the place alone, so the whole picture's result differs a little.

    Args:
        model: that of `choices`.
        job: with its picture.
        choices: strength and the like; whether the result is judged does not matter.
        across, down: the place, 0..1, in the picture as it is shown.
        zoom: a key of `SIDES`.
        seen: the picture's overview.

    Raises:
        UsageError, UnnoiseError: as `images.open` and `Model.denoise`.
    """
    inner = place(seen.height, seen.width, *stored_place(across, down, seen.orientation), SIDES[zoom])
    outer = tuple(
        slice(max(0, one.start - CONTEXT_PIXELS), min(length, one.stop + CONTEXT_PIXELS))
        for one, length in zip(inner, (seen.height, seen.width), strict=True)
    )
    noisy, are_colors = region_of(job.source, outer[0], outer[1])
    axes = None if are_colors else "YXC"[: noisy.ndim]
    restored = model.denoise(noisy, replace(choices.options(), axes=axes))
    part = tuple(slice(one.start - whole.start, one.stop - whole.start) for one, whole in zip(inner, outer, strict=True))
    return _shown(noisy[part], seen), _shown(restored[part], seen)


def finished(job: Job, across: float, down: float, zoom: str, seen: Overview) -> tuple[Bytes, Bytes]:
    """Noisy and restored of a job that is done: a place, or the whole for `WHOLE`.

    Raises:
        UsageError, UnnoiseError: as `images.open`.
    """
    if zoom == WHOLE:
        return seen.pixels, overview(job.target, seen.display).pixels
    window = place(seen.height, seen.width, *stored_place(across, down, seen.orientation), SIDES[zoom])
    noisy, restored = (region_of(path, *window)[0] for path in (job.source, job.target))
    return _shown(noisy, seen), _shown(restored, seen)


def _shown(pixels: NDArray[Any], seen: Overview) -> Bytes:
    """Stored pixels of a place as the page shows them: (h, w, 3), turned and enlarged."""
    return enlarged(turned(seen.display.to_bytes(pixels), seen.orientation), SHOWN_PIXELS)


def write_shown(job: Job, before: Bytes, after: Bytes, number: int) -> tuple[Path, Path, Path]:
    """Write both, and what was taken away, as PNG into the job's folder; the files of an earlier view go.

    Args:
        number: differs from call to call, so that browsers take no old picture for a new one.
    """
    folder = job.folder / "shown"
    folder.mkdir(mode=0o700, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink(missing_ok=True)
    names = ("noisy", "restored", "removed")
    paths = tuple(folder / f"{name}-{number}.png" for name in names)
    for path, pixels in zip(paths, (before, after, residual(before, after)), strict=True):
        write_png(path, pixels)
    return paths[0], paths[1], paths[2]


def is_done(job: Job) -> bool:
    """Whether the result can be shown."""
    return job.state is State.DONE and job.target.exists()


def write_png(path: Path, pixels: Bytes) -> None:
    """Write a picture of the page, (h, w, 3)."""
    images.write(path, Picture(np.ascontiguousarray(pixels)), overwrite=True)
