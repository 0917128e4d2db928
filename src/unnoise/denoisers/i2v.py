"""After I2V: a blind network tells which noise a picture has, and an extractor learns to tell it without PD.

Lee, Lee and Jeong, "I2V: Towards Texture-Aware Self-Supervised Blind Denoising using Self-Residual Learning for Real-World
Images", arXiv 2302.10523, 2023. The blind network is AP-BSN's D-BSN and serves in training alone. The extractor is
DnCNN's stack without normalization; what the paper's is made of could not be found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.dbsn import DBSN
from unnoise.layers.fused_convolution import run_sequential
from unnoise.layers.output_layer import begin_small, output_convolution


class Told(NamedTuple):
    """What both parts tell in one step."""

    noise: Tensor
    """The extractor's noise, (B, C, H, W)."""
    blind: Tensor
    """The blind network's result for each component, (N, C, h, w)."""


class I2V(Denoiser):
    """The picture without the noise that the extractor tells, (B, C, H, W) → the same shape, values in [0, 255].

    Not blind. 4,213,574 parameters at its defaults: 3,656,131 of the blind network, 557,443 of the extractor.

    Args:
        channels: of the image.
        features, modules, strides: of the blind network, see `DBSN`.
        noise_features: width of the extractor.
        noise_layers: its 3×3 convolutions, with the first and last.

    Raises:
        ValueError: for fewer than two layers, or what `DBSN` refuses.

    Example:
        >>> network = I2V(features=4, modules=1, noise_features=4, noise_layers=2)
        >>> network(torch.rand(1, 3, 5, 7)).shape
        torch.Size([1, 3, 5, 7])
    """

    value_range = DBSN.value_range

    def __init__(
        self,
        channels: int = 3,
        features: int = 128,
        modules: int = 9,
        strides: Sequence[int] = (2, 3),
        noise_features: int = 64,
        noise_layers: int = 17,
    ) -> None:
        super().__init__()
        if noise_layers < 2:
            raise ValueError(f"noise_layers must be at least 2, got {noise_layers}.")
        self.blind = DBSN(channels, features, modules, strides)
        self.sizes = {**self.blind.sizes, "noise_features": noise_features, "noise_layers": noise_layers}
        layers: list[nn.Module] = []
        for seen in (channels, *[noise_features] * (noise_layers - 2)):
            layers += [nn.Conv2d(seen, noise_features, 3, padding=1), nn.ReLU(inplace=True)]
        self.extractor = nn.Sequential(*layers, nn.Conv2d(noise_features, channels, 3, padding=1))

    @property
    def receptive_field_radius(self) -> int:
        """One pixel for each layer of the extractor."""
        layers: int = self.sizes["noise_layers"]
        return layers

    def initialize_he(self) -> None:
        """D-BSN's own draw, and He-normal weights for the extractor, whose last layer begins small."""
        super().initialize_he()
        self.blind.initialize_he()
        begin_small(self.extractor[-1])

    def forward(self, x: Tensor, components: Tensor | None = None) -> Tensor | Told:
        """The restored picture, or in training what both parts tell.

        Args:
            x: (B, C, H, W).
            components: (N, C, h, w), for the blind network; None: the result alone.
        """
        noise = self._noise(x)
        return x - noise if components is None else Told(noise, self.blind(components))

    def _noise(self, x: Tensor) -> Tensor:
        *layers, last = self.extractor
        assert isinstance(last, nn.Conv2d)
        return output_convolution(last, run_sequential(layers, x), torch.zeros_like(x))

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Those of the blind network, `extractor.0.weight` (F, C, 3, 3) and the number of the extractor's kernels."""
        first = weights.get("extractor.0.weight")
        blind = {key.removeprefix("blind."): value for key, value in weights.items() if key.startswith("blind.")}
        sizes = DBSN.infer_sizes(blind)
        if first is None or sizes is None:
            return None
        layers = sum(key.startswith("extractor.") and key.endswith(".weight") for key in weights)
        return {**sizes, "noise_features": first.shape[0], "noise_layers": layers}
