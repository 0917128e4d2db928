"""Self-collaboration of parallel branches: noise is transferred to other pictures, and a denoiser helps its later self.

Lin et al., "Unsupervised Image Denoising in Real-World Scenarios via Self-Collaboration Parallel Generative Adversarial
Branches", ICCV 2023. One branch makes noisy pictures of clean ones, another of what the denoiser restored. The noise that
is transferred is what an earlier state of the denoiser removed, which a better state replaces again and again. The paper
takes clean photographs; here results of a teacher stand for them, as in `unnoise.schemes.learned_noise`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.scpgabn import Collaboration, SCPGabN, blur, gaussian_kernel
from unnoise.errors import UsageError
from unnoise.schemes.base import Network
from unnoise.schemes.distillation import Distillation
from unnoise.schemes.learned_noise import unpaired

BACKGROUND_SIGMA_PIXELS = 25
BACKGROUND_WEIGHTS = {3: 0.01, 9: 0.1, 15: 1.0}
"""Sides of the blurs by which the background of a made picture must be that of the clean one, and their weights."""
SSIM_WINDOW_PIXELS, SSIM_SIGMA_PIXELS = 11, 1.5
SSIM_CONSTANTS = 0.01**2, 0.03**2
LEAST_SIMILARITY = 1e-3
"""The logarithm is not taken of less, as SSIM can be negative."""
LEAST_SIDE_PIXELS = 24
"""The critic's last layers need as much."""


class SelfCollaboration(Distillation):
    """The game of generator and critic, and the denoiser's error on what the generator made; all in one step.

    The published code steps three optimizers of one rate in turn. The sum of the losses has the same gradients, as each
    term moves only the networks that it moved there.

    >>> SelfCollaboration(rounds=3).at(0.5).round_now
    1
    """

    changes_over_run: ClassVar[bool] = True
    name: Literal["self-collaboration"] = "self-collaboration"  # type: ignore[assignment]
    background: Annotated[float, Field(ge=0)] = 6.0
    """Weight of the difference of blurred pictures."""
    rounds: Annotated[int, Field(ge=0)] = 2
    """How often the denoiser takes the place of its earlier self, at equal intervals after the first stage."""
    first_stage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The share of the run without an earlier self, in which whole pictures tell the noise."""

    @property
    def round_now(self) -> int:
        """How often the denoiser has taken its earlier self's place: 0 in the first stage, then 1 to `rounds`."""
        if self._share < self.first_stage or not self.rounds:
            return 0
        done = (self._share - self.first_stage) / max(1 - self.first_stage, 1e-9)
        return min(1 + int(done * self.rounds), self.rounds)

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, SCPGabN):
            known = denoisers.names_of(SCPGabN)
            raise UsageError(
                f"The scheme needs a network that transfers noise, which {denoiser.__name__} does not; take the denoiser "
                f"{', '.join(known)}."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The generator's, the denoiser's and the critic's loss together."""
        noisy, targets = self._with_targets(noisy, generator)
        real, clean = unpaired(noisy, targets.mean(0))
        if min(real.shape[-2:]) < LEAST_SIDE_PIXELS:
            raise UsageError(
                f"The scheme needs crops of at least {2 * LEAST_SIDE_PIXELS} pixels, not {noisy.shape[-1]}; set training.crop."
            )
        step = cast(Collaboration, cast(SCPGabN, network)(real, clean, rounds=self.round_now))
        return self.generator_loss(step, clean) + denoiser_loss(step, clean) + critic_loss(step)

    def generator_loss(self, step: Collaboration, clean: Tensor) -> Tensor:
        """Σ (P(ŷ) − 1)² over the four made pictures, and `background` times the difference of the first two's blurs."""
        fooled = (step.judged - 1).square().mean((1, 2, 3, 4)).sum()
        sources = torch.cat([clean, step.restored])
        made = step.made[:2].flatten(0, 1)
        terms = []
        for side, weight in BACKGROUND_WEIGHTS.items():
            kernel = gaussian_kernel(side, BACKGROUND_SIGMA_PIXELS, clean.shape[1]).to(clean.device)
            terms.append(weight * blur(sources - made, kernel).abs().mean())  # a blur is linear
        return fooled + 2 * self.background * torch.stack(terms).sum()


def denoiser_loss(step: Collaboration, clean: Tensor) -> Tensor:
    """The error of the restored made picture, and from the first round on the difference from the earlier self.

    Args:
        step: of the networks.
        clean: what the first made picture was made of, (B, C, H, W).

    Example:
        >>> from unnoise.denoisers.scpgabn import SCPGabN
        >>> network = SCPGabN(features=16, generator_features=4, critic_features=2, blocks=1)
        >>> clean = torch.rand(1, 3, 32, 32)
        >>> denoiser_loss(network(torch.rand(1, 3, 32, 32), clean), clean).shape
        torch.Size([])
    """
    pairs = [(step.restored_made, clean)]
    if step.earlier is not None and step.earlier_made is not None:
        pairs += [(step.restored, step.earlier), (step.restored_made, step.earlier_made)]
    return torch.stack([F.l1_loss(*pair) + dissimilarity(*pair) for pair in pairs]).sum()


def critic_loss(step: Collaboration) -> Tensor:
    """½ (P(y) − 1)² + ½ P(ŷ)², means over all patches.

    Example:
        >>> from unnoise.denoisers.scpgabn import SCPGabN
        >>> network = SCPGabN(features=16, generator_features=4, critic_features=2, blocks=1)
        >>> critic_loss(network(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))).shape
        torch.Size([])
    """
    return 0.5 * ((step.judged_real - 1).square().mean() + step.judged_false.square().mean())


def dissimilarity(one: Tensor, other: Tensor) -> Tensor:
    """−log₁₀ of the mean SSIM, with windows of 11×11 pixels of standard deviation 1.5 and zeros around the pictures.

    Args:
        one, other: (B, C, H, W), in 0..1.

    Example:
        >>> dissimilarity(torch.ones(1, 3, 16, 16), torch.ones(1, 3, 16, 16)).abs().round(decimals=4)
        tensor(0.)
    """
    channels, one, other = one.shape[1], one.float(), other.float()
    window = gaussian_kernel(SSIM_WINDOW_PIXELS, SSIM_SIGMA_PIXELS, channels).to(one)
    several = torch.cat([one, other, one * one, other * other, one * other])
    with torch.autocast(one.device.type, enabled=False):  # variances are differences of nearly equal means
        means = F.conv2d(several, window, padding=SSIM_WINDOW_PIXELS // 2, groups=channels)
    mean, mean_other, square, square_other, product = means.chunk(5)
    c1, c2 = SSIM_CONSTANTS
    both = mean * mean_other
    luminance = (2 * both + c1) / (mean.square() + mean_other.square() + c1)
    structure = (2 * (product - both) + c2) / (square - mean.square() + square_other - mean_other.square() + c2)
    return -(luminance * structure).mean().clamp_min(LEAST_SIMILARITY).log10()
