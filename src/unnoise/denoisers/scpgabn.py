"""SCPGabN: DeamNet beside a generator that transfers the noise of one picture to another, and an earlier self.

Lin et al., "Unsupervised Image Denoising in Real-World Scenarios via Self-Collaboration Parallel Generative Adversarial
Branches", ICCV 2023. Only training needs the generator, the critic and the earlier denoiser. Keys are those of the
published code.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.deamnet import DeamNet
from unnoise.errors import UsageError
from unnoise.layers.fused_convolution import convolve

NEGATIVE_SLOPE = 0.2
FIRST_DEVIATION = 0.02
"""Of the random weights of the generator and the critic."""
FIRST_BLUR_PIXELS = 2.0
"""Standard deviation of the blur that the generator begins with, where it begins by transferring noise."""
PARTS = {"denoiser.": "D.", "generator.": "G.", "critic.": "P.", "earlier.": "E."}
"""Our names of the four networks, and those in published files, which hold one state dict for each."""
_UNUSED = (".SA.", ".CA.", ".conv1x1.", ".scale")
"""Layers of the published generator that change no output."""


def gaussian_kernel(size: int, sigma: float, channels: int) -> Tensor:
    """(channels, 1, size, size), whose sum is 1 for each channel.

    Example:
        >>> gaussian_kernel(3, 25, 1).sum().round(decimals=4)
        tensor(1.)
    """
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    line = torch.exp(-place.square() / (2 * sigma**2))
    line = line / line.sum()
    return (line[:, None] * line).float().expand(channels, 1, size, size).contiguous()


def blur(x: Tensor, kernel: Tensor) -> Tensor:
    """Each channel averaged by a Gaussian kernel, with reflection at the edges, (B, C, H, W) → the same shape.

    The kernel is a product of two lines, so two passes of k taps do the work of k².

    Args:
        x: (B, C, H, W), larger than half the kernel.
        kernel: (C, 1, k, k) of `gaussian_kernel`, k odd.

    Example:
        >>> blur(torch.ones(1, 3, 8, 8), gaussian_kernel(3, 25, 3)).std().round(decimals=4)
        tensor(0.)
    """
    reach = kernel.shape[-1] // 2
    with torch.autocast(x.device.type, enabled=False):  # a hang was seen on CPUs in less
        padded = F.pad(x.float() if x.dtype in (torch.bfloat16, torch.float16) else x, (reach,) * 4, mode="reflect")
        line = kernel.sum(3, keepdim=True).to(padded.dtype)  # (C, 1, k, 1)
        down = F.conv2d(padded, line, groups=len(line))
        return F.conv2d(down, line.transpose(2, 3), groups=len(line))


class Smoothing(nn.Module):
    """A fixed Gaussian blur with the published key `conv`, (B, C, H, W) → the same shape.

    >>> Smoothing(3)(torch.rand(1, 3, 9, 9)).shape
    torch.Size([1, 3, 9, 9])
    """

    def __init__(self, channels: int, size: int = 15, sigma: float = 9) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, size, groups=channels, bias=False)
        self.conv.weight = nn.Parameter(gaussian_kernel(size, sigma, channels), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return blur(x, self.conv.weight)


class TransferBlock(nn.Module):
    """x + leaky(conv(leaky(conv(x)))), (B, F, H, W) → the same shape.

    >>> TransferBlock(2)(torch.rand(1, 2, 4, 5)).shape
    torch.Size([1, 2, 4, 5])
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = convolve(self.conv1, x, "leaky_relu", slope=NEGATIVE_SLOPE)
        return x + convolve(self.conv2, y, "leaky_relu", slope=NEGATIVE_SLOPE)


