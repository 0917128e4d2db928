"""D-BSN, the dilated blind-spot network of AP-BSN, and its dense twin that is not blind.

Wu et al., "Unpaired Learning of Deep Image Denoising", ECCV 2020, in the lighter form of Lee et al., "AP-BSN: Self-Supervised
Denoising for Real-World Images via Asymmetric PD and Blind-Spot Network", CVPR 2022.

Why it is blind: each branch begins with a convolution whose centre weight is zero and whose reach is d − 1, and every later 3×3
convolution steps by d. From d − 1 pixels at most, steps of d lead back to the centre only from distance 0, which was left out.
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
from unnoise.layers.fused_convolution import can_fuse, convolve, in_sequence
from unnoise.layers.output_layer import last_layer
from unnoise.layers.partial.halo_crop import everywhere
from unnoise.layers.partial.line_buffer import is_streamed, leads_to_a_stream, stages, stream, streamed, streamed_onto
from unnoise.layers.partial.narrowing import Narrowing, Stretches, put_together
from unnoise.regions import Region


class CentreMaskedConv2d(nn.Conv2d):
    """A k×k convolution, (B, C, H, W) → (B, C', H, W), whose centre weight takes no part: the blind spot."""

    mask: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        mask = torch.ones(1, 1, kernel_size, kernel_size)
        mask[..., kernel_size // 2, kernel_size // 2] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight * self.mask, self.bias, padding=self.padding)


class Block(nn.Module):
    """One of the layers that a branch repeats, (B, F, H, W) → (B, F, H, W). It is added to its input: in the input's own memory, where
    a call says `own=True`.

    Attributes:
        sees: how many pixels away its convolutions look, in rows or columns.
        grid: if it looks farther, then only at pixels that lie multiples of this apart.
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

    def forward(self, x: Tensor, *, own: bool = False) -> Tensor:
        first, _, second = self.body
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        if own and is_streamed(x):
            return streamed_onto(x, list(self.body)[:2], second, x)
        return convolve(second, convolve(first, x, "relu"), plus=x, own=own)


class Branch(nn.Module):
    """One branch, (B, F, H, W) → (B, F, h, w): masked convolution of reach d − 1, then modules that step by `dilation`."""

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

    def forward(self, x: Tensor, narrowing: Narrowing, before: Sequence[nn.Module] = ()) -> Tensor:
        """The branch of `before`(x), (B, F, H, W), at what is region alone, (B, F, h, w); no block works further around that than those
        after it see."""
        start = list(takewhile(lambda layer: not isinstance(layer, Block), self.body))
        blocks = [layer for layer in self.body if isinstance(layer, Block)]
        streams = leads_to_a_stream(x, self.features)
        x = (streamed if streams else in_sequence)([*before, *start], x)
        to_come = sum(block.sees for block in blocks)
        for block in blocks:
            x = block(narrowing.to(x, to_come, block.grid), own=True)
            to_come -= block.sees
        x, rest = narrowing.to(x, 0), list(self.body)[len(start) + len(blocks) :]
        return streamed(rest, x, x) if is_streamed(x) else in_sequence(rest, x)


class DBSN(Denoiser):
    """D-BSN, (B, channels, H, W) → the same shape, values in [0, 255], strictly blind to each pixel itself.

    Args:
        channels: of the image.
        features: width of every layer (128 in the paper).
        modules: residual modules in each branch (9 in the paper).
        strides: one branch for each d, with a (2d − 1)×(2d − 1) masked convolution and dilation d ((2, 3) in the paper).
    """

    value_range = (0.0, 255.0)
    blindness: ClassVar[Blindness] = "strict"
    halo_relative_cost = 0.58  # of the masked convolutions all, of the last blocks nothing

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
        self.tail = nn.Sequential(
            nn.Conv2d(features * len(strides), features, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features, features // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features // 2, features // 2, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(features // 2, channels, 1),
        )

    @staticmethod
    def _dilation(stride: int) -> int:
        return stride

    @property
    def receptive_field_radius(self) -> int | None:
        """Masked convolution, then one step of d for each module; the widest branch counts."""
        return max(stride - 1 + self.sizes["modules"] * self._dilation(stride) for stride in self.sizes["strides"])

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_region(x, everywhere(x))

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        return self.forward_windows(x, [region[0]], [region[1]])

    def forward_windows(self, x: Tensor, rows: Stretches, columns: Stretches) -> Tensor:
        """`Denoiser.forward_windows`: no block works further around what is region than those after it see."""
        seen, near = self._seen(x, rows, columns), put_together(x, rows, columns)
        *tail, last = self.tail
        assert isinstance(last, nn.Conv2d)
        if not all(is_streamed(each) for each in seen):
            return last_layer(last, in_sequence(tail, torch.cat(seen, dim=1)), near)
        result = torch.empty_like(near, memory_format=torch.channels_last)

        def finish(y: Tensor, rows: slice) -> None:
            result[..., rows, :] = last_layer(last, y, near[..., rows, :])

        stream(seen, stages(tail), finish)
        return result

    def _seen(self, x: Tensor, rows: Stretches, columns: Stretches) -> list[Tensor]:
        """What the branches see there, (B, F, rows, columns) each."""
        # The head anew for each branch, which costs next to nothing: kept, it would be one of five maps at the peak of memory.
        again = can_fuse(x)
        features, before = (x, self.head) if again else (in_sequence(self.head, x), [])
        return [
            self.get_submodule(name)(features, Narrowing((x.shape[-2], x.shape[-1]), rows, columns), before)
            for name in self.branches
        ]

    @torch.no_grad()
    def initialize_he(self) -> None:
        """He-normal weights, zero biases; nothing for each residual module's last layer, half for the network's own.

        PyTorch's own draw, which the published code keeps, shrinks the signal from layer to layer, so that the network begins as a
        nearly constant black and takes its first minutes to find the brightness of its input. The residual modules begin as the
        identity, or that search would shut their ReLUs for good.
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
    """D-BSN with ordinary 3×3 convolutions in place of the dilated ones: *not* blind, it can learn the identity.

    The denoiser D_AS of Table 3 of the AMSNet paper, there to show which schemes need a blind network. Same parameters as `DBSN`.
    """

    blindness = "none"

    @staticmethod
    def _dilation(stride: int) -> int:
        return 1

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Always None: its state dict cannot be told from D-BSN's, which is what published files hold."""
        return None
