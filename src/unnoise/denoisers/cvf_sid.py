"""CVF-SID's network: one part restores the picture, the other splits what was removed into two kinds of noise.

Neshatavar et al., "CVF-SID: Cyclic Multi-Variate Function for Self-Supervised Image Denoising by Disentangling Noise from
Image", CVPR 2022. Both parts are plain stacks of 3×3 convolutions. Restoring a picture needs the first part alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused_convolution import run_sequential
from unnoise.layers.output_layer import output_convolution


class Parts(NamedTuple):
    """A noisy picture taken apart, each (B, C, H, W): it is clean + clean^γ · dependent + independent."""

    dependent: Tensor
    """Signal-dependent noise, for a signal of 1. Its mean over the picture is 0."""
    independent: Tensor
    """Signal-independent noise. Its mean over the picture is 0."""
    clean: Tensor


class CVFSID(Denoiser):
    """CVF-SID, (B, channels, H, W) → the same shape, values in [0, 1]. Not blind. 1,185,865 parameters at its defaults.

    Args:
        channels: of the image.
        features: width of every layer (64 in the paper).
        layers: convolutions of the first part, with the first and last (17 in the paper).
        noise_layers: convolutions of the second part before it forks (10 in the paper).

    Raises:
        ValueError: for fewer than two layers.

    Example:
        >>> import torch
        >>> network = CVFSID(features=8, layers=3, noise_layers=1)
        >>> network(torch.rand(1, 3, 5, 7)).shape, network(torch.rand(1, 3, 5, 7), parts=True).dependent.shape
        (torch.Size([1, 3, 5, 7]), torch.Size([1, 3, 5, 7]))
    """

    def __init__(self, channels: int = 3, features: int = 64, layers: int = 17, noise_layers: int = 10) -> None:
        super().__init__()
        if layers < 2 or noise_layers < 1:
            raise ValueError(f"layers must be at least 2 and noise_layers 1, got {layers} and {noise_layers}.")
        self.sizes = {"channels": channels, "features": features, "layers": layers, "noise_layers": noise_layers}
        last = (nn.Conv2d(features, channels, 1) for _ in range(3))
        self.genclean = nn.ModuleDict({"genclean": nn.Sequential(*_stack(channels, features, layers - 1), next(last))})
        forks = {f"gen_noise_{kind}": nn.Sequential(*_stack(features, features, 4), next(last)) for kind in "wb"}
        self.gen_noise = nn.ModuleDict({"body": nn.Sequential(*_stack(channels, features, noise_layers))} | forks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    @property
    def receptive_field_radius(self) -> int:
        """One pixel for each 3×3 convolution of the first part; its last one is 1×1."""
        layers: int = self.sizes["layers"]
        return layers - 1

    def forward(self, x: Tensor, *, parts: bool = False) -> Tensor | Parts:
        """The clean picture, or with `parts` the noises as well."""
        *layers, last = self.genclean["genclean"].children()
        assert isinstance(last, nn.Conv2d)
        clean = output_convolution(last, run_sequential(layers, x), x)
        if not parts:
            return clean
        features = run_sequential(self.gen_noise["body"].children(), x - clean)
        noises = (run_sequential(self.gen_noise[f"gen_noise_{kind}"].children(), features) for kind in "wb")
        dependent, independent = (noise.float() - noise.float().mean((2, 3), keepdim=True) for noise in noises)
        return Parts(dependent.to(clean.dtype), independent.to(clean.dtype), clean)

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `genclean.genclean.0.weight` (features, C, 3, 3) and the number of kernels in each part."""
        first = weights.get("genclean.genclean.0.weight")
        if first is None or "gen_noise.gen_noise_w.8.weight" not in weights:
            return None

        def kernels(part: str) -> int:
            return sum(bool(re.fullmatch(re.escape(part) + r"\.\d+\.weight", key)) for key in weights)

        return {
            "channels": first.shape[1],
            "features": first.shape[0],
            "layers": kernels("genclean.genclean"),
            "noise_layers": kernels("gen_noise.body"),
        }


class CVFSIDTwice(Denoiser):
    """CVF-SID (S²): a second network takes apart what a first one restored, (B, C, H, W) → the same shape, in [0, 1].

    The first network is trained already and has no gradient. Sizes are those of each of the two.

    Raises:
        ValueError: as `CVFSID`.

    Example:
        >>> import torch
        >>> CVFSIDTwice(features=8, layers=3, noise_layers=1)(torch.rand(1, 3, 5, 7)).shape
        torch.Size([1, 3, 5, 7])
    """

    def __init__(self, channels: int = 3, features: int = 64, layers: int = 17, noise_layers: int = 10) -> None:
        super().__init__()
        self.first = CVFSID(channels, features, layers, noise_layers).requires_grad_(False)
        self.second = CVFSID(channels, features, layers, noise_layers)
        self.sizes = self.second.sizes

    @property
    def receptive_field_radius(self) -> int:
        """Twice that of one network."""
        return 2 * self.second.receptive_field_radius

    def initialize_he(self) -> None:
        """The second network's draw. The first one is trained already."""
        self.second.initialize_he()

    def forward(self, x: Tensor, *, parts: bool = False, once: bool = False) -> Tensor | Parts:
        """The picture restored twice.

        Args:
            x: (B, C, H, W).
            parts: x was restored once already, and comes apart as the second network tells.
            once: the first network's result alone.
        """
        if parts:
            return self.second(x, parts=True)
        if once:
            return self.first(x)
        return self.second(self.first(x))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from those of the second network, where there are two."""
        if not any(key.startswith("first.") for key in weights):
            return None
        return CVFSID.infer_sizes({key.removeprefix("second."): value for key, value in weights.items()})


def _stack(channels: int, features: int, number: int) -> list[nn.Module]:
    """3×3 convolutions, each with a ReLU."""
    layers: list[nn.Module] = []
    for _ in range(number):
        layers += [nn.Conv2d(channels, features, 3, padding=1), nn.ReLU(inplace=True)]
        channels = features
    return layers
