"""Denoising one picture file, or stack, into another file. Large pictures are never held in memory as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from unnoise import images
from unnoise.batch.camera_raw import raw_kind, shown
from unnoise.images.number_types import converted
from unnoise.inference.bands import Progress
from unnoise.inference.channel_choice import choose_layout, view_of_file
from unnoise.inference.options import DenoiseOptions, OptionFields
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.sources import rescaling_of_file, source_of_file
from unnoise.inference.stores import PixelStore
from unnoise.models.judging import report_on
from unnoise.models.model import Model
from unnoise.photometry.rescaling import Rescaling
from unnoise.quality.report import MARK, Report, middle

STRIP_ROWS = 256
"""Number of rows that are copied at a time."""


def denoise_file(
    model: Model,
    source: Path,
    target: Path,
    *,
    options: DenoiseOptions | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    report: bool | Path = False,
    quality: int | None = None,
    lossless: bool | None = None,
    mosaic: bool = False,
    **fields: Unpack[OptionFields],
) -> Report | None:
    """Denoise a picture file, or each picture of a stack.

    Args:
        model: on any device.
        source, target: picture files. Camera raw is restored in linear light where `target` is a DNG.
        options: the options of denoising; None: the defaults.
        overwrite: whether `target` may replace a file.
        progress: called after each tile.
        report: whether to write a `Report`, or its path without suffixes. True: it lies beside `target`, as
            `NAME.report.png` and `NAME.report.json`. The report of a stack judges its first picture.
        quality, lossless: how a lossy format is encoded, as `images.write` takes them; None: as the source is.
        mosaic: restore the mosaic of camera raw itself, plane by plane; `target` is a DNG.
        fields: fields of `DenoiseOptions` that replace those of `options`.

    Returns:
        The report that was written; None: no report was asked for.

    Raises:
        UsageError, UnnoiseError: as `images.open`, `Pipeline.run` and `images.create`. The sentence names the file.

    >>> import tempfile
    >>> import numpy as np
    >>> from unnoise import recipes
    >>> from unnoise.models.model import fresh
    >>> model = fresh(recipes.load("ap-bsn", {"denoiser.features": 4, "refinement": "none"}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noisy, result = Path(folder) / "noisy.npy", Path(folder) / "result.npy"
    ...     np.save(noisy, np.full((20, 24, 3), 100, np.uint8))
    ...     denoise_file(model, noisy, result)
    ...     np.load(result).shape
    (20, 24, 3)
    """
    options = DenoiseOptions.of(fields, options)
    settings = options.settings(model.recipe)
    pipeline = Pipeline(model.network, model.recipe.scheme, settings)
    judged = None
    with (
        images.open(source, axes=options.axes, raw=raw_kind(target, mosaic, options.dtype)) as frames,
        images.create(target, frames, overwrite=overwrite, quality=quality, lossless=lossless) as made,
    ):
        for index, stored in enumerate(frames):
            read = converted(stored, options.dtype) if options.dtype else stored
            frame, light = shown(read)
            layout, rescaling = frame.layout, None
            if light is None:
                layout = choose_layout(view_of_file(frame, layout), layout, options.channels, frame.name)
            if settings.strength > 0 and light is None:
                rescaling = rescaling_of_file(frame, layout, settings.normalization)
            described: dict[str, Any] = {"name": frame.name, "group": options.group, "rescaling": rescaling}
            dtype = np.dtype(np.float32) if rescaling else frame.dtype
            with images.Scratch(frame.shape, dtype, target.parent) as restored:
                pixels = source_of_file(
                    frame, layout, settings.normalization, whole_numbers=bool(frame.metadata.stored), **described
                )
                store = PixelStore(frame, restored, layout, **described)
                pipeline.run(pixels, store, _progress_of_all(progress, index, len(frames)))
                if report and judged is None:
                    judged = _report_on_middle(pipeline, replace(frame, layout=layout), restored, rescaling).of_stack(
                        len(frames)
                    )
                canvas = made.add(read)
                for top in range(0, frame.height, STRIP_ROWS):
                    strip = restored[top : top + STRIP_ROWS]
                    if light:
                        strip = light.inverse(strip, read[top : top + STRIP_ROWS])
                    canvas[top : top + STRIP_ROWS] = rescaling.inverse(strip, frame.dtype) if rescaling else strip
        if judged:  # before `create` renames the result into place, so that no result lacks its report
            judged.save(report if isinstance(report, Path) else target.with_name(target.stem + MARK))
    return judged


def _progress_of_all(progress: Progress | None, index: int, frames: int) -> Progress | None:
    """Convert the progress of one frame into that of all frames."""
    return progress and (lambda done, tiles: progress(index * tiles + done, frames * tiles))


def _report_on_middle(pipeline: Pipeline, frame: images.Frame, restored: images.Scratch, rescaling: Rescaling | None) -> Report:
    part = middle(frame.height, frame.width)
    together = frame.channels - frame.layout.alpha  # the report judges all channels as one picture
    settings = pipeline.settings
    noisy = rescaling.forward(frame[part]) if rescaling else frame[part]
    (before, form), (after, _) = (
        images.to_tensor(pixels, normalization=settings.normalization, layout=frame.layout, group=together)
        for pixels in (noisy, restored[part])
    )
    settings = settings.of_kind(frame.layout.colours, frame.dtype)
    stored: dict[str, Any] = {"colours": frame.layout.colours, "dtype": frame.dtype, "white": form.white}
    found = report_on(replace(pipeline, settings=settings), before, after, part, **stored)
    return found.scaled(1 / rescaling.factor) if rescaling else found
