"""What every denoiser declares of itself, so that schemes and inference need to know no particular network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from torch import Tensor, nn

from unnoise.errors import UsageError
from unnoise.layers.partial.narrowing import put_together
from unnoise.regions import Region

Initialization = Literal["default", "he"]
Blindness = Literal["strict", "approximate", "none"]


class Denoiser(nn.Module):
    """A network from noisy to restored image, (B, C, H, W) → (B, C, H, W), for any H, W ≥ 1, in its own value range.

    Parameter names follow the published state dict (without its prefix), so that published weights load as they are.
    """

    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """Black and white in the network's own numbers; the golden files and published weights assume it."""

    blindness: ClassVar[Blindness] = "none"
    """*strict*: the gradient of an output pixel by the input pixel at the same place is exactly zero; *approximate*: it is so
    small that the network cannot learn to copy the pixel, as through statistics of the whole image; *none*: neither."""

    multiple: ClassVar[int] = 1
    """Tiles must begin at multiples of this, or pooling would cut them differently from the whole picture."""

    halo_cost: ClassVar[float] = 1.0
    """What `part` works out for a pixel that is read around what is wanted, as a share of what it does for one that is wanted."""

    gains_by_int8: ClassVar[bool] = False
    """Whether CPUs that multiply bytes and have no bfloat16 run it in int8 unasked: it is faster, and costs at most 0.05 dB (measured
    on all data sets: `docs/results/speed.md`)."""

    sizes: dict[str, Any]
    """The keyword arguments that make the same network again."""

    @property
    def reach(self) -> int | None:
        """How many pixels away, in rows or columns, an input pixel can still change an output pixel; None: without bound."""
        return None

    def part(self, x: Tensor, wanted: Region) -> Tensor:
        """The network's result at the rows and columns `wanted` alone, (B, C, H, W) → (B, C, rows, columns).

        Networks that need not work out the rest spare it.
        """
        result: Tensor = self(x)[..., *wanted]
        return result

    def parts(self, x: Tensor, rows: Sequence[slice], columns: Sequence[slice]) -> Tensor:
        """The result at each of these rows and each of these columns, side by side in their order, (B, C, H, W) → (B, C, h, w).

        As `part`, for several places of one picture, such as the components' shares of a mosaic.
        """
        return put_together(self(x), rows, columns)

    @property
    def spares_halo(self) -> bool:
        """Whether `part` works out less than the whole."""
        return self.halo_cost < 1

    def initialize(self, kind: Initialization) -> None:
        """Draw the weights anew: *default* leaves what the constructor drew, as published; *he*: see `initialize_he`."""
        if kind == "he":
            self.initialize_he()

    def initialize_he(self) -> None:
        """Draw weights that keep the signal's size from layer to layer, which saves a short training its first minutes.

        Raises:
            UsageError: for a network that does not say how.
        """
        raise UsageError(f"{type(self).__name__} has no initialization 'he'; set training.initialization to 'default'.")

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Read the network's sizes off a state dict in published key names; None when it belongs to another network."""
        return None

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """Make the network that fits `weights` and load them; None when they belong to another network."""
        sizes = cls.infer_sizes(weights)
        if sizes is None:
            return None
        network = cls(**sizes)
        network.load_state_dict({key: value for key, value in weights.items() if not key.endswith(".mask")})
        return network

    def parameter_count(self) -> int:
        """Number of trainable values."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
