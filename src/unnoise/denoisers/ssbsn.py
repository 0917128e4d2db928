"""SS-BSN: D-BSN with larger blocks, the last of which attend to all pixels of the same polyphase component.

Han and Yu, "SS-BSN: Attentive Blind-Spot Network for Self-Supervised Denoising with Nonlocal Self-Similarity", IJCAI
2023.

How blind it is: convolutions and attention connect only pixels that lie multiples of d apart, as in D-BSN. The
exception is the layer normalization before attention. Its mean and variance are of the *whole* feature map, and so of
features that saw the pixel. With these two numbers fixed, the gradient of an output pixel with respect to the input
pixel at its place is exactly zero (float64). Otherwise it is about 1e-7 of the largest gradient on 30×30 pixels, and
1e-8 on 60×60. It falls further with more pixels. With m = 0 there is no such norm, and the network is strictly blind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from unnoise.denoisers.base import Blindness
from unnoise.denoisers.dbsn import DBSN, Branch
from unnoise.denoisers.ssattention import Attention, DilatedBlock, SSBlock
from unnoise.denoisers.ssbsn_maps import plot_similarity, similarity_map

__all__ = ["SSBSN", "plot_similarity", "similarity_map"]


class SSBSN(DBSN):
    """SS-BSN, (B, channels, H, W) → the same shape, values in [0, 255]. 6,410,947 parameters at full size.

    Approximately blind to each pixel itself, and strictly blind for m = 0; see the top of this file.

    Args:
        channels: of the image.
        features: width of every layer (128 in the paper).
        modules: blocks in each branch (9 in the paper).
        attention_modules: m, how many of these, the last ones, are SS-Blocks, from 0 to `modules` (3 in the paper).
        gamma: γ; attention connects the pixels that lie multiples of γ·d apart (2 in the paper).
        strides: one branch for each d, with a (2d − 1)×(2d − 1) masked convolution and dilation d ((2, 3) in the
            paper).
        attention: *exact* as published, *linear* to first order, or *auto*; see `SSBlock`.

    Raises:
        ValueError: for sizes out of range.

    Example:
        >>> SSBSN(features=8, modules=2, attention_modules=1)(torch.rand(1, 3, 12, 12) * 255).shape
        torch.Size([1, 3, 12, 12])
    """

    blindness: ClassVar[Blindness] = "approximate"

    def __init__(
        self,
        channels: int = 3,
        features: int = 128,
        modules: int = 9,
        attention_modules: int = 3,
        gamma: int = 2,
        strides: Sequence[int] = (2, 3),
        attention: Attention = "auto",
    ) -> None:
        if not 0 <= attention_modules <= modules:
            raise ValueError(f"attention_modules must lie in 0 to modules = {modules}, got {attention_modules}.")
        if gamma < 1:
            raise ValueError(f"gamma must be at least 1, got {gamma}.")
        if attention not in get_args(Attention):
            raise ValueError(f"attention must be one of {', '.join(get_args(Attention))}; got '{attention}'.")
        super().__init__(channels, features, 0, strides)
        if not attention_modules:
            self.blindness = "strict"  # type: ignore[misc]  # of this network, not of its class
        self.sizes |= {"modules": modules, "attention_modules": attention_modules, "gamma": gamma, "attention": attention}
        for name, stride in zip(self.branches, strides, strict=True):
            branch = self.get_submodule(name)
            assert isinstance(branch, Branch)
            for number in range(modules):
                plain = number < modules - attention_modules
                block = DilatedBlock(features, stride) if plain else SSBlock(features, stride, gamma, attention)
                branch.body.insert(len(branch.body) - 2, block)  # before the last convolution and its ReLU

    @property
    def receptive_field_radius(self) -> int | None:
        """None where there is attention; otherwise two steps of d for each block."""
        if self.sizes["attention_modules"]:
            return None
        return int(max(stride - 1 + 2 * self.sizes["modules"] * stride for stride in self.sizes["strides"]))

    @torch.no_grad()
    def initialize_he(self) -> None:
        """As in `DBSN`, with zeros for each block's last convolution."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, DilatedBlock):
                module.conv3.weight.zero_()

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """As in `DBSN`, from the blocks' own names `conv3` and `wqk`. No weight tells γ or the form of attention."""
        head = weights.get("head.0.weight")
        masked = [weights[key] for number in range(1, 10) if (key := f"branch{number}.body.0.weight") in weights]
        blocks, attentive = (
            sum(bool(re.fullmatch(rf"branch1\.body\.\d+\.{name}", key)) for key in weights) for name in ("conv3.weight", "wqk")
        )
        if head is None or not masked or not blocks:
            return None
        return {
            "channels": head.shape[1],
            "features": head.shape[0],
            "modules": blocks,
            "attention_modules": attentive,
            "strides": [(kernel.shape[-1] + 1) // 2 for kernel in masked],
        }
