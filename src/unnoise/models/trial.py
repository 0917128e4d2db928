"""Trying a shipped model on a part of a picture: whether it fits is seen, not guessed from its name and stride."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unnoise.errors import UnnoiseWarning
from unnoise.models.model import Model
from unnoise.models.shipped_files import WEIGHTS
from unnoise.quality.mc_sure import Judgement
from unnoise.quality.verdict import Verdict

SIDE_PIXELS = 160
"""Side of the part in the middle of the picture on which a model is tried."""
CLEARLY_BETTER_DECIBELS = 0.5
"""Another model is taken if its estimated gain is larger by at least this much. Smaller differences may be chance."""
OTHERS = ("tm-bsn",)
"""Models that are tried where the first one leaves noise or does harm. They are slower, and know no camera by heart."""


@dataclass(frozen=True)
class Trial:
    """What one model makes of the middle of a picture, judged without the truth.

    >>> facts = {"uncertainty": 0.5, "shaken": 4.0, "replayed": 4.0, "level": 0.05, "left": 0.4, "lost": 0.0, "correlation": 0.0}
    >>> trial = Trial("default", Judgement(gain=4.2, verdict=Verdict.TRUST, **facts))
    >>> trial.fits, trial.sentence
    (True, "The shipped model 'default' fits this noise: on the middle of the picture it gains about 4 dB.")
    """

    name: str
    judgement: Judgement

    @property
    def fits(self) -> bool:
        """Whether the model improves the picture, and leaves little noise."""
        return self.judgement.verdict is Verdict.TRUST

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        verdict, gain = self.judgement.verdict, self.judgement.gain
        if gain is None:
            return f"The shipped model '{self.name}' has nothing to do here: no noise can be told from structure."
        if verdict is Verdict.TRUST:
            return (
                f"The shipped model '{self.name}' fits this noise: on the middle of the picture it gains about {gain:.0f} dB."
            )
        if verdict is Verdict.LEAVES_NOISE:
            return (
                f"The shipped model '{self.name}' leaves much of this noise: train one on pictures like this, or use --adapt."
            )
        return f"The shipped model '{self.name}' takes structure with this noise: train one on pictures like this."


def try_model(name: str, picture: NDArray[Any]) -> Trial:
    """Restore the middle of a picture with a shipped model and judge the result.

    Args:
        name: of the model.
        picture: (H, W) or (H, W, C), as `Model.denoise` takes it.

    Raises:
        UsageError: as `Model.denoise`.

    >>> noisy = np.random.default_rng(0).normal(128, 12, (64, 64)).clip(0, 255).astype(np.uint8)
    >>> try_model("fast", noisy).fits
    True
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnnoiseWarning)  # of the part, not of the picture
        _, report = Model.load(WEIGHTS / f"{name}.safetensors").denoise(
            _middle(picture), report=True, refine=False, precision="float32"
        )
    return Trial(name, report.judgement)


def best_trial(first: str, picture: NDArray[Any], others: Sequence[str] = OTHERS) -> Trial:
    """Try a model, and others where it leaves noise or does harm. The first one wins unless another is clearly better.

    Args:
        first: name of the model that is tried first.
        picture: as for `try_model`.
        others: names of the others.

    >>> clean = np.full((64, 64, 3), 120, np.uint8)
    >>> best_trial("fast", clean).name
    'fast'
    """
    best = try_model(first, picture)
    if best.fits or best.judgement.gain is None:
        return best
    for name in others:
        other = try_model(name, picture)
        gains = best.judgement.gain, other.judgement.gain
        if gains[0] is not None and gains[1] is not None and gains[1] > gains[0] + CLEARLY_BETTER_DECIBELS:
            best = other
    return best


def _middle(picture: NDArray[Any]) -> NDArray[Any]:
    rows, columns = (
        slice(max(0, (length - SIDE_PIXELS) // 2), max(0, (length - SIDE_PIXELS) // 2) + SIDE_PIXELS)
        for length in picture.shape[:2]
    )
    return np.ascontiguousarray(picture[rows, columns])
