"""Denoisers that learn from noise which a generator makes: only training needs the generator and its critic.

Jang et al., "C2N", ICCV 2021, and Chen et al. (GCBD), CVPR 2018, around DnCNN.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.dncnn import DnCNN
from unnoise.denoisers.noise_generator import C2NGenerator, Critic, GCBDGenerator


class Played(NamedTuple):
    """What one round of the game gives, for the loss."""

    restored: Tensor
    """Made noisy pictures as the denoiser restores them, (B, C, H, W)."""
    noise: Tensor
    """The noise that was made, (B, C, H, W)."""
    advantage: Tensor
    """A scalar: how much more real the critic finds real pictures. The generator's gradient of it has the sign turned."""
    penalty: Tensor
    """A scalar: the mean of (‖∇ critic‖ − 1)² on mixtures of made and real pictures."""


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient has its sign turned."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return -gradient


def reversed_gradient(x: Tensor) -> Tensor:
    """x, with the sign of its gradient turned: a critic and a generator then share one loss.

    Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016.

    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> reversed_gradient(3 * x).sum().backward()
        >>> x.grad
        tensor([-3.])
    """
    result: Tensor = _Reversed.apply(x)  # type: ignore[no-untyped-call]
    return result


class LearnedNoiseDenoiser(Denoiser):
    """(B, channels, H, W) → the same shape, values in [0, 1], by DnCNN. Not blind.

    Args:
        channels: of the image.
        features: width of all three networks (64 in the papers).
        layers: of DnCNN (17 in its paper).
        critic_blocks: of the critic (6 in C2N).

    >>> from unnoise import denoisers
    >>> isinstance(denoisers.create("gcbd", features=4, layers=3), LearnedNoiseDenoiser)
    True
    """

    def __init__(self, channels: int = 3, features: int = 64, layers: int = 17, critic_blocks: int = 6) -> None:
        super().__init__()
        self.sizes = {"channels": channels, "features": features, "layers": layers, "critic_blocks": critic_blocks}
        self.denoiser = DnCNN(channels, features, layers)
        self.generator = self.make_generator(channels, features)
        self.critic = Critic(channels, features, critic_blocks)

    @staticmethod
    @abstractmethod
    def make_generator(channels: int, features: int) -> nn.Module:
        """The generator: called with clean pictures and random numbers, it gives noise."""

    @abstractmethod
    def shown_to_critic(self, picture: Tensor, clean: Tensor | None) -> Tensor:
        """What the critic sees of a noisy picture, (B, C, H, W) → the same shape.

        Args:
            picture: real or made.
            clean: what the noise was made for; None for a real picture.
        """

    @property
    def receptive_field_radius(self) -> int:
        """That of DnCNN."""
        return self.denoiser.receptive_field_radius

    def initialize_he(self) -> None:
        """DnCNN's own draw. The generator and the critic keep theirs."""
        self.denoiser.initialize_he()

    def forward(self, x: Tensor, clean: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor | Played:
        """The restored pictures; with `clean` a round of the game.

        Args:
            x: noisy pictures, (B, C, H, W).
            clean: other, clean pictures of the same shape.
            generator: of the random numbers.
        """
        if clean is None:
            result: Tensor = self.denoiser(x)
            return result
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        noise = self.generator(clean, draws)
        made = clean + noise
        real, false = self.shown_to_critic(x, None), self.shown_to_critic(made, clean)
        advantage = self.critic(reversed_gradient(false)).mean() - self.critic(real).mean()
        return Played(self.denoiser(made.detach()), noise, advantage, self._penalty(real, false, draws))

    def _penalty(self, real: Tensor, false: Tensor, draws: torch.Generator) -> Tensor:
        share = torch.rand(len(real), 1, 1, 1, generator=draws).to(real)
        mixed = (share * real + (1 - share) * false).detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(mixed).mean((1, 2, 3)).sum(), mixed, create_graph=True)
        # of a mean over pixels the slope is as many times smaller
        norm = slope.flatten(1).norm(dim=1) * (mixed.shape[-2] * mixed.shape[-1]) ** 0.5
        return (norm - 1).square().mean()


class C2N(LearnedNoiseDenoiser):
    """DnCNN beside C2N's generator. The critic sees whole noisy pictures.

    Example:
        >>> C2N(features=4, layers=3, critic_blocks=1)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    @staticmethod
    def make_generator(channels: int, features: int) -> nn.Module:
        return C2NGenerator(channels, features)

    def shown_to_critic(self, picture: Tensor, clean: Tensor | None) -> Tensor:
        return picture


class GCBD(LearnedNoiseDenoiser):
    """DnCNN beside a generator of noise alone. The critic sees noise: of real pictures, less the mean of flat blocks.

    Example:
        >>> GCBD(features=4, layers=3, critic_blocks=1)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    @staticmethod
    def make_generator(channels: int, features: int) -> nn.Module:
        return GCBDGenerator(channels, features)

    def shown_to_critic(self, picture: Tensor, clean: Tensor | None) -> Tensor:
        return picture - clean if clean is not None else flattest_noise(picture)


def flattest_noise(pictures: Tensor, block: int = 16) -> Tensor:
    """The flattest block of each picture, less its mean, repeated by mirroring to the picture's size.

    GCBD takes blocks whose parts have the mean and variance of the whole; here it is the block whose quarters' means
    differ least, for its deviation.

    Args:
        pictures: (B, C, H, W).
        block: side of the blocks in pixels, which 4 divides.

    Returns:
        (B, C, H, W).

    Example:
        >>> flattest_noise(torch.full((1, 3, 32, 32), 0.7)).abs().max() < 1e-6
        tensor(True)
    """
    height, width = pictures.shape[-2:]
    block = min(block, height, width) // 4 * 4
    if block == 0:
        return pictures - pictures.mean((2, 3), keepdim=True)
    found = []
    for picture in pictures:
        blocks = picture.unfold(1, block, block).unfold(2, block, block).flatten(1, 2).transpose(0, 1)  # (N, C, b, b)
        noise = blocks - blocks.mean((2, 3), keepdim=True)
        uneven = F.avg_pool2d(noise, block // 4).square().mean((1, 2, 3)) / noise.square().mean((1, 2, 3)).clamp_min(1e-12)
        best = noise[uneven.argmin()]
        row = torch.cat([best, best.flip(2)], dim=2).repeat(1, 1, -(-width // (2 * block)))[..., :width]
        found.append(torch.cat([row, row.flip(1)], dim=1).repeat(1, -(-height // (2 * block)), 1)[:, :height])
    return torch.stack(found)
