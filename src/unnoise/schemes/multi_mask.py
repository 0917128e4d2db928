"""What AMSNet's variants share: several complementary masks hide every pixel once, and each mask's hidden pixels are predicted.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, sections 3.3 and 3.4.
Any network can be used, blind or not: what it must not copy is taken from its input.
"""

from __future__ import annotations

from functools import partial, reduce
from typing import Annotated, Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from unnoise.errors import UsageError
from unnoise.layers.polyphase import merge_batch, split_batch
from unnoise.regions import Region, dilate, downsample_region, relative_to
from unnoise.rng import PositionalGenerator, RandomSource
from unnoise.schemes.base import Network, Scheme, run_region
from unnoise.schemes.masks import checkerboard_masks, complementary_masks

Stride = Annotated[int, Field(ge=1, le=16)]

TOGETHER = {"cpu": 2**19, "other": 1_500_000}
"""By kind of device: up to so many pixels components and branches run as one batch, then fewer at a time. A GPU wants many; on a CPU
what is worked out together only takes memory, which larger tiles put to better use."""

Place = tuple[Any, ...]
"""Indices of a tensor's last axes."""
EVERYWHERE: Place = (...,)


class MultiMask(Scheme):
    """PD in batch form, k complementary masks, and each branch's output where it was blindfolded (the paper's MMDB, Eqs. 5 to 8).

    Sides that are no multiple of the stride get zeros at the bottom and right, which to the network are hidden pixels like others.
    """

    replacement: ClassVar[Literal["value", "pixel"]] = "pixel"

    train_stride: Stride = 5
    """Stride of PD in training, far enough for the noise of neighbours to be independent."""
    infer_stride: Stride = 2
    """Stride of PD at inference, close enough to keep detail."""
    masks: Annotated[int, Field(ge=2, le=64)] = 2
    """The paper's k: at inference each branch hides 1/k of the pixels."""
    overlap: Annotated[int, Field(ge=1, le=63)] = 1
    """In how many of the branches each pixel is hidden; the mean of what they say of it counts. Each hides overlap/k of the pixels."""
    checkerboard: bool = False
    """At inference two fixed masks in place of random ones; then tiled and whole results agree, and no seed matters."""
    partitions: Annotated[int, Field(ge=1, le=256)] = 1
    """How many random partitions the first estimate is averaged over; the work grows as much. Not in the paper."""

    @model_validator(mode="after")
    def _sound_masks(self) -> Self:
        if self.overlap >= self.masks:
            raise UsageError(
                f"A pixel that {self.overlap} of {self.masks} masks hide is never shown; set overlap to less than masks."
            )
        if self.checkerboard and (self.masks != 2 or self.partitions != 1):
            raise UsageError(
                f"A checkerboard is one partition into two masks, not {self.partitions} into {self.masks}; "
                "leave masks at 2 and partitions at 1, or set checkerboard to false."
            )
        return self

    @property
    def is_random(self) -> bool:
        """A checkerboard's masks are fixed; others are drawn."""
        return not self.checkerboard

    @property
    def tile_alignment(self) -> int:
        """That of PD. A checkerboard may begin with either of its masks: it hides the same pixels together."""
        return self.infer_stride

    def restore_radius(self, network_radius: int) -> int:
        """Within a component the network steps over `infer_stride` pixels of the picture at a time."""
        return network_radius * self.infer_stride

    def held(self, pixels: int, device: torch.device, *, by_parts: bool, refined: bool) -> float:
        """What `TOGETHER` lets into one batch, of which one component is the least."""
        least = pixels if refined else pixels / self.infer_stride**2
        return max(least, min(pixels * self.masks, at_once(device))) / self.masks

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """PD⁻¹(Σ_i hidden_i ⊙ network(kept_i ⊙ PD(x)) / overlap), Eqs. 7 and 8, averaged over `partitions`.

        Without a generator the masks are drawn from seed 0.
        """
        restored = self._components(network, noisy, given_or_fresh(generator), None)
        return merge_batch(restored, self.infer_stride, size=(noisy.shape[-2], noisy.shape[-1]))

    def restore_cropped(self, network: Network, noisy: Tensor, wanted: Region, generator: RandomSource | None = None) -> Tensor:
        """By the part's share of each component."""
        stride = self.infer_stride
        around = dilate(wanted, 0, (noisy.shape[-2], noisy.shape[-1]), stride)
        components = self._components(network, noisy, given_or_fresh(generator), downsample_region(around, stride))
        return merge_batch(components, stride)[..., *relative_to(wanted, around)]

    def _components(self, network: Network, noisy: Tensor, generator: RandomSource, wanted: Region | None) -> Tensor:
        """The restored components of (B, C, H, W), or the part `wanted` of each, (B·s², C, h, w)."""
        if isinstance(generator, PositionalGenerator):
            generator = generator.coarser(self.infer_stride)
        parts = split_batch(noisy, self.infer_stride)  # (B·s², C, h, w)
        estimates = (predict_hidden(network, parts, self._masks(parts, generator), wanted) for _ in range(self.partitions))
        return reduce(torch.add, estimates) / self.partitions

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The masks and their branches at full resolution, without PD; one partition, as R³ averages over its draws anyway."""
        return predict_hidden(network, mixed, self._masks(mixed, given_or_fresh(generator)))

    def refine_cropped(self, network: Network, mixed: Tensor, wanted: Region, generator: RandomSource | None = None) -> Tensor:
        return predict_hidden(network, mixed, self._masks(mixed, given_or_fresh(generator)), wanted)

    def _masks(self, images: Tensor, generator: RandomSource) -> Tensor:
        """For (N, C, h, w): (k, N, 1, h, w), True where kept."""
        count, _, height, width = images.shape
        if self.checkerboard:
            return checkerboard_masks(count, height, width, images.device)
        return complementary_masks(self.masks, count, height, width, generator, overlap=self.overlap, device=images.device)


def predict_hidden(network: Network, images: Tensor, masks: Tensor, wanted: Region | None = None) -> Tensor:
    """Show the network `images` once through each mask, and take of each result the pixels that were hidden (Eq. 7).

    Args:
        network: not shown a hidden pixel in any way but by a zero in its place.
        images: (N, C, H, W).
        masks: (k, N, 1, H, W), True where kept. A pixel that several of them hide comes out as the mean of what it was predicted to
            be; one that none hides, as zero.
        wanted: the rows and columns that are to be predicted; None: all.

    Returns:
        (N, C, H, W), or of the size of `wanted`.
    """
    see, place = network, EVERYWHERE
    if wanted is not None:
        see, place = partial(run_region, network, region=wanted), (..., *wanted)
    few = max(1, at_once(images.device) // (images.shape[-2] * images.shape[-1]))
    groups = zip(torch.split(images, few), torch.split(masks, few, dim=1), strict=True)
    return torch.cat([_through_masks(see, some, theirs, place) for some, theirs in groups])


def _through_masks(see: Network, images: Tensor, masks: Tensor, place: Place) -> Tensor:
    """`predict_hidden` for images that run together, at the `place` that `see` gives of them; as many masks at a time as fit."""
    branches = max(1, at_once(images.device) // images[:, 0].numel())
    restored = torch.zeros_like(images[place])
    for kept in torch.split(masks, branches):  # (branches, N, 1, H, W)
        shown = torch.where(kept, images, 0)  # (branches, N, C, H, W)
        seen = see(shown.flatten(0, 1))
        seen = seen.reshape(*shown.shape[:2], *seen.shape[1:])  # (branches, N, C, H, W), or of the size of the place
        # `where`, not a product: what a branch says of the pixels that it was shown must not count, not even if it is no number.
        restored = restored + torch.where(kept[place], 0, seen).sum(0)  # (N, C, H, W)
    return restored / (~masks[place]).sum(0).clamp(min=1)


def at_once(device: torch.device) -> int:
    """`TOGETHER` for a device."""
    return TOGETHER.get(device.type, TOGETHER["other"])


def given_or_fresh(generator: RandomSource | None) -> RandomSource:
    """The generator itself; without one, a fresh one of seed 0, so that results repeat."""
    return generator if generator is not None else torch.Generator().manual_seed(0)
