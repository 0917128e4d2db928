"""D-BSN in its first form: two blind branches of blocks with several kernels, and networks for two covariances.

Wu et al., "Unpaired Learning of Deep Image Denoising", ECCV 2020. AP-BSN later made the branches lighter, and kept the
mean alone.

Why it is blind: a branch begins with a convolution of radius d − 1 whose centre weight is zero, and every later kernel
steps by d. See `unnoise.denoisers.dbsn`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from unnoise.denoisers.dbsn import CentreMaskedConv2d
from unnoise.denoisers.posterior_denoiser import PosteriorDenoiser, positive_deviation
from unnoise.layers.fused_convolution import convolve, run_sequential
from unnoise.layers.gaussian_posterior import GaussianPrior
from unnoise.layers.output_layer import output_convolution

PARTS = {"dbsn.": "state_dict_dbsn.", "sigma_mu.": "state_dict_sigma_mu.", "sigma_n.": "state_dict_sigma_n."}
"""Our names of the three networks, and those in published files, which hold one state dict for each."""
NOISE_LAYERS = 5
FIRST_OUTPUT_SHARE = 0.1
"""How much smaller than He-normal the last layers begin.

A prior begins no wider than a picture's own values then. With a wide one the posterior is the noisy pixel itself, and
the likelihood must first shrink the prior before it teaches the mean anything."""
FIRST_NOISE = 1.0
"""What the network for the noise tells at first: a deviation of 0.05 after `positive_deviation`, as cameras have it."""


def _stack(*layers: nn.Module) -> nn.Sequential:
    """The layers, each with a ReLU."""
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU(inplace=True))))


class MultiDilatedBlock(nn.Module):
    """The paper's MDC: kernels of 5, 3 and 1 side by side, then 1×1 convolutions, (B, F, H, W) → the same shape."""

    def __init__(self, features: int, dilation: int) -> None:
        super().__init__()
        n = features
        self.inception_br1 = _stack(nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 5, padding=2 * dilation, dilation=dilation))
        self.inception_br2 = _stack(nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 3, padding=dilation, dilation=dilation))
        self.inception_br3 = _stack(nn.Conv2d(n, n, 1))
        self.concat = nn.Conv2d(3 * n, n, 1)
        self.middle_1x1_convs = _stack(nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 1))

    def forward(self, x: Tensor) -> Tensor:
        parts = [run_sequential(part, x) for part in (self.inception_br1, self.inception_br2, self.inception_br3)]
        y = convolve(self.concat, torch.cat(parts, dim=1), "relu")
        return run_sequential(self.middle_1x1_convs, y + x)


