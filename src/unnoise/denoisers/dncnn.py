"""DnCNN, a plain stack of 3×3 convolutions that predicts the noise.

Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising", IEEE TIP 2017. It is the
weakest of the denoisers that the AMSNet paper compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.fused_convolution import can_fuse, compute_dtype, convolve, convolve_with_weights
from unnoise.layers.output_layer import begin_small, output_convolution
from unnoise.layers.weight_cache import Weights, prepare_weights


class DnCNN(Denoiser):
    """DnCNN, (B, channels, H, W) → the same shape, values in [0, 1]: x minus the predicted noise. Not blind.

    In training mode batch normalization uses statistics of the whole batch, so `receptive_field_radius` holds in
    evaluation mode only.

    Args:
        channels: of the image; 1 for grey, 3 for colour.
        features: width of every layer (64 in the paper).
        layers: convolutions, with the first and last (17 in the paper, 20 for its blind colour model).

    Raises:
        ValueError: for fewer than two layers.

    Example:
        >>> DnCNN(features=8, layers=3)(torch.rand(1, 3, 5, 7)).shape
        torch.Size([1, 3, 5, 7])
    """

    size_multiple: ClassVar[int] = 1
    """Such sides need no padding."""

    def __init__(self, channels: int = 3, features: int = 64, layers: int = 17) -> None:
        super().__init__()
        if layers < 2:
            raise ValueError(f"layers must be at least 2, got {layers}.")
        self.sizes = {"channels": channels, "features": features, "layers": layers}
        body: list[nn.Module] = []
        for _ in range(layers - 2):
            # eps and momentum as in the published code. Its momentum of 0.9 gives the newest batch most weight.
            normalisation = nn.BatchNorm2d(features, eps=1e-4, momentum=0.9)
            body += [nn.Conv2d(features, features, 3, padding=1), normalisation, nn.ReLU(inplace=True)]
        self.model = nn.Sequential(
            nn.Conv2d(channels, features, 3, padding=1),
            nn.ReLU(inplace=True),
            *body,
            nn.Conv2d(features, channels, 3, padding=1),
        )

    @property
    def receptive_field_radius(self) -> int:
        """One pixel for each 3×3 convolution."""
        layers: int = self.sizes["layers"]
        return layers

    def initialize_he(self) -> None:
        """He-normal weights; the last layer begins small."""
        super().initialize_he()
        begin_small(self.model[-1])

    def forward(self, x: Tensor) -> Tensor:
        last = self.model[-1]
        assert isinstance(last, nn.Conv2d)
        features = self.model[:-1](x) if self.training or not can_fuse(x) else self._normalised(x)
        return x - output_convolution(last, features, torch.zeros_like(x))

    def _normalised(self, x: Tensor) -> Tensor:
        """All but the last layer in evaluation mode, with each normalization folded into the convolution before it."""
        layers: list[Any] = list(self.model)[:-1]
        x = convolve(layers[0], x, "relu")
        for layer, normalisation in zip(layers[2::3], layers[3::3], strict=True):
            weight, bias = prepare_weights(layer, "", compute_dtype(x), lambda pair=(layer, normalisation): _folded(*pair))  # type: ignore[misc]
            x = convolve_with_weights(x, weight, bias, "relu", padding=(1, 1))
        return x

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `model.0.weight` (F, C, 3, 3) and the number of convolutions; only the form with batch
        normalization."""
        first = weights.get("model.0.weight")
        convolutions = sorted(
            int(match[1])
            for key, value in weights.items()
            if (match := re.fullmatch(r"model\.(\d+)\.weight", key)) and value.dim() == 4
        )
        if first is None or first.dim() != 4 or first.shape[-1] != 3 or len(convolutions) < 2:
            return None
        if convolutions != [0, *range(2, 3 * len(convolutions) - 3, 3)]:  # every third module, after the first
            return None
        if weights[f"model.{convolutions[-1]}.weight"].shape[0] != first.shape[1]:
            return None
        return {"channels": first.shape[1], "features": first.shape[0], "layers": len(convolutions)}


def _folded(layer: nn.Conv2d, normalisation: nn.BatchNorm2d) -> Weights:
    """Weights of one convolution that does what the two do together in evaluation mode."""
    assert normalisation.running_mean is not None
    assert normalisation.running_var is not None
    assert layer.bias is not None
    scale = normalisation.weight * torch.rsqrt(normalisation.running_var + normalisation.eps)
    shift = normalisation.bias + (layer.bias - normalisation.running_mean) * scale
    return layer.weight * scale[:, None, None, None], shift
