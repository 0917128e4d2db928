"""The base class of all denoisers. A denoiser declares its properties here, so schemes and inference need to know no
network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from torch import Tensor, nn

from unnoise.deprecated.class_members import RenamedMember, adopt_old_names
from unnoise.layers.partial.shrinking_halo import gather_windows
from unnoise.regions import Region

Initialization = Literal["default", "he"]
Blindness = Literal["strict", "approximate", "none"]
PaddingMode = Literal["none", "zeros", "reflect"]

OLD_NAMES = {
    "multiple": "size_multiple",
    "reach": "receptive_field_radius",
    "halo_cost": "halo_relative_cost",
    "gains_by_int8": "prefers_int8",
    "spares_halo": "crops_halo",
    "part": "forward_region",
    "parts": "forward_windows",
}


class Denoiser(nn.Module):
    """A network from a noisy to a restored image, (B, C, H, W) → (B, C, H, W), for any H, W ≥ 1, in its own value
    range.

    Parameters are named as in the published state dict, without its prefix. Published weights load without a
    translation.

    Example:
        >>> import torch
        >>> class Identity(Denoiser):
        ...     def __init__(self, channels: int = 3) -> None:
        ...         super().__init__()
        ...         self.sizes = {"channels": channels}
        ...     @property
        ...     def receptive_field_radius(self) -> int:
        ...         return 0
        ...     def forward(self, x: Tensor) -> Tensor:
        ...         return x
        >>> Identity()(torch.rand(1, 3, 5, 7)).shape
        torch.Size([1, 3, 5, 7])
    """

    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Black and white in the network's own numbers. Golden files and published weights assume it."""

    blindness: ClassVar[Blindness] = "none"
    """Whether an output pixel depends on the input pixel at its place.

    *strict*: the gradient is exactly zero. *approximate*: the gradient is too small to learn to copy the pixel, for
    example because it passes through statistics of the whole image. *none*: it depends on it."""

    has_tunable_blind_spot: ClassVar[bool] = False
    """Whether the size of the blind spot is chosen at each call, as `unnoise.denoisers.tunable.TunableNetwork` says."""

    has_stages: ClassVar[bool] = False
    """Whether it does PD itself, as `unnoise.denoisers.staged_network.StagedNetwork` says."""

    takes_noise_level: ClassVar[bool] = False
    """Whether the noise level is told at each call, as `unnoise.denoisers.noise_level.NoiseLevelNetwork` says."""

    is_trained: ClassVar[bool] = True
    """Whether it has weights that are trained. Classical denoisers have none."""

    size_multiple: ClassVar[int] = 1
    """Tiles must begin at multiples of this many pixels. Elsewhere pooling would group other pixels than in the whole
    picture."""

    padding_mode: ClassVar[PaddingMode] = "none"
    """How `forward` fills a picture at the bottom and right until `size_multiple` divides its sides; *none*: not at all."""

    minimum_side: ClassVar[int] = 1
    """`forward` extends smaller pictures to this side in pixels, by repeating their last row and column."""

    halo_relative_cost: ClassVar[float] = 1.0
    """The work of `forward_region` for a pixel of the halo, relative to that for a pixel of the region."""

    prefers_int8: ClassVar[bool] = False
    """Whether precision *auto* runs the network in int8 on CPUs with int8 products and without bfloat16.

    Set it where int8 is faster and costs at most 0.05 dB on all data sets (measured in `docs/results/speed.md`)."""

    quantized_form: ClassVar[str | None] = None
    """The registered name of the same network with quantized maps, which has a method `calibrate`; None: there is none."""

    he_gain: ClassVar[float] = 2.0
    """The factor by which `initialize_he` makes up for activations: 2 for ReLU, 1 where most layers are linear or
    gated."""

    sizes: dict[str, Any]
    """The keyword arguments that make the same network again."""

    multiple: ClassVar[Any] = RenamedMember("size_multiple")
    reach: ClassVar[Any] = RenamedMember("receptive_field_radius")
    halo_cost: ClassVar[Any] = RenamedMember("halo_relative_cost")
    gains_by_int8: ClassVar[Any] = RenamedMember("prefers_int8")
    spares_halo: ClassVar[Any] = RenamedMember("crops_halo")
    part: ClassVar[Any] = RenamedMember("forward_region")
    parts: ClassVar[Any] = RenamedMember("forward_windows")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        adopt_old_names(cls, OLD_NAMES)

    @property
    def receptive_field_radius(self) -> int | None:
        """The largest distance in rows or columns from an output pixel to an input pixel that it depends on; None:
        unbounded."""
        return None

    def forward_region(self, x: Tensor, region: Region) -> Tensor:
        """The result in one region: (B, C, H, W) → (B, C, rows, columns).

        Networks override this where they can skip work outside the region.

        Args:
            x: (B, C, H, W).
            region: rows and columns of the result.
        """
        result: Tensor = self(x)[..., *region]
        return result

    def forward_windows(self, x: Tensor, rows: Sequence[slice], columns: Sequence[slice]) -> Tensor:
        """The result in several windows, concatenated side by side: (B, C, H, W) → (B, C, h, w).

        There is one window for each interval of rows and each interval of columns. The components of a PD mosaic are
        such windows.

        Args:
            x: (B, C, H, W).
            rows, columns: intervals in ascending order, without overlap.
        """
        return gather_windows(self(x), rows, columns)

    @property
    def crops_halo(self) -> bool:
        """Whether `forward_region` does less work than the whole result needs."""
        return self.halo_relative_cost < 1

    def initialize(self, kind: Initialization) -> None:
        """Draw the weights again. *default* keeps those of the constructor, as published; *he* calls `initialize_he`."""
        if kind == "he":
            self.initialize_he()

    def initialize_he(self) -> None:
        """Draw He-normal weights, which keep the signal's variance from layer to layer, and set biases to zero.

        He et al., "Delving Deep into Rectifiers", ICCV 2015. Normalization layers and single parameters keep their
        values. A network that adds each block to its input without a normalization should override this and start each
        block's last layer at zero. Otherwise the variance grows with each block.

        Example:
            >>> from unnoise import denoisers
            >>> network = denoisers.create("dncnn", features=8, layers=3)
            >>> network.initialize_he()
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(module.weight, std=math.sqrt(self.he_gain / _fan_in(module)))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Read the network's sizes from a state dict with published key names; None if it belongs to another network."""
        return None

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """Make the network that fits a state dict and load it; None if it belongs to another network."""
        try:
            sizes = cls.infer_sizes(weights)
        except (IndexError, ValueError):  # a weight by that name has another number of dimensions
            return None
        if sizes is None:
            return None
        network = cls(**sizes)
        network.load_state_dict({key: value for key, value in weights.items() if not key.endswith(".mask")})
        return network

    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def _fan_in(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """How many input values each output value sums."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    taps = layer.in_channels // layer.groups * math.prod(layer.kernel_size)
    return taps / math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else taps
