"""What AMSNet's variants share: complementary masks hide every pixel once, and the network predicts the hidden pixels.

Liao et al., "Asymmetric Mask Scheme for Self-Supervised Real Image Denoising", ECCV 2024, sections 3.3 and 3.4.
Any network works, blind or not, since the pixels that it must not copy are removed from its input.
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
from unnoise.schemes.base import Network, run_region
from unnoise.schemes.component_scheme import ComponentScheme
from unnoise.schemes.masks import checkerboard_masks, complementary_masks

Stride = Annotated[int, Field(ge=1, le=16)]

MAX_BATCH_PIXELS = {"cpu": 2**19, "other": 1_500_000}
"""Pixels up to which components and branches run as one batch, by kind of device.

A GPU needs many. On a CPU a larger batch only takes memory, which larger tiles use better."""

Place = tuple[Any, ...]
"""Indices of a tensor's last axes."""
EVERYWHERE: Place = (...,)


class MultiMask(ComponentScheme):
    """PD in batch form, k complementary masks, and each branch's prediction of its hidden pixels (the paper's MMDB,
    Eqs. 5 to 8).

    Sides that do not divide by the stride are padded with zeros at the bottom and right. To the network these are
    hidden pixels.

    >>> from unnoise.schemes.asymmetric_mask import AsymmetricMask
    >>> AsymmetricMask(masks=4, train_stride=5).masks
    4
    """

    replacement: ClassVar[Literal["value", "pixel"]] = "pixel"

    train_stride: Stride = 5
    """Stride of PD in training, large enough for the noise of neighbours to be independent."""
    infer_stride: Stride = 2
    """Stride of PD at inference, small enough to keep detail."""
    masks: Annotated[int, Field(ge=2, le=64)] = 2
    """The paper's k. At inference each branch hides 1/k of the pixels."""
    overlap: Annotated[int, Field(ge=1, le=63)] = 1
    """How many branches hide each pixel; their mean prediction counts. Each branch hides overlap/k of the pixels."""
    checkerboard: bool = False
    """At inference, two fixed masks in place of random ones. Then tiles agree with the whole, and no seed matters."""
    partitions: Annotated[int, Field(ge=1, le=256)] = 1
    """How many random partitions the first estimate is averaged over; the work grows with it. Not in the paper."""

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
        """A checkerboard's masks are fixed; others are drawn. It may start with either of its masks, since together they
        hide the same pixels, so tiles need no other alignment than PD's."""
        return not self.checkerboard

    @property
    def branches(self) -> int:
        """One for each mask."""
        return self.masks

    def batch_pixels(self, device: torch.device) -> int | None:
        """See `MAX_BATCH_PIXELS`."""
        return max_batch_pixels(device)

    def restore(self, network: Network, noisy: Tensor, generator: RandomSource | None = None) -> Tensor:
        """PD⁻¹(Σ_i hidden_i ⊙ network(visible_i ⊙ PD(x)) / overlap), Eqs. 7 and 8, averaged over `partitions`.

        Without a generator the masks are drawn from seed 0.
        """
        restored = self._components(network, noisy, generator_or_default(generator), None)
        return merge_batch(restored, self.infer_stride, size=(noisy.shape[-2], noisy.shape[-1]))

    def restore_cropped(self, network: Network, noisy: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        """By the region's share of each component."""
        stride = self.infer_stride
        around = dilate(region, 0, (noisy.shape[-2], noisy.shape[-1]), stride)
        components = self._components(network, noisy, generator_or_default(generator), downsample_region(around, stride))
        return merge_batch(components, stride)[..., *relative_to(region, around)]

    def _components(self, network: Network, noisy: Tensor, generator: RandomSource, region: Region | None) -> Tensor:
        """The restored components of (B, C, H, W), or one region of each, (B·s², C, h, w)."""
        if isinstance(generator, PositionalGenerator):
            generator = generator.coarser(self.infer_stride)
        parts = split_batch(noisy, self.infer_stride)  # (B·s², C, h, w)
        estimates = (predict_hidden(network, parts, self._masks(parts, generator), region) for _ in range(self.partitions))
        return reduce(torch.add, estimates) / self.partitions

    def refine(self, network: Network, mixed: Tensor, generator: RandomSource | None = None) -> Tensor:
        """The masks and their branches at full resolution, without PD. One partition is enough, since R³ averages over
        its draws."""
        return predict_hidden(network, mixed, self._masks(mixed, generator_or_default(generator)))

    def refine_cropped(self, network: Network, mixed: Tensor, region: Region, generator: RandomSource | None = None) -> Tensor:
        return predict_hidden(network, mixed, self._masks(mixed, generator_or_default(generator)), region)

    def _masks(self, images: Tensor, generator: RandomSource) -> Tensor:
        """For (N, C, h, w): (k, N, 1, h, w), True where visible."""
        count, _, height, width = images.shape
        if self.checkerboard:
            return checkerboard_masks(count, height, width, images.device)
        return complementary_masks(self.masks, count, height, width, generator, overlap=self.overlap, device=images.device)


def predict_hidden(network: Network, images: Tensor, masks: Tensor, region: Region | None = None) -> Tensor:
    """Show the network the images once through each mask, and take the hidden pixels of each result (Eq. 7).

    Args:
        network: sees a zero in place of each hidden pixel.
        images: (N, C, H, W).
        masks: (k, N, 1, H, W), True where visible. A pixel that several masks hide becomes the mean of its predictions;
            one that no mask hides becomes zero.
        region: rows and columns to predict; None: all.

    Returns:
        (N, C, H, W), or of the size of the region.

    Example:
        >>> masks = checkerboard_masks(1, 4, 4)
        >>> predict_hidden(lambda x: x + 1, torch.rand(1, 3, 4, 4), masks).unique().tolist()
        [1.0]
    """
    run, place = network, EVERYWHERE
    if region is not None:
        run, place = partial(run_region, network, region=region), (..., *region)
    group_size = max(1, max_batch_pixels(images.device) // (images.shape[-2] * images.shape[-1]))
    groups = zip(torch.split(images, group_size), torch.split(masks, group_size, dim=1), strict=True)
    return torch.cat([_through_masks(run, some, theirs, place) for some, theirs in groups])


def _through_masks(run: Network, images: Tensor, masks: Tensor, place: Place) -> Tensor:
    """`predict_hidden` for images that run together, at the `place` that `run` gives; as many masks at once as fit."""
    branches = max(1, max_batch_pixels(images.device) // images[:, 0].numel())
    restored = torch.zeros_like(images[place])
    for visible in torch.split(masks, branches):  # (branches, N, 1, H, W)
        shown = torch.where(visible, images, 0)  # (branches, N, C, H, W)
        predicted = run(shown.flatten(0, 1))
        predicted = predicted.reshape(
            *shown.shape[:2], *predicted.shape[1:]
        )  # (branches, N, C, H, W), or of the size of the place
        # `where`, not a product: predictions of visible pixels must not count, not even NaN.
        restored = restored + torch.where(visible[place], 0, predicted).sum(0)  # (N, C, H, W)
    return restored / (~masks[place]).sum(0).clamp(min=1)


def max_batch_pixels(device: torch.device) -> int:
    """`MAX_BATCH_PIXELS` of a device.

    >>> max_batch_pixels(torch.device("cpu")) > 0
    True
    """
    return MAX_BATCH_PIXELS.get(device.type, MAX_BATCH_PIXELS["other"])


def generator_or_default(generator: RandomSource | None) -> RandomSource:
    """The generator; without one, a fresh generator with seed 0, so results repeat.

    >>> generator_or_default(None).initial_seed()
    0
    """
    return generator if generator is not None else torch.Generator().manual_seed(0)