class NoiseTransfer(nn.Module):
    """The generator: gives a clean picture the noise of another one, both (B, channels, H, W) → the same shape.

    Args:
        channels: of the pictures.
        features: width of every layer (64 in the paper).
        blocks: 6 in the paper.

    Example:
        >>> NoiseTransfer(3, features=4)(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)).shape
        torch.Size([1, 3, 8, 8])
    """

    def __init__(self, channels: int, features: int = 64, blocks: int = 6) -> None:
        super().__init__()
        n, leaky = features, nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
        self.Gas = nn.Conv2d(channels, channels, 7, padding=3)
        self.conv_input = nn.Sequential(nn.Conv2d(2 * channels, n, 7, padding=3))
        self.residual = nn.Sequential(*(TransferBlock(n) for _ in range(blocks)))
        self.conv_output = nn.Sequential(
            nn.Conv2d(n, n, 3, padding=1), leaky, nn.Conv2d(n, n, 3, padding=1), leaky, nn.Conv2d(n, channels, 7, padding=3)
        )
        _draw_small(self)

    @torch.no_grad()
    def initialize_transfer(self) -> None:
        """Begin by adding to the clean picture what a blur takes from the other one, its noise and texture.

        With the published small weights nothing is added for the first hundreds of steps, and the denoiser learns to do
        nothing. Two features for each channel hold the rough noise and its negative, as each leaky activation keeps one
        sign; the blocks begin as identities.

        Raises:
            UsageError: for fewer than two features a channel.

        Example:
            >>> generator, pictures = NoiseTransfer(3, features=6), torch.rand(2, 1, 3, 20, 20)
            >>> generator.initialize_transfer()
            >>> added = generator(*pictures) - pictures[0]
            >>> torch.allclose(added, pictures[1] - generator.Gas(pictures[1]), atol=1e-5)
            True
        """
        channels = self.Gas.in_channels
        into, first, second, out = (_weight(self, f"conv_{name}") for name in ("input.0", "output.0", "output.2", "output.4"))
        if len(into) < 2 * channels:
            raise UsageError(
                f"The generator needs at least {2 * channels} features to begin by copying noise; set "
                "denoiser.generator_features, or training.initialization=default."
            )
        self.Gas.weight.zero_()
        out.zero_()
        for kernel in (into, first, second):
            kernel[: 2 * channels] = 0
        gain = 1 + NEGATIVE_SLOPE**2  # r comes out as leaky(leaky(r)) − leaky(leaky(−r)), which is so many times r
        for place in range(channels):
            self.Gas.weight[place, place] = gaussian_kernel(7, FIRST_BLUR_PIXELS, 1)[0, 0]
            for sign, feature in ((1, place), (-1, channels + place)):
                into[feature, channels + place, 3, 3] = sign
                first[feature, feature, 1, 1] = second[feature, feature, 1, 1] = 1
                out[place, feature, 3, 3] = sign / gain
        for block in range(len(self.residual)):
            _weight(self, f"residual.{block}.conv2").zero_()

    def forward(self, clean: Tensor, other: Tensor) -> Tensor:
        rough = other - self.Gas(other)
        result: Tensor = clean + self.conv_output(self.residual(self.conv_input(torch.cat([clean, rough], dim=1))))
        return result


class PatchCritic(nn.Module):
    """Tells for each patch how real it looks, from the picture and what a blur takes away, (B, C, H, W) → (B, 1, h, w).

    Args:
        channels: of the pictures.
        features: of the first layer; the others have two, four and eight times as many (64 in the paper).

    Example:
        >>> PatchCritic(3, features=2)(torch.rand(1, 3, 32, 32)).shape
        torch.Size([1, 1, 2, 2])
    """

    def __init__(self, channels: int, features: int = 64) -> None:
        super().__init__()
        widths = [2 * channels, features, 2 * features, 4 * features, 8 * features]
        layers: list[nn.Module] = []
        for place, (one, other) in enumerate(pairwise(widths)):
            layers.append(nn.Conv2d(one, other, 4, stride=2 if place < 3 else 1, padding=1))
            layers += [nn.InstanceNorm2d(other)] if place else []
            layers.append(nn.LeakyReLU(NEGATIVE_SLOPE))
        self.model = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.Gas = Smoothing(channels)
        _draw_small(self.model)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.model(torch.cat([x, x - self.Gas(x)], dim=1))
        return result


class Collaboration(NamedTuple):
    """What one step of the four networks gives, for the loss; all of y is noisy, all of x is clean."""

    restored: Tensor
    """D(y), (B, C, H, W)."""
    made: Tensor
    """Four made noisy pictures of each, (4, B, C, H, W): of the clean one and of D(y), with the noise of y; of D(y) and
    of the restored first one, with the noise of the first one."""
    restored_made: Tensor
    """The first made picture restored, (B, C, H, W). It moves the denoiser alone."""
    judged: Tensor
    """The critic's word on the made pictures, (4, B, 1, h, w). It moves all but the critic."""
    judged_real: Tensor
    """The critic's word on y, (B, 1, h, w)."""
    judged_false: Tensor
    """The critic's word on the first made picture, (B, 1, h, w). It moves the critic alone."""
    earlier: Tensor | None
    """E(y), (B, C, H, W): what the earlier denoiser made of y; None before the first collaboration."""
    earlier_made: Tensor | None
    """E of the first made picture."""


