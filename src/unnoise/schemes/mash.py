"""MASH: masks as strong as the noise is correlated, and targets that are shuffled where the picture is flat.

Chihaoui and Favaro, "Masked and Shuffled Blind Spot Denoising for Real-World Images", CVPR 2024. A network learns from one
picture. With independent noise many visible neighbours are best. With correlated noise they tell the hidden pixel's
noise, so most must be hidden. Two short trainings with few and with many hidden values differ the more, the more the noise
is correlated.
"""

from __future__ import annotations

import copy
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.layers.polyphase import pad_to_multiple
from unnoise.rng import RandomSource
from unnoise.schemes.base import Network
from unnoise.schemes.masked_average import MaskedAverage
from unnoise.schemes.multi_mask import generator_or_default

PROBED_SHARES = 0.8, 0.2
"""Visible shares of the two trainings that tell the correlation."""
LOW_STEPS, HIGH_STEPS = 1.0, 2.0
"""Differences in steps of 255: below the first the noise counts as independent, above the second as correlated."""
VISIBLE = {"low": 0.9, "medium": 0.5, "high": 0.1}
"""The paper's visible shares for noise of little, some and much correlation."""
DEVIATION_PIXELS = 2
"""Side of the blocks in which the deviation is taken that tells flat from textured."""


class MASH(MaskedAverage):
    """The absolute error at the hidden values, against the picture or against one that is shuffled within flat tiles.

    Example:
        >>> MASH().loss(lambda x: x, torch.zeros(1, 3, 16, 16))
        tensor(0.)
    """

    changes_over_run: ClassVar[bool] = True
    name: Literal["mash"] = "mash"
    visible: Annotated[float, Field(gt=0, lt=1)] = VISIBLE["high"]
    shuffle: bool = True
    """Whether the targets are shuffled within flat tiles; for correlated noise."""
    shuffle_from: Annotated[float, Field(ge=0, le=1)] = 0.0625
    """Share of the run after which they are; 50 of 800 steps in the paper."""
    tile: Annotated[int, Field(ge=2, le=32)] = 4
    """Side of the tiles in pixels; each is shuffled by itself, with all channels alike."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the picture's largest local deviation from which a tile counts as textured, and is not shuffled."""

    def loss(self, network: Network, noisy: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """mean |(1 − m) ⊙ (f(m ⊙ y) − z)|, where z is the picture, or the shuffled one.

        The paper shuffles once; here each step has its own order, and its own estimate of what is flat.
        """
        draws = generator_or_default(generator)
        assert isinstance(draws, torch.Generator)
        target = noisy
        if self.shuffle and self._share >= self.shuffle_from:
            with torch.no_grad():
                flat = flat_tiles(self.predict(network, noisy, draws), self.tile, self.threshold)
            target = shuffled(noisy, flat, self.tile, draws)
        visible = self.mask(noisy, draws)
        seen = (noisy * visible).contiguous(memory_format=torch.channels_last)
        return ((network(seen) - target) * (1 - visible)).abs().mean()

    def predict(self, network: Network, noisy: Tensor, generator: RandomSource) -> Tensor:
        return network(noisy * self.mask(noisy, generator))


def flat_tiles(estimate: Tensor, tile: int, threshold: float) -> Tensor:
    """Which tiles are flat: (B, C, H, W) → (B, 1, ⌈H / tile⌉, ⌈W / tile⌉), True where no block deviates much.

    Args:
        estimate: nearly free of noise, in any range.
        tile: side of the tiles in pixels, which 2 divides.
        threshold: see `MASH.threshold`.

    Example:
        >>> picture = torch.zeros(1, 1, 4, 8)
        >>> picture[..., 0, 0] = 1
        >>> flat_tiles(picture, 4, 0.5).tolist()
        [[[[False, True]]]]
    """
    grey = estimate.mean(1, keepdim=True)
    grey = F.pad(grey, (0, -grey.shape[-1] % tile, 0, -grey.shape[-2] % tile), mode="replicate")
    mean, square = (F.avg_pool2d(values, DEVIATION_PIXELS) for values in (grey, grey.square()))
    deviation = (square - mean.square()).clamp_min(0).sqrt()  # (B, 1, H / 2, W / 2)
    largest = deviation.amax((2, 3), keepdim=True)
    return F.max_pool2d(deviation, tile // DEVIATION_PIXELS) < threshold * largest.clamp_min(1e-12)


def shuffled(images: Tensor, flat: Tensor, tile: int, generator: torch.Generator) -> Tensor:
    """The images with the pixels of each flat tile in another order: (B, C, H, W) → the same shape.

    Tiles that the edge cuts stay as they are.

    Args:
        images: (B, C, H, W).
        flat: see `flat_tiles`.
        tile: side in pixels.
        generator: of the orders.

    Example:
        >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
        >>> mixed = shuffled(x, torch.ones(1, 1, 1, 1, dtype=torch.bool), 4, torch.Generator().manual_seed(0))
        >>> torch.equal(mixed, x), torch.equal(mixed.flatten().sort().values, x.flatten())
        (False, True)
    """
    batch, channels, height, width = images.shape
    whole = pad_to_multiple(images, tile)
    rows, columns = whole.shape[-2] // tile, whole.shape[-1] // tile
    tiles = whole.reshape(batch, channels, rows, tile, columns, tile).transpose(3, 4).flatten(4)  # (B, C, rows, columns, t²)
    order = torch.rand(batch, 1, rows, columns, tile**2, generator=generator).argsort(-1).to(images.device)
    moved = tiles.gather(-1, order.expand_as(tiles))
    inside = torch.zeros_like(flat)
    inside[..., : height // tile, : width // tile] = True
    mixed = torch.where((flat & inside)[..., None], moved, tiles)
    mixed = mixed.reshape(*mixed.shape[:-1], tile, tile).transpose(3, 4).reshape(whole.shape)
    return mixed[..., :height, :width]


def probe(network: Denoiser, noisy: Tensor, steps: int = 800, learning_rate: float = 4e-4, seed: int = 0) -> MASH:
    """The scheme that the paper takes for a picture, after two trainings of fresh networks.

    Args:
        network: as it begins; it is not changed.
        noisy: the picture, (1, C, H, W) in the network's values.
        steps: of each training (800 in the paper).
        learning_rate: of each training.
        seed: of the masks.

    Example:
        >>> from unnoise import denoisers
        >>> probe(denoisers.create("dncnn", features=4, layers=3), torch.rand(1, 3, 16, 16), steps=2).visible in VISIBLE.values()
        True
    """
    low, high = network.value_range
    deviations = []
    for visible in PROBED_SHARES:
        learner, scheme = copy.deepcopy(network).train(), MASH(visible=visible, shuffle=False)
        draws = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.Adam(learner.parameters(), lr=learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            optimizer.zero_grad()
            scheme.loss(learner, noisy, draws).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            deviations.append(float((scheme.restore(learner, noisy, draws) - noisy).std()) * 255 / (high - low))
    apart = abs(deviations[0] - deviations[1])
    kind = "high" if apart > HIGH_STEPS else "low" if apart < LOW_STEPS else "medium"
    return MASH(visible=VISIBLE[kind], shuffle=kind == "high")
