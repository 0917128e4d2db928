"""Scoring a model on a data set: each picture is denoised and compared with its clean version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import fmean
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from pydantic import BaseModel, ConfigDict, computed_field

from unnoise.errors import UsageError
from unnoise.evaluation import protocols
from unnoise.evaluation.cost import PeakMemory
from unnoise.evaluation.datasets import DataSet, open_set
from unnoise.evaluation.protocols import Score
from unnoise.images.pixels import to_unit_float

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table
    from torch import Tensor

# JSON's null cannot tell the +inf of an identical picture from the NaN of a small one. Strings can, and become numbers
# when read.
_STRICT = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class SupportsDenoise(Interface):
    """What `evaluate` needs of a model: `unnoise.Model`, or any object that turns an image into one of the same
    kind."""

    @property
    def denoise(self) -> Callable[..., NDArray[np.float32]]:
        """Takes (H, W) or (H, W, C), float32 in 0..1, and options by name. Gives an image of the same shape."""
        ...


class ImageScore(BaseModel):
    """The scores of one picture.

    >>> score = Score(psnr=30.0, ssim=0.9)
    >>> ImageScore(name="a", noisy=score, restored=score, seconds=1.5).restored.psnr
    30.0
    """

    model_config = _STRICT

    name: str
    noisy: Score
    """The score of the input."""
    restored: Score
    seconds: float
    """Time of denoising, without reading and scoring."""
    pixels: int | None = None
    """Of the picture; None: an older file does not tell."""
    peak_mebibytes: float | None = None
    """The most memory that the process held while it denoised, its libraries and models included; None: unknown."""


class Evaluation(BaseModel):
    """The scores of a model on a data set.

    >>> from unnoise.evaluation.protocols import Score
    >>> one = ImageScore(name="a", noisy=Score(30.0, 0.7), restored=Score(34.0, 0.9), seconds=0.5)
    >>> scores = Evaluation(model="m", data="pairs:d", protocol="default", options={}, images=[one])
    >>> scores.restored.psnr - scores.noisy.psnr
    4.0
    >>> Evaluation.from_json(scores.to_json()) == scores
    True
    """

    model_config = _STRICT

    model: str
    """Name of the model's recipe, or of its class if it has no recipe."""
    data: str
    """The data set as SET:DIR."""
    protocol: str
    """Name of the scoring protocol. Scores of different protocols cannot be compared."""
    options: dict[str, str | float | bool | None]
    """The options of `denoise`."""
    images: list[ImageScore]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def noisy(self) -> Score:
        """Mean of the inputs' scores."""
        return _mean(image.noisy for image in self.images)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def restored(self) -> Score:
        """Mean of the results' scores. +inf dB if one result equals its clean picture; an SSIM of NaN if one picture is
        too small."""
        return _mean(image.restored for image in self.images)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds(self) -> float:
        """Time of denoising for all pictures."""
        return sum(image.seconds for image in self.images)

    def to_json(self) -> str:
        """All scores as JSON. +inf and NaN are the strings "Infinity" and "NaN"."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read what `to_json` wrote. The means are computed again."""
        import json

        fields = json.loads(text)
        return cls.model_validate({name: fields[name] for name in cls.model_fields})

    def table(self, *, per_image: bool = True) -> Table:
        """A table for the terminal: one row for each picture if `per_image`, and the means."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(f"{self.model} on {self.data}, protocol {self.protocol}"))
        table.add_column("image", overflow="fold")
        for heading in ("noisy\ndB", "restored\ndB", "gain\ndB", "noisy\nSSIM", "restored\nSSIM", "time\ns"):
            table.add_column(heading, justify="right")
        for image in self.images if per_image else []:
            table.add_row(Text(image.name), *_cells(image.noisy, image.restored, image.seconds))
        table.add_section()
        mean_seconds = self.seconds / len(self.images)
        table.add_row(f"mean of {len(self.images)}", *_cells(self.noisy, self.restored, mean_seconds), style="bold")
        return table


def evaluate(
    model: SupportsDenoise,
    dataset: DataSet | str,
    protocol: str = "default",
    *,
    progress: Callable[[int, int], None] | None = None,
    limit: int | None = None,
    name: str | None = None,
    **denoise_options: Any,
) -> Evaluation:
    """Denoise the pictures of a data set one at a time, and score them.

    The model gets each picture as float32 in 0..1, whatever the depth of the file. So only the protocol decides about
    rounding.

    Args:
        model: one model, see `SupportsDenoise`. To score several models, call this for each of them.
        dataset: a data set, or ``SET:DIR`` as `unnoise.evaluation.datasets.open_set` takes it.
        protocol: one of `unnoise.evaluation.protocols.names()`.
        progress: called with (pictures done, pictures in all), first with 0 done.
        limit: score only this many pictures, spread evenly over the set, because neighbors often show the same scene.
            None: all.
        name: name of the model in the result. None: the name of its recipe.
        denoise_options: passed on to `model.denoise`, such as ``refine=True`` or ``ensemble=True``.

    Returns:
        The scores of each picture, and their means.

    Raises:
        UsageError: an unknown protocol or set, a set without clean pictures, a `limit` below 1, or something that is no
            model.
        UnnoiseError: a file cannot be read.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from unnoise import images
    >>> class Unchanged:
    ...     def denoise(self, image):
    ...         return image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for kind, value in (("noisy", 100), ("clean", 110)):
    ...         (Path(folder) / kind).mkdir()
    ...         images.write(Path(folder) / kind / "a.png", images.Picture(np.full((16, 16, 3), value, np.uint8)))
    ...     round(evaluate(Unchanged(), f"pairs:{folder}").restored.psnr, 1)
    28.1
    """
    scoring = protocols.lookup(protocol)
    if isinstance(model, list | tuple):
        raise UsageError(f"One model is scored at a time, got {len(model)}; call unnoise.evaluate for each of them.")
    if not callable(getattr(model, "denoise", None)):
        raise UsageError(f"A model with a method denoise is needed, got {type(model).__name__}; load one with unnoise.load.")
    if limit is not None and limit < 1:
        raise UsageError(f"The limit of {limit} leaves no picture to score; give 1 or more.")
    pictures = open_set(dataset) if isinstance(dataset, str) else dataset
    if not pictures.has_truth or not len(pictures):
        raise UsageError(f"The data set {pictures.name} has no clean pictures to score by; give one that has them.")
    if limit is not None:
        pictures = pictures.spread(limit)
    total = len(pictures)
    device = _device(model)
    if progress:
        progress(0, total)
    scores = []
    for done, pair in enumerate(pictures, start=1):
        assert pair.clean is not None  # has_truth
        noisy = to_unit_float(pair.noisy)
        with PeakMemory(device) as peak:
            start = time.perf_counter()
            restored = model.denoise(noisy, **denoise_options)
            seconds = time.perf_counter() - start
        clean = _planes(pair.clean, f"The clean picture of {pair.name}")
        (noisy_score,) = scoring.score(_planes(pair.noisy, f"The noisy picture of {pair.name}"), clean)
        (restored_score,) = scoring.score(_planes(restored, f"The restored picture of {pair.name}"), clean)
        facts = {"seconds": seconds, "pixels": noisy.shape[0] * noisy.shape[1], "peak_mebibytes": peak.mebibytes}
        scores.append(ImageScore(name=pair.name, noisy=noisy_score, restored=restored_score, **facts))
        if progress:
            progress(done, total)
    options = {key: _plain(value) for key, value in denoise_options.items()}
    return Evaluation(model=name or _name(model), data=pictures.name, protocol=protocol, options=options, images=scores)


def _planes(pixels: NDArray[Any], name: str) -> Tensor:
    """(H, W) or (H, W, C) → (1, C, H, W) in 0..1, without alpha, which no denoiser changes."""
    from unnoise.images import to_tensor

    return to_tensor(pixels, name=name)[0]


def _mean(scores: Iterable[Score]) -> Score:
    scores = list(scores)
    return Score(fmean(score.psnr for score in scores), fmean(score.ssim for score in scores))


def _cells(noisy: Score, restored: Score, seconds: float) -> list[str]:
    gain = restored.psnr - noisy.psnr
    values = (noisy.psnr, restored.psnr, gain)
    return [*(f"{value:.2f}" for value in values), f"{noisy.ssim:.3f}", f"{restored.ssim:.3f}", f"{seconds:.2f}"]


def _name(model: SupportsDenoise) -> str:
    return str(getattr(getattr(model, "recipe", None), "name", None) or type(model).__name__)


def _device(model: SupportsDenoise) -> str:
    """Where a model's network lies; that of other objects is taken as a CPU."""
    parameters = getattr(getattr(model, "network", None), "parameters", None)
    first = next(iter(parameters()), None) if callable(parameters) else None
    return str(getattr(first, "device", "cpu"))


def _plain(value: Any) -> str | float | bool | None:
    """An option as JSON can hold it."""
    return value if isinstance(value, str | float | int | None) else str(value)
