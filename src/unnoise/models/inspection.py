"""`unnoise.inspect`: measure the noise of pictures and stacks, and advise which model suits them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UsageError
from unnoise.images.frames import SinglePicture, open_stack, pictures_of, spread
from unnoise.models.select import nearest
from unnoise.models.stored_networks import is_installed
from unnoise.noise.inspection import measure
from unnoise.noise.photon_transfer import DarkFrame, measure_dark, photon_transfer
from unnoise.noise.report import NoiseReport
from unnoise.noise.stack_report import NamedReport, StackReport

FRAMES = 6
"""So many frames of a stack are measured, spread evenly."""
WINDOWS_NOTE = "The picture is large; all figures are of nine windows, spread evenly over it."
NOT_TRIED = "Whether it fits was not tried on the picture, which needs PyTorch."
Dark = str | Path | NDArray[Any] | DarkFrame


@overload
def inspect(image: Any, *, name: str = ..., axes: None = None, dark: Dark | None = ...) -> NoiseReport: ...
@overload
def inspect(image: Any, *, name: str = ..., axes: str, dark: Dark | None = ...) -> NoiseReport | StackReport: ...


def inspect(
    image: Any, *, name: str = "The image", axes: str | None = None, dark: Dark | None = None
) -> NoiseReport | StackReport:
    """Measure the noise of one picture or of a stack, and advise which shipped model suits it.

    Args:
        image: one picture, (H, W), (H, W, C) or a tensor, as `unnoise.Model.denoise` takes it; with `axes` an array of
            any shape. Alpha is left out. For files see `inspect_file`.
        name: the subject of error messages, for instance the file.
        axes: one letter for each axis, such as 'TYX' or 'TCYX', as `unnoise.images.open` takes them.
        dark: frames that the same camera took without light: a picture or stack file, an array (H, W) or (N, H, W), or what
            `unnoise.noise.photon_transfer.measure_dark` found. The report then has a `photon_transfer`.

    Returns:
        The report of `unnoise.noise.inspection.measure`, with a model in its advice. Of several frames or channels, a
        `StackReport`.

    Raises:
        UsageError: the image has another kind or shape, or values that are no numbers.

    >>> noisy = np.random.default_rng(0).normal(0.5, 0.05, (64, 64)).astype(np.float32)
    >>> inspect(noisy).advice.model in ("default", "fast")
    True
    """
    found = read_dark(dark)
    if axes is None:
        return _advised(measure(image, name=name), found)
    if not isinstance(image, np.ndarray):
        raise UsageError(f"{name} must be a numpy array where axes are given, not {type(image).__name__}.")
    return _inspect_stack(image, name, axes, found)


def inspect_file(
    path: str | Path, *, axes: str | None = None, dark: Dark | None = None, tries_model: bool = False
) -> NoiseReport | StackReport:
    """`inspect` for a picture file or stack. It is read frame by frame.

    Args:
        path: the file.
        axes, dark: as `inspect` takes them.
        tries_model: whether the advised model is tried on the middle of a single picture. The advice then says how it did.

    Raises:
        UsageError, UnnoiseError: as `unnoise.images.open`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/a.npy", np.random.default_rng(0).normal(500, 9, (8, 64, 64)).astype(np.uint16))
    ...     inspect_file(f"{folder}/a.npy", axes="TYX").frames
    8
    """
    return _inspect_stack(path, str(path), axes, read_dark(dark), tries_model)


def read_dark(dark: Dark | None) -> DarkFrame | None:
    """Measure dark frames, given as `inspect` takes them. None: there are none.

    Raises:
        UsageError: the file or array holds no grey pictures.

    >>> read_dark(np.full((2, 8, 8), 100, np.uint16)).offset
    100.0
    """
    if dark is None or isinstance(dark, DarkFrame):
        return dark
    axes = None
    if isinstance(dark, np.ndarray) and dark.ndim == 3 and dark.shape[2] > 4:
        axes = "TYX"
    name = "The dark frame" if isinstance(dark, np.ndarray) else str(dark)
    with open_stack(dark, axes=axes, name=name) as stack:
        frames = [one.pixels for number in spread(len(stack), FRAMES) for one in pictures_of(stack[number], in_windows=True)]
    if any(frame.ndim != 2 for frame in frames):
        raise UsageError(f"{name} has colors; a dark frame is a grey picture of the camera's own values.")
    return measure_dark(frames)


def _inspect_stack(
    source: str | Path | NDArray[Any], name: str, axes: str | None, dark: DarkFrame | None, tries_model: bool = False
) -> NoiseReport | StackReport:
    with open_stack(source, axes=axes, name=name) as stack:
        count = len(stack)
        made = []
        for number in spread(count, FRAMES):
            for one in pictures_of(stack[number], number, in_windows=True):
                made.append(NamedReport(frame=one.frame, channel=one.channel, report=_of_picture(one, dark)))
    if count > 1 or len(made) > 1:
        return StackReport(frames=count, pictures=made)
    return _with_trial(made[0].report, one.pixels) if tries_model else made[0].report


def _with_trial(report: NoiseReport, picture: NDArray[Any]) -> NoiseReport:
    """A report whose advice says how the model did on the middle of the picture."""
    if report.advice is None or report.advice.model is None:
        return report
    if not is_installed("torch"):
        advice = report.advice.model_copy(update={"reasons": [*report.advice.reasons, NOT_TRIED]})
        return report.model_copy(update={"advice": advice})
    from unnoise.models.trial import try_model

    trial = try_model(report.advice.model, picture)
    advice = report.advice.model_copy(update={"model_fits": trial.fits, "reasons": [*report.advice.reasons, trial.sentence]})
    return report.model_copy(update={"advice": advice})


def _of_picture(one: SinglePicture, dark: DarkFrame | None) -> NoiseReport:
    report = measure(one.pixels, name=one.name)
    if report.is_measurement:
        report = report.model_copy(update={"stored": one.stored})
    if one.whole:
        height, width = one.whole
        report = report.model_copy(update={"height": height, "width": width, "notes": [*report.notes, WINDOWS_NOTE]})
    return _advised(report, dark)


def _advised(report: NoiseReport, dark: DarkFrame | None) -> NoiseReport:
    if dark is not None:
        transfer = photon_transfer(*report.points(), dark)
        notes = [] if transfer else ["The gain cannot be told: the picture has too little light above the dark frame."]
        report = report.model_copy(update={"photon_transfer": transfer, "notes": [*report.notes, *notes]})
    if report.advice is None:
        return report
    choice = nearest(report.advice)
    reasons = [*report.advice.reasons, choice.reason]
    if report.is_measurement:
        reasons.append("In minutes, 'unnoise train' lets it learn on with pictures like this (recipe fine-tune).")
    advice = report.advice.model_copy(update={"model": choice.name, "model_fits": choice.fits, "reasons": reasons})
    return report.model_copy(update={"advice": advice})
