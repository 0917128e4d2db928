"""CVF-SID's scheme: a picture is taken apart into itself and two noises, and what is put together must come apart again.

Neshatavar et al., "CVF-SID", CVPR 2022. Nothing is blind and nothing is masked. What keeps the network from calling the
noise a part of the picture is consistency. The clean picture holds no noise. With one noise added, taken away or with
its sign turned, the network must find just that. The two noises together have the deviation that the picture shows
locally.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.cvf_sid import CVFSID, Parts
from unnoise.errors import UsageError
from unnoise.regions import Region
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network, run_region
from unnoise.schemes.borders import region_with_reflected_border
from unnoise.schemes.single_pass import SinglePass

WINDOW_PIXELS = 6
"""Side of the windows in which the deviation of the noisy picture, and the mean of the clean one, are taken."""
_MIXTURES = ((0, 0), (1, 0), (1, -1), (-1, 1), (-1, -1), (1, 1), (0, 1), (0, -1), (-1, 0))
"""Factors of the two noises that are added to the clean picture again."""


class CVFSIDScheme(SinglePass):
    """The ten consistency terms of the paper, and as many again with turned signs, of less weight.

    Example:
        >>> network = CVFSID(features=4, layers=2, noise_layers=1)
        >>> CVFSIDScheme(border=4).loss(network, torch.rand(1, 3, 16, 16)).shape
        torch.Size([])
    """

    name: Literal["cvf-sid"] = "cvf-sid"
    border: Annotated[int, Field(ge=0, le=64)] = 20
    """Reflected pixels around each picture, in training and at inference."""
    power: Annotated[float, Field(gt=0, le=2)] = 1.0
    """The paper's γ: signal-dependent noise grows with the signal to this power."""
    augmented: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the terms with turned signs."""

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, CVFSID):
            known = denoisers.names_of(CVFSID)
            raise UsageError(
                f"The scheme needs a network that tells two kinds of noise, which {denoiser.__name__} does not; take the "
                f"denoiser {', '.join(known)}."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The sum of mean squared differences, as published. All mixtures go through the network in one batch."""
        pad = (min(self.border, noisy.shape[-2] - 1, noisy.shape[-1] - 1),) * 4
        padded = F.pad(noisy, pad, mode="reflect")
        found = _take_apart(network, padded)
        signal = self._raised(found.clean) * found.dependent
        mixed = [found.clean + one * signal + other * found.independent for one, other in _MIXTURES]
        again = [F.pad(_inner(picture, pad[0]), pad, mode="reflect") for picture in [*mixed, found.independent]]
        results = [
            Parts(*parts) for parts in zip(*(p.chunk(len(again)) for p in _take_apart(network, torch.cat(again))), strict=True)
        ]
        main = self._main_terms(noisy, padded, found, signal, results)
        turned = sum(self._turned_term(found, *way, result) for way, result in zip(_MIXTURES[2:], results[2:-1], strict=True))
        return main + self.augmented * turned

    def _main_terms(self, noisy: Tensor, padded: Tensor, found: Parts, signal: Tensor, results: list[Parts]) -> Tensor:
        """The ten terms of the paper, its Eqs. 5 to 10."""
        of_clean, of_dependent, of_independent = results[0], results[1], results[-1]
        same = [
            (found.clean + signal + found.independent, padded),
            (of_clean.clean, found.clean),
            (of_independent.independent, found.independent),
            (of_dependent.dependent, found.dependent),
            (of_dependent.clean, found.clean),
        ]
        nothing = [of_independent.clean, of_clean.dependent, of_clean.independent, of_dependent.independent]
        terms = [F.mse_loss(*pair) for pair in same] + [part.square().mean() for part in nothing]
        return torch.stack(terms).sum() + F.mse_loss(self._deviation(found), local_deviation(noisy))

    def _turned_term(self, found: Parts, one: int, other: int, result: Parts) -> Tensor:
        """That a mixture comes apart as it was put together."""
        return (
            F.mse_loss(result.clean, found.clean)
            + F.mse_loss(result.dependent, one * found.dependent)
            + F.mse_loss(result.independent, other * found.independent)
        )

    def _deviation(self, found: Parts) -> Tensor:
        """The deviation of both noises together, (B, C)."""
        blurred = F.avg_pool2d(found.clean, WINDOW_PIXELS, stride=1, padding=WINDOW_PIXELS // 2)
        light = self._raised(blurred).square().mean((2, 3))
        dependent, independent = (noise.flatten(2).var(-1) for noise in (found.dependent, found.independent))
        return (light * dependent + independent + 1e-12).sqrt()

    def _raised(self, clean: Tensor) -> Tensor:
        return clean if self.power == 1 else clean.clamp_min(1e-6) ** self.power

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        return self.restore_cropped(network, noisy, (slice(0, noisy.shape[-2]), slice(0, noisy.shape[-1])), generator)

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return region_with_reflected_border(lambda x, place: run_region(network, x, place), noisy, self.border, region)


def local_deviation(images: Tensor) -> Tensor:
    """The mean deviation within windows of 6×6 pixels, of each channel: (B, C, H, W) → (B, C).

    The published code takes it once over a whole picture, here it is that of the crop.

    Example:
        >>> local_deviation(torch.zeros(1, 3, 8, 8)).max()
        tensor(0.)
    """
    mean, square = (F.avg_pool2d(values, WINDOW_PIXELS, stride=1) for values in (images, images.square()))
    return (square - mean.square()).clamp_min(0).sqrt().mean((2, 3))


def _take_apart(network: Network, x: Tensor) -> Parts:
    return cast(CVFSID, network)(x, parts=True)


def _inner(x: Tensor, border: int) -> Tensor:
    return x[..., border : x.shape[-2] - border, border : x.shape[-1] - border]
