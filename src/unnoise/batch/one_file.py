"""One picture file to another."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from unnoise import images
from unnoise.inference.bands import Progress
from unnoise.inference.blend_arrays import blend_arrays
from unnoise.inference.options import DenoiseOptions, OptionFields
from unnoise.inference.rescaling import moderate_frame
from unnoise.inference.settings import InferenceSettings
from unnoise.inference.stream import restore_regions
from unnoise.models.model import Model
from unnoise.quality.report import MARK, Report, make, middle

STRIP = 256
"""Rows that are copied at a time."""


def denoise_file(
    model: Model,
    source: Path,
    target: Path,
    *,
    options: DenoiseOptions | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    report: bool | Path = False,
    **fields: Unpack[OptionFields],
) -> Report | None:
    """Restore the picture in `source`, or each of the stack, into `target`; large ones are never whole in memory.

    Args:
        model: on any device.
        source, target: picture files.
        options: how; the default leaves all to the model.
        overwrite: `target` may replace a file.
        progress: called after each tile.
        report: write a `Report` beside `target`, as `target.report.png` and `.json` without the suffix of `target`, or of this name
            without its suffixes; of a stack, on its first picture.
        fields: fields of `DenoiseOptions` that replace those of `options`.

    Returns:
        The report that was written; None: none was asked for.

    Raises:
        UsageError, UnnoiseError: as `images.open`, `restore_regions` and `images.create` do, naming the file.
    """
    options = DenoiseOptions.of(fields, options)
    settings = options.settings(model.recipe)
    strength, axes, group = options.strength, options.axes, options.group
    judged = None
    with images.open(source, axes=axes) as frames, images.create(target, frames, overwrite=overwrite) as made:
        for index, stored in enumerate(frames):
            frame, span = moderate_frame(stored, settings.normalization) if strength > 0 else (stored, None)
            with images.Scratch(frame.shape, frame.dtype, target.parent) as restored:
                if strength > 0:
                    for rows, strip in restore_regions(
                        model.network,
                        model.recipe.scheme,
                        frame,
                        settings,
                        _of_all(progress, index, len(frames)),
                        name=frame.name,
                        layout=frame.layout,
                        group=group,
                    ):
                        restored[rows] = strip
                blend_arrays(frame, restored, strength, settings.detail, layout=frame.layout, group=group)
                if report and judged is None:
                    judged = _judged(model, frame, restored, settings, strength)
                    judged = judged.scaled(1 / span.factor) if span else judged
                canvas = made.add(stored)
                for top in range(0, frame.height, STRIP):
                    strip = restored[top : top + STRIP]
                    canvas[top : top + STRIP] = span.inverse(strip, stored.dtype) if span else strip
        if judged:  # before the block ends, so that a result that is in its place has its report beside it
            judged.save(report if isinstance(report, Path) else target.with_name(target.stem + MARK))
    return judged


def _of_all(progress: Progress | None, index: int, frames: int) -> Progress | None:
    """Progress with one of the frames as progress with all of them."""
    return progress and (lambda done, tiles: progress(index * tiles + done, frames * tiles))


def _judged(
    model: Model, frame: images.Frame, restored: images.Scratch, settings: InferenceSettings, strength: float
) -> Report:
    part = middle(frame.height, frame.width)
    together = frame.channels - frame.layout.alpha  # whatever the channels are, the report is of one picture
    before, after = (
        images.to_tensor(pixels[part], layout=frame.layout, group=together, levels=settings.normalization)[0]
        for pixels in (frame, restored)
    )
    settings = settings.of_picture(frame.layout, frame.dtype)
    return make(model.network, model.recipe.scheme, before, after, settings, part, strength=strength)