class BlindBranch(nn.Module):
    """A masked convolution of radius d − 1, then blocks of dilation d, (B, F, H, W) → the same shape."""

    def __init__(self, features: int, stride: int, blocks: int) -> None:
        super().__init__()
        start = _stack(
            CentreMaskedConv2d(features, features, 2 * stride - 1), *(nn.Conv2d(features, features, 1) for _ in "ab")
        )
        self.branch = nn.Sequential(
            *start, *(MultiDilatedBlock(features, stride) for _ in range(blocks)), nn.Conv2d(features, features, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return run_sequential(self.branch, x)


class DBSNFirst(PosteriorDenoiser):
    """(B, channels, H, W) → the posterior's mean, values in [0, 1]. The prior is strictly blind to each pixel itself.

    Args:
        channels: of the image.
        features: width of every layer (96 in the paper).
        blocks: in each branch (8 in the paper).
        strides: one branch for each d ≥ 2 ((2, 3) in the paper).
        width: of the two networks for the covariances (32 in the paper).

    Raises:
        ValueError: for strides that would break the blindness.

    Example:
        >>> DBSNFirst(features=4, blocks=1, width=4)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    def __init__(
        self, channels: int = 3, features: int = 96, blocks: int = 8, strides: Sequence[int] = (2, 3), width: int = 32
    ) -> None:
        super().__init__()
        if min(strides) < 2:
            raise ValueError(f"Each stride must be at least 2 for the network to be blind, got {tuple(strides)}.")
        self.sizes = {
            "channels": channels, "features": features, "blocks": blocks, "strides": list(strides), "width": width,
        }  # fmt: skip
        branches = {f"br{place}": BlindBranch(features, stride, blocks) for place, stride in enumerate(strides, start=1)}
        one = [nn.Conv2d(features, features, 1) for _ in range(2)]
        self.dbsn = nn.ModuleDict(
            {
                "dbsn_head": _stack(nn.Conv2d(channels, features, 1)),
                **branches,
                "concat": nn.Conv2d(len(strides) * features, features, 1),
                "dbsn_tail": nn.Sequential(*_stack(*one), nn.Conv2d(features, channels, 1)),
            }
        )
        covariance = [nn.Conv2d(a, b, 1) for a, b in pairwise([features, width, width])]
        self.sigma_mu = nn.ModuleDict({"conv": nn.Sequential(*_stack(*covariance), nn.Conv2d(width, channels, 1))})
        noise = [nn.Conv2d(a, b, 1) for a, b in pairwise([channels, *[width] * (NOISE_LAYERS - 1)])]
        self.sigma_n = nn.ModuleDict({"conv": _stack(*noise), "conv_final": nn.Conv2d(width, channels, 1)})

    def initialize_he(self) -> None:
        """He-normal weights. The blocks' sums keep the scale of what enters them, and both results begin small."""
        super().initialize_he()
        last = [self.get_submodule("dbsn.dbsn_tail")[-1], self.get_submodule("sigma_mu.conv")[-1]]  # type: ignore[index]
        for layer in last:
            layer.weight.data *= FIRST_OUTPUT_SHARE
        nn.init.constant_(self.get_submodule("sigma_n.conv_final").bias, FIRST_NOISE)  # type: ignore[arg-type]
        for block in self.modules():
            if isinstance(block, MultiDilatedBlock):
                block.concat.weight.data /= self.sizes["blocks"] ** 0.5

    def prior(self, x: Tensor) -> GaussianPrior:
        head = run_sequential(self.dbsn["dbsn_head"], x)  # type: ignore[arg-type]
        branches = [self.dbsn[f"br{place}"](head) for place in range(1, len(self.sizes["strides"]) + 1)]
        middle = convolve(self.dbsn["concat"], torch.cat(branches, dim=1))  # type: ignore[arg-type]
        *tail, last = self.dbsn["dbsn_tail"].children()
        assert isinstance(last, nn.Conv2d)
        mean = output_convolution(last, run_sequential(tail, middle), x)
        factor = run_sequential(self.sigma_mu["conv"], middle)  # type: ignore[arg-type]
        told = self.sigma_n["conv_final"](run_sequential(self.sigma_n["conv"], x))  # type: ignore[arg-type]
        return GaussianPrior(mean, factor, positive_deviation(told.mean((2, 3), keepdim=True)))

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """As `Denoiser.from_weights`, from our own names or a published file with its three state dicts."""
        ours = {
            mine + key.removeprefix(theirs).removeprefix("module."): value
            for key, value in weights.items()
            for mine, theirs in PARTS.items()
            if key.startswith(theirs)
        }
        return super().from_weights(ours or weights)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from the head, the masked kernels (2d − 1), the number of blocks and the network for the noise."""
        head, noise = weights.get("dbsn.dbsn_head.0.weight"), weights.get("sigma_n.conv_final.weight")
        masked = [weights[key] for place in range(1, 10) if (key := f"dbsn.br{place}.branch.0.weight") in weights]
        if head is None or noise is None or not masked:
            return None
        blocks = sum(key.startswith("dbsn.br1.branch.") and key.endswith(".concat.weight") for key in weights)
        strides = [(kernel.shape[-1] + 1) // 2 for kernel in masked]
        features, channels = head.shape[:2]
        return {
            "channels": channels, "features": features, "blocks": blocks, "strides": strides, "width": noise.shape[1],
        }  # fmt: skip
