"""Noise2Void and N2V2: single pixels are replaced by others of their surroundings, and the network predicts them.

Krull, Buchholz and Jug, "Noise2Void - Learning Denoising from Single Noisy Images", CVPR 2019; Höck, Buchholz, Brachmann,
Jug and Freytag, "N2V2 - Fixing Noise2Void Checkerboard Artifacts with Modified Sampling Strategies and a Tweaked Network
Architecture", ECCV Workshops 2022, which replaces by the median. At inference the network sees the noisy picture itself.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unnoise.rng import integers
from unnoise.schemes.base import Network
from unnoise.schemes.single_pass import SinglePass

Replacement = Literal["uniform", "median", "mean"]


class Noise2Void(SinglePass):
    """Trains on single replaced pixels; restores a picture by one call. Any network will do.

    All channels of a pixel are replaced together, as noise is often alike in them. The published code replaces each
    channel by itself.

    Example:
        >>> Noise2Void().loss(lambda x: x, torch.ones(2, 1, 16, 16), torch.Generator())
        tensor(0.)
    """

    name: Literal["noise2void"] = "noise2void"
    share: Annotated[float, Field(gt=0, le=0.25)] = 64 / 64**2
    """Share of replaced pixels: 64 of a crop of 64×64 in the paper, 0.00198 in later code."""
    window: Annotated[int, Field(ge=3, le=63)] = 11
    """Side of the surroundings, an odd number of pixels."""
    replaced_by: Replacement = "uniform"
    """*uniform*: a random pixel of the surroundings. *median*, *mean*: of all of them but the pixel itself."""
    with_center: bool = False
    """Whether *uniform* may draw the pixel itself, as the paper does. Then a small share of the pixels stays visible."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The mean squared error at the replaced pixels. Without a generator they are those of seed 0."""
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        places = stratified_places(len(noisy), noisy.shape[-2], noisy.shape[-1], self.share, draws)
        values = self._values(noisy, places, draws)  # (N, C)
        batch, row, column = places.to(noisy.device).unbind(1)
        seen = noisy.clone()
        seen[batch, :, row, column] = values
        return (network(seen) - noisy)[batch, :, row, column].square().mean()

    def _values(self, noisy: Tensor, places: Tensor, draws: torch.Generator) -> Tensor:
        """What the pixels are replaced by, (N, C)."""
        batch = places[:, 0].to(noisy.device)
        if self.replaced_by == "uniform":
            other = _draw_other(places, noisy.shape[-2:], self.window // 2, self.with_center, draws).to(noisy.device)
            return noisy[batch, :, other[:, 0], other[:, 1]]
        around = _surroundings(noisy, places, self.window // 2)  # (N, window² − 1, C), NaN outside of the picture
        if self.replaced_by == "mean":
            return around.nanmean(1)
        ordered = around.sort(dim=1).values  # NaN come last
        count = around.isfinite().sum(1, keepdim=True)  # (N, 1, C)
        return (ordered.gather(1, (count - 1) // 2) + ordered.gather(1, count // 2))[:, 0] / 2


def stratified_places(batch: int, height: int, width: int, share: float, generator: torch.Generator) -> Tensor:
    """One random pixel in each square box of 1/share pixels: (N, 3), the number of the image, the row, the column.

    Boxes that the edge cuts hold a pixel only with the probability that their part has of the box.

    Example:
        >>> stratified_places(1, 8, 8, 1 / 16, torch.Generator()).shape
        torch.Size([4, 3])
    """
    side = max(2, round(share**-0.5))
    shape = batch, -(-height // side), -(-width // side)
    image, top, left = torch.meshgrid(*map(torch.arange, shape), indexing="ij")
    row = top * side + integers(side, shape, generator)
    column = left * side + integers(side, shape, generator)
    places = torch.stack([image, row, column], dim=-1).reshape(-1, 3)
    return places[(places[:, 1] < height) & (places[:, 2] < width)]


def _draw_other(places: Tensor, size: tuple[int, ...], radius: int, with_center: bool, draws: torch.Generator) -> Tensor:
    """A random row and column in the window around each place, as far as it lies in the picture, (N, 2)."""
    center = places[:, 1:]
    low = (center - radius).clamp(min=0)
    sides = torch.minimum(center + radius, torch.tensor(size) - 1) - low + 1  # (N, 2)
    own = (center[:, 0] - low[:, 0]) * sides[:, 1] + center[:, 1] - low[:, 1]
    count = sides.prod(1) - (0 if with_center else 1)
    drawn = (torch.rand(len(places), generator=draws, dtype=torch.float64) * count).long()
    if not with_center:
        drawn = drawn + (drawn >= own)  # leave the place itself out
    return low + torch.stack([drawn // sides[:, 1], drawn % sides[:, 1]], dim=1)


def _surroundings(noisy: Tensor, places: Tensor, radius: int) -> Tensor:
    """The pixels of the window around each place without itself, (N, window² − 1, C); NaN outside of the picture."""
    steps = torch.arange(-radius, radius + 1)
    offsets = torch.cartesian_prod(steps, steps)
    offsets = offsets[(offsets != 0).any(1)]
    at = places[:, None, 1:] + offsets  # (N, window² − 1, 2)
    size = torch.tensor(noisy.shape[-2:])
    outside = ((at < 0) | (at >= size)).any(2).to(noisy.device)
    at = torch.minimum(at.clamp(min=0), size - 1).to(noisy.device)
    values = noisy.permute(0, 2, 3, 1)[places[:, 0, None].to(noisy.device), at[..., 0], at[..., 1]]
    return values.float().masked_fill(outside[..., None], float("nan"))
