"""PUCA: a U-Net of NAFNet's blocks that is blind to each pixel, by patch-unshuffle and dilated convolutions.

Jang et al., "PUCA: Patch-Unshuffle and Channel Attention for Enhanced Self-Supervised Image Denoising", NeurIPS 2023.

Why it is blind in space: the first convolution, of radius d − 1, leaves out the pixel itself. Later convolutions step by
d, and patch-unshuffle keeps every pixel's remainder by d. So only distances that d divides lead back, and of those the
first convolution sees none. The channel attention averages over the whole image. Through it the pixel is seen a little.

What is linear is computed at once: the first four layers are one convolution, the last five one 1×1 convolution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Blindness, Denoiser
from unnoise.denoisers.dbsn import CentreMaskedConv2d
from unnoise.denoisers.nafnet import NAFBlock
from unnoise.denoisers.staged_network import Stage
from unnoise.layers.fused_convolution import can_fuse, compute_dtype, convolve, convolve_with_weights
from unnoise.layers.patch_shuffle import patch_shuffle, patch_unshuffle
from unnoise.layers.polyphase import merge_mosaic, pad_to_multiple, split_mosaic
from unnoise.layers.weight_cache import Weights, prepare_weights

STAGES: tuple[Stage, ...] = ("train", "restore", "refine")


class PUCA(Denoiser):
    """PUCA, (B, channels, H, W) → the same shape, values in [0, 255]. 12,783,491 parameters at its defaults.

    Blind to each pixel but for the image-wide means of its channel attention. It does PD on its features: a call names
    its `stage`. Sides that do not fit are padded with zero features, and the result is cropped.

    Args:
        channels: of the image.
        width: channels of the first level, even; each level below is twice as wide.
        encoder_blocks, decoder_blocks: blocks at each level, from the image down and back up.
        middle_blocks: blocks at the lowest level.
        dilation: d, of the convolutions, and side of the patches.
        strides: of PD in training, at inference and in refinement.

    Raises:
        ValueError: for sizes that do not fit each other.

    Example:
        >>> network = PUCA(width=4, encoder_blocks=[1], middle_blocks=1, decoder_blocks=[1])
        >>> network(torch.rand(1, 3, 9, 7) * 255, stage="train").shape
        torch.Size([1, 3, 9, 7])
    """

    value_range = (0.0, 255.0)
    blindness: ClassVar[Blindness] = "approximate"
    has_stages: ClassVar[bool] = True
    padding_mode = "zeros"
    he_gain = 1.0

    def __init__(
        self,
        channels: int = 3,
        width: int = 128,
        encoder_blocks: Sequence[int] = (3, 4),
        middle_blocks: int = 4,
        decoder_blocks: Sequence[int] = (4, 3),
        dilation: int = 2,
        strides: Sequence[int] = (4, 2, 1),
    ) -> None:
        super().__init__()
        if len(encoder_blocks) != len(decoder_blocks):
            raise ValueError(
                f"encoder_blocks and decoder_blocks must be equally long, got {encoder_blocks} and {decoder_blocks}."
            )
        if width % 2 or dilation < 2 or len(strides) != 3:
            raise ValueError(
                f"width must be even, dilation at least 2, and strides three; got {width}, {dilation} and {strides}."
            )
        self._coarse = dilation ** (len(encoder_blocks) + 1)
        if any(stride > 1 and 2 * dilation * stride % self._coarse for stride in strides) or 4 * dilation % self._coarse:
            raise ValueError(
                f"Borders of {dilation} pixels do not fit {len(encoder_blocks)} levels at strides {tuple(strides)}; "
                f"{self._coarse} must divide 2·dilation·stride, and 4·dilation."
            )
        self.sizes = {
            "channels": channels, "width": width, "encoder_blocks": list(encoder_blocks), "middle_blocks": middle_blocks,
            "decoder_blocks": list(decoder_blocks), "dilation": dilation, "strides": list(strides),
        }  # fmt: skip

        def blocks(number: int, level: int) -> nn.Sequential:
            wide = width << level
            layers = [NAFBlock(wide, 2 * wide, 2 * wide, dilation) for _ in range(number)]
            for layer in layers:  # the published start, unlike NAFNet's
                nn.init.ones_(layer.beta)
                nn.init.ones_(layer.gamma)
            return nn.Sequential(*layers)

        levels = len(encoder_blocks)
        self.intro = nn.Conv2d(channels, width, 1)
        self.masked_conv = nn.Sequential(
            CentreMaskedConv2d(width, width, 2 * dilation - 1), nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        )
        self.encoders = nn.ModuleList(blocks(number, level) for level, number in enumerate(encoder_blocks))
        scale = dilation**2
        self.downs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width << level, (width << level) * 2 // scale, 1)) for level in range(levels)
        )
        self.middle_blks = blocks(middle_blocks, levels)
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width << level, (width << level) * scale // 2, 1)) for level in range(levels, 0, -1)
        )
        self.decoders = nn.ModuleList(blocks(number, levels - 1 - place) for place, number in enumerate(decoder_blocks))
        self.final = nn.Conv2d(width, width, 1)
        half = width // 2
        self.tail = nn.Sequential(
            nn.Conv2d(width, width, 1), nn.Conv2d(width, half, 1), nn.Conv2d(half, half, 1), nn.Conv2d(half, channels, 1)
        )

    @property
    def size_multiple(self) -> int:  # type: ignore[override] # depends on the depth
        """Such sides need no padding, and tiles that begin at its multiples are split like the picture."""
        return self._coarse * max(1, max(self.sizes["strides"]) // self._coarse)

    def forward(self, x: Tensor, stage: Stage = "restore") -> Tensor:
        """One stage: PD with the stage's stride, the trunk, and PD undone. Stride 1 takes a reflected border in its
        place.

        Args:
            x: (B, channels, H, W) in `value_range`.
            stage: whose stride to take.
        """
        stride, border = self.sizes["strides"][STAGES.index(stage)], self.sizes["dilation"]
        height, width = x.shape[-2:]
        # The border around a component is of zero features, not of zero pixels, so a channel of ones marks the picture.
        x = pad_to_multiple(torch.cat([x, torch.ones_like(x[:, :1])], dim=1), self.size_multiple)
        if stride > 1:
            restored = self._on_grid(split_mosaic(x, stride, border))
            return merge_mosaic(restored, stride, border, size=(height, width))
        around = 2 * border
        restored = self._on_grid(F.pad(x, (around,) * 4, mode="reflect"))
        return restored[..., around : around + height, around : around + width]

    def _on_grid(self, x: Tensor) -> Tensor:
        """The trunk, (B, channels + 1, h, w) → (B, channels, h, w), for sides that divide by its coarsest pixel."""
        side, skips = self.sizes["dilation"], []
        x = self._first(x)
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = patch_unshuffle(convolve(down[0], x), side)  # type: ignore[index]
        x = self.middle_blks(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(patch_shuffle(convolve(up[0], x), side) + skips.pop())  # type: ignore[index]
        return self._last(x)

    def _first(self, x: Tensor) -> Tensor:
        """intro and masked_conv as one convolution of the image and its ones."""
        around = self.sizes["dilation"] - 1

        def make() -> Weights:
            masked = self.masked_conv[0]
            into = torch.cat([self.intro.weight.flatten(1), self.intro.bias[:, None]], dim=1)  # type: ignore[index]
            weight = torch.einsum("ofij,fc->ocij", masked.weight * masked.mask, into)  # type: ignore[operator]
            mixing, shift = _composed(list(self.masked_conv)[1:])
            bias = shift + mixing @ masked.bias  # type: ignore[operator]
            return torch.einsum("po,ocij->pcij", mixing, weight), bias

        if can_fuse(x):
            weights = prepare_weights(self.intro, "first", compute_dtype(x), make)
            return convolve_with_weights(x, *weights, padding=(around, around))
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = make()
        return F.conv2d(x, weight, bias, padding=around)

    def _last(self, x: Tensor) -> Tensor:
        """final and tail as one 1×1 convolution, in the precision of the weights also under autocast."""
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = _composed([self.final, *self.tail])
            return F.conv2d(x.to(weight.dtype), weight[..., None, None], bias)

    def initialize_he(self) -> None:
        """Normal weights that keep the signal's size, and each block begins as the identity."""
        super().initialize_he()
        for module in self.modules():
            if isinstance(module, NAFBlock):
                nn.init.zeros_(module.beta)
                nn.init.zeros_(module.gamma)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `intro.weight` (width, C, 1, 1), the masked kernel (2d − 1) and the keys of the blocks. No weight
        tells the strides."""
        first, masked = weights.get("intro.weight"), weights.get("masked_conv.0.weight")
        if first is None or masked is None or "downs.0.0.weight" not in weights:
            return None
        levels = range(sum(bool(re.fullmatch(r"downs\.\d+\.0\.weight", key)) for key in weights))

        def blocks(part: str) -> int:
            return sum(bool(re.fullmatch(re.escape(part) + r"\.\d+\.beta", key)) for key in weights)

        return {
            "channels": first.shape[1],
            "width": first.shape[0],
            "encoder_blocks": [blocks(f"encoders.{level}") for level in levels],
            "middle_blocks": blocks("middle_blks"),
            "decoder_blocks": [blocks(f"decoders.{level}") for level in levels],
            "dilation": (masked.shape[-1] + 1) // 2,
        }


def _composed(layers: Sequence[nn.Module]) -> tuple[Tensor, Tensor]:
    """1×1 convolutions one after the other as one: its weight (C', C) and bias (C')."""
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    weight, bias = convolutions[0].weight.flatten(1), convolutions[0].bias
    assert bias is not None
    for layer in convolutions[1:]:
        assert layer.bias is not None
        matrix = layer.weight.flatten(1)
        weight, bias = matrix @ weight, matrix @ bias + layer.bias
    return weight, bias
