"""Generators that make noise, and the critic that tells made noise from real noise.

Jang et al., "C2N: Practical Generative Noise Modeling for Real-World Denoising", ICCV 2021: a part that knows the picture
and a part that does not, each of 1×1 and 3×3 kernels, so that noise may depend on the signal and on its neighbours. Chen
et al., "Image Blind Denoising With Generative Adversarial Network Based Noise Modeling", CVPR 2018 (GCBD): noise alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST_DEVIATION = 1e-6
FIRST_NOISE = 0.3
"""The share of its usual draw with which C2N's last layer begins: noise of about 0.1, as noisy pictures have, and not of 0.3."""


def _convolution(in_channels: int, out_channels: int, kernel: int = 3, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias, padding_mode="reflect")


class ReflectBlock(nn.Module):
    """x + conv(PReLU(conv(x))), (B, C, H, W) → the same shape, with reflection at the edges.

    >>> ReflectBlock(2, 3)(torch.rand(1, 2, 4, 5)).shape
    torch.Size([1, 2, 4, 5])
    """

    def __init__(self, features: int, kernel: int = 3, *, bias: bool = True) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolution(features, features, kernel, bias=bias), nn.PReLU(), _convolution(features, features, kernel, bias=bias)
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.body(x)
        return result


def _blocks(number: int, features: int, kernel: int = 3, *, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(*(ReflectBlock(features, kernel, bias=bias) for _ in range(number)))


class C2NGenerator(nn.Module):
    """C2N's generator, (B, channels, H, W) → noise of the same shape.

    Args:
        channels: of the picture.
        features: width of the two parts; the part that knows the picture begins twice as wide (64 in the paper).
        code: length of the random vector that all pixels share, such as the sensitivity (32 in the paper).

    Example:
        >>> C2NGenerator(3, features=4, code=2)(torch.rand(1, 3, 8, 8), torch.Generator()).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, channels: int, features: int = 64, code: int = 32) -> None:
        super().__init__()
        n = features
        self.code = code
        self.ext_head = nn.Sequential(_convolution(channels, n), nn.PReLU(), _convolution(n, 2 * n))
        self.ext_merge = nn.Sequential(_convolution(2 * n + code, 2 * n), nn.PReLU())
        self.ext = _blocks(5, 2 * n)
        self.indep_merge, self.dep_merge = _convolution(n, n, 1), _convolution(n, n, 1)
        self.pipe_indep_1, self.pipe_indep_3 = _blocks(3, n, 1, bias=False), _blocks(3, n, 3, bias=False)
        self.pipe_dep_1, self.pipe_dep_3 = _blocks(2, n, 1, bias=False), _blocks(2, n, 3, bias=False)
        self.T_tail = _convolution(n, channels, 1)
        with torch.no_grad():
            for each in self.T_tail.parameters():
                each.mul_(FIRST_NOISE)

    def forward(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        batch, _, height, width = clean.shape
        code = torch.randn(batch, self.code, 1, 1, generator=generator).to(clean).expand(-1, -1, height, width)
        known = self.ext(self.ext_merge(torch.cat([self.ext_head(clean), code], dim=1)))
        mean, deviation = known.chunk(2, dim=1)
        drawn = torch.randn(mean.shape, generator=generator).to(clean)
        dependent = self.dep_merge(mean + (deviation.relu() + LEAST_DEVIATION) * drawn)
        independent = self.indep_merge(torch.rand(mean.shape, generator=generator).to(clean))
        mixed = self.pipe_indep_1(independent) + self.pipe_indep_3(independent)
        mixed = mixed + self.pipe_dep_1(dependent) + self.pipe_dep_3(dependent)
        noise: Tensor = self.T_tail(mixed)
        return noise


class GCBDGenerator(nn.Module):
    """Noise that does not depend on the picture, (B, channels, H, W) → noise of the same shape, from white noise.

    GCBD's own network makes blocks of 64×64 pixels by transposed convolutions. This one has the same task for any size.

    Example:
        >>> GCBDGenerator(3, features=4)(torch.rand(1, 3, 8, 8), torch.Generator()).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, channels: int, features: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.features = features
        self.body = nn.Sequential(_convolution(features, features), nn.PReLU(), *_blocks(blocks, features))
        self.tail = _convolution(features, channels)

    def forward(self, clean: Tensor, generator: torch.Generator) -> Tensor:
        shape = len(clean), self.features, *clean.shape[-2:]
        noise: Tensor = self.tail(self.body(torch.randn(shape, generator=generator).to(clean)))
        return noise


class Critic(nn.Module):
    """Tells for each pixel how real its surroundings look, (B, channels, H, W) → (B, 1, H, W).

    Example:
        >>> Critic(3, features=4, blocks=1)(torch.rand(1, 3, 8, 8)).shape
        torch.Size([1, 1, 8, 8])
    """

    def __init__(self, channels: int, features: int = 64, blocks: int = 6) -> None:
        super().__init__()
        self.head = nn.Sequential(_convolution(channels, features), nn.PReLU())
        self.body = _blocks(blocks, features)
        self.tail = _convolution(features, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.tail(self.body(self.head(x)))
        return result
