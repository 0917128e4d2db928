"""What a picture's own noise allows to be done to it: decided once for a picture, and applied to all of its parts.

Equal channels stay equal. Pictures that never had noise, and those whose noise cannot be told from their structure, stay as they are.
Of all others no more is taken away than noise (`bounded_removal`), and parts without noise stay exact.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.errors import UnnoiseWarning
from unnoise.inference.bounded_removal import bounded_removal
from unnoise.inference.sources import PixelSource
from unnoise.noise.noise_estimation import estimate_noise
from unnoise.noise.noise_model import NoiseModel
from unnoise.noise.synthetic_images import all_channels_equal, noise_free, synthetic_kind
from unnoise.regions import RegionSource


@dataclass(frozen=True)
class Guard:
    """What may be done to one picture."""

    noise: NoiseModel | None
    """None: too little of the picture to measure noise in; it is restored without a bound."""
    grey: bool
    """Its channels are all equal, and one of them stands for all."""
    kept: str | None = None
    """Why the picture stays as it is, in one sentence without its subject; None: it may be restored."""

    @classmethod
    def of(cls, view: RegionSource, *, step: float | None = None, bounded: bool = True, force: bool = False) -> Guard:
        """Decide.

        Args:
            view: of the noisy picture, (1, C, H, W) in 0..1.
            step: between values of its type, 1/255 for 8 bits; None for floats.
            bounded: measure its noise. False for counts of photons, whose noise is far from normal.
            force: restore it whatever it is, and without a bound where no noise can be told.
        """
        channels = view.read(slice(0, 1), slice(0, 1)).shape[1]
        grey = channels > 1 and all_channels_equal(view)
        seen = RegionSource(view.size, lambda rows, columns: view.read(rows, columns)[:, :1]) if grey else view
        kind = None if force else synthetic_kind(seen, step)
        if kind:
            return cls(
                None,
                grey,
                f"has {kind} and no noise to remove, so it was left as it is; add --force to denoise it all the same.",
            )
        noise = estimate_noise(seen) if bounded else None
        if noise is None or not noise.is_none:
            return cls(noise, grey)
        if force:
            return cls(None, grey)
        return cls(
            noise,
            grey,
            "was left as it is, as no noise can be told from its structure; add --force to denoise it all the same.",
        )

    @property
    def bounds(self) -> bool:
        """Whether the result is bounded by measured noise, or stays as it is."""
        return self.noise is not None or self.kept is not None

    def warn(self, name: str) -> None:
        """Say why the picture stays as it is, if it does; `name` is the sentence's subject."""
        if self.kept:
            warnings.warn(f"{name} {self.kept}", UnnoiseWarning, stacklevel=3)

    def apply(self, noisy: Tensor, restored: Tensor) -> Tensor:
        """A restoration without the harm, (1, C, H, W) each → the same; `noisy` itself where the picture stays as it is."""
        if self.kept:
            return noisy
        if self.grey:
            one = self._bounded(noisy[:, :1], restored.mean(1, keepdim=True))
            return one.expand_as(noisy)
        return self._bounded(noisy, restored)

    def _bounded(self, noisy: Tensor, restored: Tensor) -> Tensor:
        if self.noise is not None:
            restored = bounded_removal(noisy, restored, self.noise)
        exact = noise_free(noisy)
        return torch.where(exact, noisy, restored) if exact.any() else restored


def guards_of(source: PixelSource, *, bounded: bool, force: bool) -> list[Guard]:
    """What may be done to each picture of a batch, (B, C, H, W).

    Args:
        source: of the noisy pictures.
        bounded: their noise is measured; see `Guard.of`.
        force: pictures without noise are restored too.
    """
    count = len(source.read(slice(0, 1), slice(0, 1)))

    def picture(number: int) -> RegionSource:
        return RegionSource(source.size, lambda rows, columns: source.read(rows, columns)[number : number + 1])

    step = 1 / source.white if source.white and bounded else None  # counts may lie far apart, as a camera's gain has it
    return [Guard.of(picture(number), step=step, bounded=bounded, force=force) for number in range(count)]
