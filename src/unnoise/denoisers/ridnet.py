"""RIDNet: four blocks of dilated and residual convolutions, each closed by attention over channels.

Anwar and Barnes, "Real Image Denoising with Feature Attention", ICCV 2019. Trained on pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.layers.channel_mixing import spatial_means
from unnoise.layers.fused_convolution import can_fuse, convolve, run_sequential
from unnoise.layers.output_layer import begin_small, output_convolution

MEANS = (0.4488, 0.4371, 0.4040)
"""Of red, green and blue in DIV2K, in 0..1; the network subtracts them and adds them again."""
REDUCTION = 16
"""How many times narrower the attention is than the features."""


class MeanShift(nn.Conv2d):
    """x plus or minus a constant for each channel, as a 1×1 convolution that is not trained, (B, 3, H, W) → the same.

    >>> MeanShift(1.0, -1)(torch.zeros(1, 3, 1, 1)).flatten()
    tensor([-0.4488, -0.4371, -0.4040])
    """

    def __init__(self, white: float, sign: int) -> None:
        super().__init__(3, 3, 1)
        self.shift = sign * white
        self.requires_grad_(False)
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Set the weights and biases, which nothing trains."""
        assert self.bias is not None
        self.weight.copy_(torch.eye(3)[..., None, None])
        self.bias.copy_(self.shift * torch.tensor(MEANS))


def _stack(widths: Sequence[tuple[int, int, int, int]], *, ends: bool = True) -> nn.ModuleDict:
    """Convolutions (in, out, kernel, dilation), each with a ReLU, but for the last one without `ends`; as `body`."""
    layers: list[nn.Module] = []
    for one, other, kernel, dilation in widths:
        layers += [nn.Conv2d(one, other, kernel, padding=kernel // 2 * dilation, dilation=dilation), nn.ReLU(inplace=True)]
    return nn.ModuleDict({"body": nn.Sequential(*(layers if ends else layers[:-1]))})


class EnhancementBlock(nn.Module):
    """The paper's EAM: merge and run, two residual blocks, and attention over channels. (B, C, H, W) → the same shape."""

    def __init__(self, features: int) -> None:
        super().__init__()
        n, few = features, features // REDUCTION
        self.r1 = nn.ModuleDict(
            {
                "body1": _stack([(n, n, 3, 1), (n, n, 3, 2)])["body"],
                "body2": _stack([(n, n, 3, 3), (n, n, 3, 4)])["body"],
                "body3": _stack([(2 * n, n, 3, 1)])["body"],
            }
        )
        self.r2 = _stack([(n, n, 3, 1), (n, n, 3, 1)], ends=False)
        self.r3 = _stack([(n, n, 3, 1), (n, n, 3, 1), (n, n, 1, 1)], ends=False)
        self.ca = nn.ModuleDict({"c1": _stack([(n, few, 1, 1)]), "c2": _stack([(few, n, 1, 1)], ends=False)})

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([run_sequential(self.r1[f"body{n}"].children(), x) for n in (1, 2)], dim=1)
        x = run_sequential(self.r1["body3"].children(), both) + x
        for residual in (self.r2, self.r3):
            x = (run_sequential(residual["body"].children(), x) + x).relu()
        means = spatial_means(x) if can_fuse(x) else x.mean((2, 3), keepdim=True)
        few = run_sequential(self.ca["c1"]["body"].children(), means)  # type: ignore[index]
        factor = convolve(self.ca["c2"]["body"][0], few, "sigmoid")  # type: ignore[index]
        return x * factor.to(x.dtype)


class RIDNet(Denoiser):
    """RIDNet, (B, 3, H, W) → the same shape, values in [0, 255]. Not blind. 1,499,347 parameters at 64 features.

    The attention averages over the whole image, so every pixel depends on every other.

    Args:
        features: width of every layer, at least 16 (64 in the paper).
        blocks: number of blocks (4 in the paper).

    Raises:
        ValueError: for fewer than 16 features.

    Example:
        >>> RIDNet(features=16, blocks=1)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    value_range = (0.0, 255.0)
    size_multiple: ClassVar[int] = 1

    def __init__(self, features: int = 64, blocks: int = 4) -> None:
        super().__init__()
        if features < REDUCTION:
            raise ValueError(f"features must be at least {REDUCTION}, got {features}.")
        self.sizes = {"features": features, "blocks": blocks}
        white = self.value_range[1]
        self.sub_mean, self.add_mean = MeanShift(white, -1), MeanShift(white, 1)
        self.head = _stack([(3, features, 3, 1)])
        for number in range(1, blocks + 1):
            self.add_module(f"b{number}", EnhancementBlock(features))
        self.tail = nn.Conv2d(features, 3, 3, padding=1)

    def initialize_he(self) -> None:
        """He-normal weights, without the two layers that shift the mean. Each block's two residual parts begin as the
        identity, and the last layer begins small."""
        super().initialize_he()
        for shift in (self.sub_mean, self.add_mean):
            shift.reset()
        for module in self.modules():
            if isinstance(module, EnhancementBlock):
                for residual in (module.r2, module.r3):
                    nn.init.zeros_(residual["body"][-1].weight)  # type: ignore[index]
        begin_small(self.tail)
        # The published network adds the mean although the picture has it already, and learns to take it away again.
        assert self.tail.bias is not None
        assert self.add_mean.bias is not None
        self.tail.bias.data.copy_(-self.add_mean.bias)

    def forward(self, x: Tensor) -> Tensor:
        image = x
        with torch.autocast(x.device.type, enabled=False):
            x = self.sub_mean(x)
        x = run_sequential(self.head["body"].children(), x)
        for number in range(1, self.sizes["blocks"] + 1):
            x = self.get_submodule(f"b{number}")(x)
        with torch.autocast(x.device.type, enabled=False):
            shifted: Tensor = self.add_mean(output_convolution(self.tail, x, torch.zeros_like(image)))
        return shifted + image

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from `head.body.0.weight` (features, 3, 3, 3) and the number of blocks."""
        first = weights.get("head.body.0.weight")
        blocks = sum(key.endswith(".r1.body3.0.weight") for key in weights)
        if first is None or not blocks or "b1.ca.c1.body.0.weight" not in weights:
            return None
        return {"features": first.shape[0], "blocks": blocks}