class SCPGabN(Denoiser):
    """(B, channels, H, W) → the same shape, values in [0, 1], by DeamNet. Not blind.

    Args:
        channels: of the image.
        features: of DeamNet (64 in the paper).
        generator_features: of the generator (64 in the paper).
        critic_features: of the critic's first layer (64 in the paper).
        blocks: of the generator (6 in the paper).

    Example:
        >>> SCPGabN(features=16, generator_features=4, critic_features=2, blocks=1)(torch.rand(1, 3, 9, 7)).shape
        torch.Size([1, 3, 9, 7])
    """

    padding_mode = DeamNet.padding_mode
    size_multiple = DeamNet.size_multiple

    def __init__(
        self, channels: int = 3, features: int = 64, generator_features: int = 64, critic_features: int = 64, blocks: int = 6
    ) -> None:
        super().__init__()
        self.sizes = {
            "channels": channels,
            "features": features,
            "generator_features": generator_features,
            "critic_features": critic_features,
            "blocks": blocks,
        }
        self.denoiser = DeamNet(channels, features)
        self.generator = NoiseTransfer(channels, generator_features, blocks)
        self.critic = PatchCritic(channels, critic_features)
        self.earlier = DeamNet(channels, features).requires_grad_(False)
        self.rounds: Tensor
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))

    @property
    def receptive_field_radius(self) -> int:
        """That of DeamNet."""
        return self.denoiser.receptive_field_radius

    def initialize_he(self) -> None:
        """DeamNet's own draw, and `NoiseTransfer.initialize_transfer`. The critic keeps its draw."""
        self.denoiser.initialize_he()
        self.generator.initialize_transfer()

    def forward(self, x: Tensor, clean: Tensor | None = None, rounds: int = 0) -> Tensor | Collaboration:
        """The restored pictures; with `clean` one step of all networks.

        Args:
            x: noisy pictures, (B, C, H, W).
            clean: other, clean pictures of the same shape.
            rounds: how often the denoiser has taken the place of its earlier self by now; 0: there is none.
        """
        if clean is None:
            restored: Tensor = self.denoiser(x)
            return restored
        self._collaborate(rounds)
        return self._step(x, clean, with_earlier=rounds > 0)

    @torch.no_grad()
    def _collaborate(self, rounds: int) -> None:
        """Let the denoiser take the place of its earlier self, where another round has begun."""
        if rounds > int(self.rounds):
            self.earlier.load_state_dict(self.denoiser.state_dict())
            self.rounds.fill_(rounds)

    def _step(self, x: Tensor, clean: Tensor, *, with_earlier: bool) -> Collaboration:
        count = len(x)
        restored = self.denoiser(x)
        earlier = self.earlier(x) if with_earlier else None
        noise = x if earlier is None else x - earlier
        first, second = self.generator(torch.cat([clean, restored]), torch.cat([noise, noise])).split(count)
        restored_made = self.denoiser(first.detach())
        earlier_made = self.earlier(first) if with_earlier else None
        noise = first if earlier_made is None else first - earlier_made
        third_and_fourth = self.generator(torch.cat([restored, restored_made]), torch.cat([noise, noise]))
        made = torch.cat([first, second, third_and_fourth])
        still = {name: value.detach() for name, value in self.critic.named_parameters()}
        judged = torch.func.functional_call(self.critic, still, (made,))
        real, false = self.critic(torch.cat([x, first.detach()])).split(count)
        return Collaboration(
            restored, made.reshape(4, count, *made.shape[1:]), restored_made, judged.reshape(4, count, *judged.shape[1:]), real, false,
            earlier, earlier_made,
        )  # fmt: skip

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> Self | None:
        """As `Denoiser.from_weights`, from our own names or a published file with its state dicts.

        Files of the first stage have no earlier denoiser; the denoiser itself stands for it then.
        """
        ours = {
            mine + key.removeprefix(theirs).removeprefix("module."): value
            for key, value in weights.items()
            for mine, theirs in PARTS.items()
            if key.startswith(theirs) and not any(part in key for part in _UNUSED)
        }
        if not ours:
            return super().from_weights(weights)
        if not any(key.startswith("earlier.") for key in ours):
            ours |= {
                key.replace("denoiser.", "earlier.", 1): value for key, value in ours.items() if key.startswith("denoiser.")
            }
        return super().from_weights(ours | {"rounds": torch.ones((), dtype=torch.int64)})

    @classmethod
    def infer_sizes(cls, weights: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Sizes from the first layers of the three networks and the number of the generator's blocks."""
        first = weights.get("denoiser.transform_function.ext.conv2d.weight")
        generator, critic = weights.get("generator.conv_input.0.weight"), weights.get("critic.model.0.weight")
        if first is None or generator is None or critic is None:
            return None
        blocks = sum(key.startswith("generator.residual.") and key.endswith("conv1.weight") for key in weights)
        return {
            "channels": first.shape[1],
            "features": first.shape[0],
            "generator_features": generator.shape[0],
            "critic_features": critic.shape[0],
            "blocks": blocks,
        }


def _weight(part: nn.Module, name: str) -> Tensor:
    return part.get_parameter(f"{name}.weight")


def _draw_small(part: nn.Module) -> None:
    """Normal weights of `FIRST_DEVIATION`, and biases of zero, as published."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d) and module.weight.requires_grad:
            nn.init.normal_(module.weight, std=FIRST_DEVIATION)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
