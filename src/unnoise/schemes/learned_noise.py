"""Learning noise from unpaired pictures: a generator adds it to clean ones, and a denoiser learns to remove it.

Jang et al., "C2N: Practical Generative Noise Modeling for Real-World Denoising", ICCV 2021, and Chen et al. (GCBD), CVPR
2018, with the critic of Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017. The papers take clean
photographs. Here nobody has any: results of a teacher, made half as large and exchanged within the batch, stand for them.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise import denoisers
from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.learned_noise import LearnedNoiseDenoiser, Played
from unnoise.errors import UsageError
from unnoise.schemes.base import Network
from unnoise.schemes.distillation import Distillation


class LearnedNoise(Distillation):
    """The game of generator and critic, and the denoiser's error on what the generator made; all in one step.

    >>> LearnedNoise(penalty=10).name
    'learned-noise'
    """

    name: Literal["learned-noise"] = "learned-noise"  # type: ignore[assignment]
    penalty: Annotated[float, Field(ge=0)] = 10.0
    """Weight of the penalty for a critic that is too steep."""
    stability: Annotated[float, Field(ge=0)] = 0.01
    """C2N's weight of the noise's mean, which should be zero."""
    game: Annotated[float, Field(ge=0)] = 0.01
    """Weight of the game beside the denoiser's error."""

    def check(self, denoiser: type[Denoiser]) -> None:
        if not issubclass(denoiser, LearnedNoiseDenoiser):
            known = denoisers.names_of(LearnedNoiseDenoiser)
            raise UsageError(
                f"The scheme needs a network with a generator of noise, which {denoiser.__name__} has not; take one of the "
                f"denoisers {', '.join(known)}."
            )

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean |f(x + G(x)) − x| + game · (advantage + penalty) + stability · mean |mean of the noise|."""
        noisy, targets = self._with_targets(noisy, generator)
        real, clean = unpaired(noisy, targets.mean(0))
        played = cast(Played, cast(LearnedNoiseDenoiser, network)(real, clean, generator))
        error = F.l1_loss(played.restored, clean)
        mean = played.noise.mean((0, 2, 3)).abs().mean()
        return error + self.game * (played.advantage + self.penalty * played.penalty) + self.stability * mean


def unpaired(noisy: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Noisy pictures and clean ones of other scenes: (B, C, H, W) twice → (B, C, H // 2, W // 2) twice.

    The clean ones are halved, which takes away what noise was left, and come from the next picture of the batch. Of the
    noisy ones the first quarter is taken as it is, since halving would change the noise.

    Args:
        noisy: real pictures.
        clean: the same scenes as a teacher restores them.

    Example:
        >>> one = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)
        >>> [each[:, 0, 0, 0].tolist() for each in unpaired(one, one)]
        [[0.0, 1.0], [1.0, 0.0]]
    """
    halved = F.avg_pool2d(clean, 2).roll(1, dims=0)
    real = noisy[..., : halved.shape[-2], : halved.shape[-1]]
    channels_last = torch.channels_last
    return real.contiguous(memory_format=channels_last), halved.contiguous(memory_format=channels_last)
