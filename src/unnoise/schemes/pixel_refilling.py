"""Pixel-Refilling: hidden values are filled from similar places of the picture, far away and at half the size.

Guo, Zhang, Ma and Ji, "Zero-Shot Blind-Spot Image Denoising via Cross-Scale Non-Local Pixel Refilling", NeurIPS 2025. Each
patch is replaced by the most similar one of the picture made smaller. What is far away is alike in content and not in
noise, so more values can be hidden.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network
from unnoise.schemes.masked_average import MaskedAverage
from unnoise.schemes.multi_mask import generator_or_default

CHUNK_VALUES = 2**24
"""Distances between patches that are held at once."""


class PixelRefilling(MaskedAverage):
    """The absolute error at the filled values, on components of PD, and that PD should make no difference.

    Example:
        >>> PixelRefilling().loss(lambda x: x, torch.zeros(1, 3, 32, 32))
        tensor(0.)
    """

    is_local: ClassVar[bool] = False
    name: Literal["pixel-refilling"] = "pixel-refilling"
    visible: Annotated[float, Field(gt=0, lt=1)] = 0.3
    stride: Annotated[int, Field(ge=1, le=8)] = 2
    """Of PD, in training and at inference; 1 for noise that is independent."""
    consistency: Annotated[float, Field(ge=0)] = 0.2
    """The paper's λ, of the difference between the pass with PD and that without."""
    patch: Annotated[int, Field(ge=4, le=32)] = 8
    """Side of the patches that are compared, a multiple of four."""

    @property
    def tile_alignment(self) -> int:
        return self.stride

    def restore_radius(self, network_radius: int) -> int:
        return network_radius * self.stride

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean |(1 − m)(f(PD(ŷ)) − y)| + λ mean |(1 − m)(f(PD(ŷ)) − f(ŷ))|, the paper's Eqs. 10 to 12."""
        visible = self.mask(noisy, generator_or_default(generator))
        filled = self._filled(noisy, visible)
        predicted, hidden = self._by_components(network, filled), 1 - visible
        loss = ((predicted - noisy) * hidden).abs().mean()
        if self.consistency:
            loss = loss + self.consistency * ((predicted - network(filled)) * hidden).abs().mean()
        return loss

    def predict(self, network: Network, noisy: Tensor, generator: RandomSource) -> Tensor:
        return self._by_components(network, self._filled(noisy, self.mask(noisy, generator)))

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The mean of `predictions` passes; the auxiliary picture is made once."""
        draws, other = generator_or_default(generator), auxiliary_picture(noisy, self.patch)
        total = torch.zeros_like(noisy)
        for _ in range(self.predictions):
            visible = self.mask(noisy, draws)
            total += self._by_components(network, noisy * visible + other * (1 - visible))
        return total / self.predictions

    def _filled(self, noisy: Tensor, visible: Tensor) -> Tensor:
        filled = noisy * visible + auxiliary_picture(noisy, self.patch) * (1 - visible)
        return filled.contiguous(memory_format=torch.channels_last)

    def _by_components(self, network: Network, x: Tensor) -> Tensor:
        if self.stride == 1:
            return network(x)
        parts = split_batch(x, self.stride).contiguous(memory_format=torch.channels_last)
        return merge_batch(network(parts), self.stride, (x.shape[-2], x.shape[-1]))


def auxiliary_picture(noisy: Tensor, patch: int = 8) -> Tensor:
    """Each patch replaced by the most similar one of the picture at half the size, averaged where patches overlap.

    Args:
        noisy: (B, C, H, W).
        patch: side of the patches in pixels; they begin at every fourth part of it.

    Returns:
        (B, C, H, W). A picture too small for one patch at half the size stays as it is.

    Example:
        >>> auxiliary_picture(torch.full((1, 3, 20, 21), 0.5)).unique()
        tensor([0.5000])
    """
    height, width = noisy.shape[-2:]
    if min(height, width) < 2 * patch:
        return noisy.clone()
    step = max(1, patch // 4)
    # the last patch ends at the edge
    rows, columns = (-(length - patch) % step for length in (height, width))
    whole = F.pad(noisy, (0, columns, 0, rows), mode="replicate")
    size = whole.shape[-2], whole.shape[-1]
    with torch.no_grad():
        near = F.unfold(whole, patch, stride=step)  # (B, C·patch², N)
        far = F.unfold(F.avg_pool2d(noisy, 2), patch, stride=step)  # (B, C·patch², M)
        chosen = torch.cat([_nearest(one, other)[None] for one, other in zip(near, far, strict=True)])
        taken = far.gather(2, chosen[:, None].expand(-1, far.shape[1], -1))
        total = F.fold(taken, size, patch, stride=step)
        count = F.fold(torch.ones_like(taken[:1, : patch**2]), size, patch, stride=step)
    return (total / count)[..., :height, :width].to(noisy.dtype)


def _nearest(near: Tensor, far: Tensor) -> Tensor:
    """For each column of `near`, (D, N), the number of the nearest one of `far`, (D, M): (N)."""
    squares = far.square().sum(0) / 2
    group = max(1, CHUNK_VALUES // far.shape[1])
    return torch.cat([(squares - some.T @ far).argmin(1) for some in torch.split(near, group, dim=1)])
