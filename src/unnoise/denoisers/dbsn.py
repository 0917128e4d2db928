"""D-BSN, the dilated blind-spot network of AP-BSN, and its dense variant, which is not blind.

Wu et al., "Unpaired Learning of Deep Image Denoising", ECCV 2020, in the lighter form of Lee et al., "AP-BSN:
Self-Supervised Denoising for Real-World Images via Asymmetric PD and Blind-Spot Network", CVPR 2022.

Why it is blind: each branch begins with a convolution of radius d − 1 whose centre weight is zero. Every later 3×3
convolution steps by d. From at most d − 1 pixels away, steps of d reach the centre only from distance 0, which was left
out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.layers.fused_convolution import can_fuse, convolve, run_sequential
from unnoise.layers.output_layer import output_convolution
from unnoise.layers.partial.halo_crop import full_region
from unnoise.layers.partial.line_buffer import (
    add_buffered,
    buffered_layers,
    run_buffered,
    run_line_buffer,
    uses_line_buffer,
    will_use_line_buffer,
)
from unnoise.layers.partial.shrinking_halo import Intervals, ShrinkingHalo, gather_windows
from unnoise.regions import Region


class CentreMaskedConv2d(nn.Conv2d):
    """A k×k convolution without its centre weight, which makes the blind spot: (B, C, H, W) → (B, C', H, W).

    >>> layer = CentreMaskedConv2d(1, 1, 3)
    >>> x = torch.zeros(1, 1, 5, 5)
    >>> x[..., 2, 2] = 1
    >>> bool(layer(x)[0, 0, 2, 2] == layer(torch.zeros(1, 1, 5, 5))[0, 0, 2, 2])
    True
    """

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
        mask = torch.ones(1, 1, kernel_size, kernel_size)
        mask[..., kernel_size // 2, kernel_size // 2] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight * self.mask, self.bias, padding=self.padding)


class Block(nn.Module):
    """One of the residual layers that a branch repeats, (B, F, H, W) → (B, F, H, W). With ``inplace=True`` it may
    overwrite its input.

    Attributes:
        sees: radius of its convolutions, in pixels.
        grid: beyond that radius it looks only at pixels that lie multiples of this apart.
    """

    def __init__(self, sees: int, grid: int = 1) -> None:
        super().__init__()
        self.sees, self.grid = sees, grid


class ResidualModule(Block):
    """x + conv1×1(ReLU(conv3×3 with dilation d (x))), (B, C, H, W) → (B, C, H, W)."""

    def __init__(self, features: int, dilation: int) -> None:
        super().__init__(sees=dilation)
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=dilation, dilation=dilation),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 1),
        )

    def forward(self, x: Tensor, *, inplace: bool = False) -> Tensor:
        first, _, second = self.body
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        if inplace and uses_line_buffer(x):
            return add_buffered(x, list(self.body)[:2], second, x)
        return convolve(second, convolve(first, x, "relu"), plus=x, inplace=inplace)


class Branch(nn.Module):
    """One branch, (B, F, H, W) → (B, F, h, w): a masked convolution of radius d − 1, then residual modules with
    dilation d."""

    def __init__(self, features: int, stride: int, modules: int, dilation: int) -> None:
        super().__init__()
        self.features = features
        self.body = nn.Sequential(
            CentreMaskedConv2d(features, features, 2 * stride - 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features, 1),
            nn.ReLU(inplace=True),
            *(ResidualModule(features, dilation) for _ in range(modules)),
            nn.Conv2d(features, features, 1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, narrowing: ShrinkingHalo, before: Sequence[nn.Module] = ()) -> Tensor:
        """The branch of before(x), cropped to the windows of `narrowing`: (B, F, H, W) → (B, F, h, w).

        Args:
            x: (B, C, H, W).
            narrowing: crops the map before each block to what the remaining blocks need.
            before: layers to run first.
        """
        start = list(takewhile(lambda layer: not isinstance(layer, Block), self.body))
        blocks = [layer for layer in self.body if isinstance(layer, Block)]
        streams = will_use_line_buffer(x, self.features)
        x = (run_buffered if streams else run_sequential)([*before, *start], x)
        to_come = sum(block.sees for block in blocks)
        for block in blocks:
            x = block(narrowing.to(x, to_come, block.grid), inplace=True)
            to_come -= block.sees
        x, rest = narrowing.to(x, 0), list(self.body)[len(start) + len(blocks) :]
        return run_buffered(rest, x, x) if uses_line_buffer(x) else run_sequential(rest, x)


def pointwise_tail(in_features: int, features: int, channels: int) -> nn.Sequential:
    """The 1×1 convolutions after the branches, (B, in_features, H, W) → (B, channels, H, W).

    The parameters' names are those of the published code.

    >>> pointwise_tail(8, 4, 3)(torch.zeros(1, 8, 5, 6)).shape
    torch.Size([1, 3, 5, 6])
    """
    return nn.Sequential(
        nn.Conv2d(in_features, features, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(features, features // 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(features // 2, features // 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(features // 2, channels, 1),
    )


class DBSN(Denoiser):
    """D-BSN, (B, channels, H, W) → the same shape, values in [0, 255], strictly blind to each pixel itself.

    Args:
        channels: of the image.
        features: width of every layer, even (128 in the paper).
        modules: residual modules in each branch (9 in the paper).
        strides: one branch for each d ≥ 2, with a (2d − 1)×(2d − 1) masked convolution and dilation d ((2, 3) in the
            paper).

    Raises:
        ValueError: for sizes that would break the network or its blindness.

    Example:
        >>> DBSN(features=8, modules=1)(torch.rand(1, 3, 9, 7) * 255).shape
        torch.Size([1, 3, 9, 7])
    """

    value_range = (0.0, 255.0)
    blindness: ClassVar[Blindness] = "strict"
    halo_relative_cost = 0.58  # the masked convolutions compute all of the halo, the last blocks none of it

    def __init__(self, channels: int = 3, features: int = 128, modules: int = 9, strides: Sequence[int] = (2, 3)) -> None:
        super().__init__()
        if features % 2 or features < 2:
            raise ValueError(f"features must be even and at least 2, got {features}.")
        if min(strides) < 2:
            raise ValueError(f"Each stride must be at least 2 for the network to be blind, got {tuple(strides)}.")
        self.sizes = {"channels": channels, "features": features, "modules": modules, "strides": list(strides)}
        self.head = nn.Sequential(nn.Conv2d(channels, features, 1), nn.ReLU(inplace=True))
        self.branches: list[str] = []
        for number, stride in enumerate(strides, start=1):
            self.branches.append(f"branch{number}")
            self.add_module(f"branch{number}", Branch(features, stride, modules, self._dilation(stride)))
        self.tail = pointwise_tail(features * len(strides), features, channels)

    @staticmethod
    def _dilation(stride: int) -> int:
        return stride

    @property
    def receptive_field_radius(self) -> int | None:
        """The masked convolution, then one step of d for each module; the widest branch counts."""
        return max(stride - 1 + self.sizes["modules"] * self._dilation(stride) for stride in self.sizes["strides"])

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, full_region(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        return self.forward_windows(x, [region[0]], [region[1]])

    def forward_windows(self, x: Tensor, rows: Intervals, columns: Intervals) -> Tensor:
        """`Denoiser.forward_windows`, with no more halo for each block than the blocks after it need."""
        seen, residual_base = self._seen(x, rows, columns), gather_windows(x, rows, columns)
        *tail, last = self.tail
        assert isinstance(last, nn.Conv2d)
        if not all(uses_line_buffer(each) for each in seen):
            return output_convolution(last, run_sequential(tail, torch.cat(seen, dim=1)), residual_base)
        result = torch.empty_like(residual_base, memory_format=torch.channels_last)

        def finish(y: Tensor, rows: slice) -> None:
            result[..., rows, :] = output_convolution(last, y, residual_base[..., rows, :])

        run_line_buffer(seen, buffered_layers(tail), finish)
        return result

    def _seen(self, x: Tensor, rows: Intervals, columns: Intervals) -> list[Tensor]:
        """The branches' results in the windows, (B, F, rows, columns) each."""
        # The head is computed again for each branch, which is cheap. Kept, it would be one of five maps at the peak of
        # memory.
        again = can_fuse(x)
        features, before = (x, self.head) if again else (run_sequential(self.head, x), [])
        return [
            self.get_submodule(name)(features, ShrinkingHalo((x.shape[-2], x.shape[-1]), rows, columns), before)
            for name in self.branches
        ]

    @torch.no_grad()
    def initialize_he(self) -> None:
        """He-normal weights, zero biases; zeros for the last layer of each residual module, and half weights for the
        network's last layer.

        PyTorch's default, which the published code keeps, shrinks the signal from layer to layer. The network then
        begins as nearly constant black and spends its first minutes on finding the brightness. The residual modules
        begin as the identity. Otherwise that search would permanently close their ReLUs.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for module in self.modules():
            if isinstance(module, ResidualModule):
                module.body[2].weight.zero_()  # type: ignore[operator]
        self.tail[-1].weight.mul_(0.5)  # type: ignore[operator]

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `head.0.weight` (F, C, 1, 1), the masked kernels (2d − 1) and the number of residual modules."""
        head = weights.get("head.0.weight")
        masked = [weights[key] for number in range(1, 10) if (key := f"branch{number}.body.0.weight") in weights]
        modules = sum(bool(re.fullmatch(r"branch1\.body\.\d+\.body\.0\.weight", key)) for key in weights)
        if head is None or not masked or any(".conv3." in key for key in weights):
            return None
        return {
            "channels": head.shape[1],
            "features": head.shape[0],
            "modules": modules,
            "strides": [(kernel.shape[-1] + 1) // 2 for kernel in masked],
        }


class DenseDBSN(DBSN):
    """D-BSN with ordinary 3×3 convolutions in place of the dilated ones. It is *not* blind and can learn the identity.

    Table 3 of the AMSNet paper calls it D_AS and shows with it which schemes need a blind network. It has the
    parameters of `DBSN`.

    >>> DenseDBSN(features=4, modules=1)(torch.zeros(1, 3, 9, 10)).shape
    torch.Size([1, 3, 9, 10])
    """

    blindness = "none"

    @staticmethod
    def _dilation(stride: int) -> int:
        return 1

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Always None: its state dict looks like that of D-BSN, which is what published files hold."""
        return None
