"""How well a model does on a data set: each picture denoised, and scored by its clean one beside what the noisy one scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import fmean
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from pydantic import BaseModel, ConfigDict, computed_field

from unnoise.errors import UsageError
from unnoise.evaluation import protocols
from unnoise.evaluation.datasets import DataSet, open_set
from unnoise.evaluation.protocols import Score
from unnoise.images.pixels import to_unit_float

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.table import Table
    from torch import Tensor

# JSON's null would not tell an identical picture's +inf from a too small one's NaN; strings do, and are read back as numbers.
_STRICT = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class SupportsDenoise(Interface):
    """What `evaluate` needs of a model: `unnoise.Model`, or any object that maps an image to one of the same kind."""

    @property
    def denoise(self) -> Callable[..., NDArray[np.float32]]:
        """Restores (H, W) or (H, W, C), float32 in 0..1, given first; options follow by name."""
        ...


class ImageScore(BaseModel):
    """One picture's scores."""

    model_config = _STRICT

    name: str
    noisy: Score
    """The input's: what doing nothing scores."""
    restored: Score
    seconds: float
    """Time that denoising took; reading and scoring are not in it."""


class Evaluation(BaseModel):
    """A model's scores on a data set."""

    model_config = _STRICT

    model: str
    """Name of the model's recipe, or of its class where it has none."""
    data: str
    """The data set as SET:DIR."""
    protocol: str
    """Name of the scoring protocol; scores by different protocols do not compare."""
    options: dict[str, str | float | bool | None]
    """What `denoise` was called with."""
    images: list[ImageScore]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def noisy(self) -> Score:
        """Mean of the inputs' scores."""
        return _mean(image.noisy for image in self.images)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def restored(self) -> Score:
        """Mean of the results' scores: +inf dB if one equals its clean picture, an SSIM of NaN if one is too small."""
        return _mean(image.restored for image in self.images)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def seconds(self) -> float:
        """Time that denoising took for all pictures."""
        return sum(image.seconds for image in self.images)

    def to_json(self) -> str:
        """Everything as JSON. Values that JSON has no number for are the strings "Infinity" and "NaN"."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read what `to_json` wrote; the means are computed anew."""
        import json

        fields = json.loads(text)
        return cls.model_validate({name: fields[name] for name in cls.model_fields})

    def table(self, *, per_image: bool = True) -> Table:
        """A table for the terminal: a row a picture, and the means; `per_image` False: the means only."""
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
    """Denoise the pictures of a data set one at a time and score them.

    The model gets each picture as float32 in 0..1 whatever the file's depth, so that rounding is the protocol's matter alone.

    Args:
        model: what is judged; see `SupportsDenoise`.
        dataset: a data set, or ``SET:DIR`` as `unnoise.evaluation.datasets.open_set` takes it.
        protocol: one of `unnoise.evaluation.protocols.names()`.
        progress: called with (pictures done, pictures in all), at first with 0 done.
        limit: score so many pictures, spread evenly over the set, as neighbours in it tend to be of one scene; None: all.
        name: what the model is called in the result; None: its recipe's name.
        denoise_options: passed on to `model.denoise`, such as ``refine=True`` or ``ensemble=True``.

    Returns:
        The scores of each picture and their means.

    Raises:
        UsageError: for an unknown protocol or set, a set without clean pictures, a `limit` below 1, or what is no model.
        UnnoiseError: for a file that cannot be read.
    """
    scoring = protocols.lookup(protocol)
    if not callable(getattr(model, "denoise", None)):
        raise UsageError(f"A model with a method denoise is wanted, got {type(model).__name__}; give what unnoise.load gives.")
    if limit is not None and limit < 1:
        raise UsageError(f"The limit of {limit} leaves no picture to score; give 1 or more.")
    pictures = open_set(dataset) if isinstance(dataset, str) else dataset
    if not pictures.has_truth or not len(pictures):
        raise UsageError(f"The data set {pictures.name} has no clean pictures to score by; give one that has them.")
    if limit is not None:
        pictures = pictures.spread(limit)
    total = len(pictures)
    if progress:
        progress(0, total)
    scores = []
    for done, pair in enumerate(pictures, start=1):
        assert pair.clean is not None  # has_truth
        noisy = to_unit_float(pair.noisy)
        start = time.perf_counter()
        restored = model.denoise(noisy, **denoise_options)
        seconds = time.perf_counter() - start
        clean = _planes(pair.clean, f"The clean picture of {pair.name}")
        (noisy_score,) = scoring.score(_planes(pair.noisy, f"The noisy picture of {pair.name}"), clean)
        (restored_score,) = scoring.score(_planes(restored, f"The restored picture of {pair.name}"), clean)
        scores.append(ImageScore(name=pair.name, noisy=noisy_score, restored=restored_score, seconds=seconds))
        if progress:
            progress(done, total)
    options = {key: _plain(value) for key, value in denoise_options.items()}
    return Evaluation(model=name or _name(model), data=pictures.name, protocol=protocol, options=options, images=scores)


def _planes(pixels: NDArray[Any], name: str) -> Tensor:
    """(H, W) or (H, W, C) → (1, C, H, W) in 0..1, without the alpha channel, which no denoiser changes."""
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


def _plain(value: Any) -> str | float | bool | None:
    """An option as JSON can hold it."""
    return value if isinstance(value, str | float | int | None) else str(value)
