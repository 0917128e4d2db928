"""Denoising one picture file, or stack, into another file. Large pictures are never held in memory as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from unnoise import images
from unnoise.batch.camera_raw import raw_kind
from unnoise.batch.frame_restorer import FrameRestorer
from unnoise.errors import UnnoiseWarning
from unnoise.images.formats import with_dataset
from unnoise.inference.bands import Progress
from unnoise.inference.frame_grid import check_report
from unnoise.inference.options import DenoiseOptions, OptionFields
from unnoise.inference.pipeline import Pipeline
from unnoise.inference.repair import Repair
from unnoise.models.model import Model
from unnoise.photometry.array_ops import to_numpy
from unnoise.photometry.array_windows import planes_of_batch
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
    if report:
        check_report(options.neighbours)
    settings = options.settings(model.recipe)
    pipeline = model.pipeline(settings)
    if report:
        from unnoise.models.judging import check_judged

        check_judged(pipeline)
    judged = None
    with (
        images.open(
            with_dataset(source, options.dataset), axes=options.axes, raw=raw_kind(target, mosaic, options.dtype)
        ) as frames,
        images.create(target, frames, overwrite=overwrite, quality=quality, lossless=lossless) as made,
        FrameRestorer(pipeline, frames, options, target.parent) as restorer,
    ):
        for index in range(len(frames)):
            opened = restorer.open(index)
            frame, rescaling, light = opened.frame, opened.rescaling, opened.light
            with opened.room(target.parent) as restored:
                repaired = restorer.run(index, opened.store(restored), _progress_of_all(progress, index, len(frames)))
                if repaired and (sentence := repaired.sentence()):
                    warnings.warn(f"{frame.name} {sentence}", UnnoiseWarning, stacklevel=2)
                if report and judged is None:
                    judged = _report_on_middle(
                        pipeline,
                        replace(frame, layout=opened.layout),
                        restored,
                        rescaling,
                        repaired,
                        check=progress and partial(progress, index + 1, len(frames)),  # a report can be stopped
                    ).of_stack(len(frames))
                canvas = made.add(opened.read)
                for top in range(0, frame.height, STRIP_ROWS):
                    rows = slice(top, min(top + STRIP_ROWS, frame.height))
                    strip = restored[rows]
                    strip = rescaling.inverse(strip, frame.dtype) if rescaling else strip
                    strip = _put_back(frame, strip, rows, repaired) if repaired and repaired.keeps else strip
                    canvas[rows] = light.inverse(strip, opened.read[rows]) if light else strip
        if judged:  # before `create` renames the result into place, so that no result lacks its report
            judged.save(report if isinstance(report, Path) else target.with_name(target.stem + MARK))
    return judged


def _progress_of_all(progress: Progress | None, index: int, frames: int) -> Progress | None:
    """Convert the progress of one frame into that of all frames."""
    return progress and (lambda done, tiles: progress(index * tiles + done, frames * tiles))


def _put_back(frame: images.Frame, strip: NDArray[Any], rows: slice, repaired: Repair) -> NDArray[Any]:
    """Rows of a result with the old values where they are kept, as the file has them."""
    kept = to_numpy(planes_of_batch(repaired.kept(rows, slice(0, frame.width)))).transpose(1, 2, 0)  # (rows, W, C)
    old = frame.original((rows, slice(0, frame.width)))
    hidden = np.zeros((*kept.shape[:2], frame.layout.alpha), bool)
    where = np.concatenate([kept, hidden], axis=-1).reshape(old.shape)
    if old.dtype.kind == "f":
        where &= np.isfinite(old)  # the file that is written puts NaN back itself, where its format can hold it
    made: NDArray[Any] = np.where(where, old, strip)
    return made


def _report_on_middle(
    pipeline: Pipeline,
    frame: images.Frame,
    restored: images.Scratch,
    rescaling: Rescaling | None,
    repaired: Repair | None,
    check: Callable[[], None] | None,
) -> Report:
    from unnoise.models.judging import report_on

    part = middle(frame.height, frame.width)
    together = frame.channels - frame.layout.alpha  # the report judges all channels as one picture
    settings = pipeline.settings
    noisy = rescaling.forward(frame[part]) if rescaling else frame[part]
    (before, form), (after, _) = (
        images.to_tensor(pixels, normalization=settings.normalization, layout=frame.layout, group=together)
        for pixels in (noisy, restored[part])
    )
    if repaired and (repaired.hot_count or repaired.missing_count):
        before = repaired.source.read(*part).reshape(before.shape)
    settings = settings.of_kind(frame.layout.colours, frame.dtype)
    stored: dict[str, Any] = {"colours": frame.layout.colours, "dtype": frame.dtype, "white": form.white}
    found = report_on(replace(pipeline, settings=settings), before, after, part, **stored, check=check)
    return found.scaled(1 / rescaling.factor) if rescaling else found
