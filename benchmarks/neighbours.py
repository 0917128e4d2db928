"""Seconds of the neighbouring methods' networks for one picture, in their fast form and in the plain one.

    python benchmarks/neighbours.py                          # all of them, at their papers' sizes, 256×256 pixels
    python benchmarks/neighbours.py tbsn puca --side 128     # some
    python benchmarks/neighbours.py --profile --side 128     # which share of the fast form is convolutions and products

The plain form is layer by layer in float32, as the published code computes it: see `speed_plain.py`, and the forms here.
Both are float32 and timed by processor time, in turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from speed_plain import as_published
from unnoise import denoisers
from unnoise.denoisers import lgbpn, masked_attention, posterior_denoiser, puca, window_attention
from unnoise.denoisers.base import Denoiser
from unnoise.layers.gaussian_posterior import GaussianPrior

NETWORKS = {
    "tbsn": {}, "puca": {}, "lgbpn": {}, "bnn": {}, "lan": {}, "unet-nearest": {}, "cvf-sid": {}, "cbdnet": {}, "ridnet": {},
    "vdn": {}, "danet": {}, "ffdnet": {}, "drunet": {}, "scunet": {}, "laine19": {}, "dbsn-first": {}, "mash-unet": {},
    "self2self-unet": {}, "dbsn": {"features": 64, "modules": 4}, "scpgabn": {}, "cvf-sid-twice": {}, "c2n": {}, "gcbd": {}, "i2v": {},
}  # fmt: skip
"""With sizes other than the defaults, which are the papers'."""


def _masked_windows(self: Any, x: Tensor, norm: Any) -> Tensor:
    """TBSN: all keys of each window, and minus infinity for three of four."""
    q, k, v = self.qkv(norm(x)).chunk(3, dim=1)
    (batch, _, height, width), window, reach = x.shape, self.window, self.reach
    around, rows, columns = (reach - window) // 2, height // window, width // window
    q = q.reshape(batch, self.heads, self.width, rows, window, columns, window).permute(0, 3, 5, 1, 4, 6, 2)
    q = q.flatten(4, 5).flatten(0, 2) * self.width**-0.5  # (windows, heads, window², width)
    k, v = (
        F.unfold(F.pad(part, (around,) * 4), reach, stride=window)
        .reshape(batch, self.heads, self.width, reach**2, rows * columns)
        .permute(0, 4, 1, 3, 2)
        .flatten(0, 1)
        for part in (k, v)
    )
    place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    seen = torch.cartesian_prod(torch.arange(reach), torch.arange(reach))
    away = seen - place[:, None] + reach - 1
    position = self.rel_pos_emb.rel_height[away[..., 0]] + self.rel_pos_emb.rel_width[away[..., 1]]
    odd = ((seen - around - place[:, None]) % 2).any(-1)
    scores = torch.einsum("nhpc,nhkc->nhpk", q, k) + torch.einsum("nhpc,pkc->nhpk", q, position)
    mixed = scores.masked_fill(odd, -torch.inf).softmax(-1) @ v
    mixed = mixed.reshape(batch, rows, columns, self.heads, window, window, self.width)
    mixed = mixed.permute(0, 3, 6, 1, 4, 2, 5).reshape(batch, -1, height, width)
    return x + self.project_out(mixed)


def _puca_first(self: Any, x: Tensor) -> Tensor:
    """PUCA: the first four layers one after the other."""
    intro = self.intro
    return self.masked_conv(F.conv2d(x[:, :-1], intro.weight) + intro.bias[:, None, None] * x[:, -1:])


def _puca_last(self: Any, x: Tensor) -> Tensor:
    return self.tail(self.final(x))


def _gathered(self: Any, x: Tensor, ratio: float = 1.0) -> Tensor:
    """LG-BPN: for each tap the interpolated picture, then its product."""
    k = self.kernel_size[0]
    radius, (height, width) = k // 2, x.shape[-2:]
    padded = F.pad(x, (radius,) * 4, mode="reflect")
    result = self.bias[:, None, None].expand(len(x), -1, height, width).clone()
    weight = self.weight * self.mask
    for i in range(k):
        for j in range(k):
            down, right = (i - radius) * ratio + radius, (j - radius) * ratio + radius
            top, left = int(down), int(right)
            a, b = down - top, right - left
            seen = 0.0
            for row, share in ((top, 1 - a), (top + 1, a)):
                for column, part in ((left, 1 - b), (left + 1, b)):
                    if share * part > 0:
                        seen = seen + share * part * padded[..., row : row + height, column : column + width]
            result = result + F.conv2d(seen, weight[..., i : i + 1, j : j + 1])  # type: ignore[arg-type]
    return result


def _masked_shift(self: Any, qkv: Tensor) -> Tensor:
    """SCUNet: products and masks of all windows."""
    batch, height, width, channels = qkv.shape
    window, rows, columns = window_attention.WINDOW, height // 8, width // 8
    parts = qkv.reshape(batch, rows, window, columns, window, 3, self.heads, channels // 3 // self.heads)
    q, k, v = parts.permute(5, 6, 0, 1, 3, 2, 4, 7).flatten(3, 4).flatten(4, 5)  # (heads, B, windows, 64, width)
    scores = torch.einsum("hbwpc,hbwqc->hbwpq", q, k) * q.shape[-1] ** -0.5 + self.positions()[:, None, None]
    if self.shifted:
        mask = torch.zeros(rows, columns, 8, 8, 8, 8, dtype=torch.bool)
        mask[-1, :, :4, :, 4:, :] = mask[-1, :, 4:, :, :4, :] = True
        mask[:, -1, :, :4, :, 4:] = True
        mask[:, -1, :, 4:, :, :4] = True
        scores = scores.masked_fill(mask.flatten(4, 5).flatten(2, 3).flatten(0, 1), -torch.inf)
    mixed = scores.softmax(-1) @ v  # (heads, B, windows, 64, width)
    mixed = mixed.reshape(self.heads, batch, rows, columns, 8, 8, -1).permute(1, 2, 4, 3, 5, 0, 6)
    return mixed.reshape(batch, height, width, channels // 3)


def _inverses(self: Any, x: Tensor, *, only_prior: bool = False) -> Tensor:
    """Laine et al. and D-BSN: three inverses of 3×3 for each pixel, in float64."""
    mean, factor, noise = self.prior(x)
    size = x.shape[1]
    if factor.shape[1] == size:
        upper = torch.diag_embed(factor.permute(0, 2, 3, 1).double())
    else:
        upper = x.new_zeros(len(x), *x.shape[2:], size, size, dtype=torch.float64)
        row, column = torch.triu_indices(size, size)
        upper[..., row, column] = factor.permute(0, 2, 3, 1).double()
    least = 1e-6 * torch.eye(size, dtype=torch.float64)
    one = (upper @ upper.mT + least).inverse()
    other = (torch.diag_embed(noise.square().double().expand_as(x).permute(0, 2, 3, 1)) + least).inverse()
    means, pixels = (part.permute(0, 2, 3, 1)[..., None].double() for part in (mean, x))
    mixed = (one + other + least).inverse() @ (one @ means + other @ pixels)
    return mixed[..., 0].permute(0, 3, 1, 2).to(x.dtype)


FORMS: list[tuple[type[Any], str, Any]] = [
    (masked_attention.MaskedWindowAttention, "forward", _masked_windows),
    (puca.PUCA, "_first", _puca_first),
    (puca.PUCA, "_last", _puca_last),
    (lgbpn.DenseSampledConv2d, "forward", _gathered),
    (window_attention.WindowAttention, "_attended", _masked_shift),
    (posterior_denoiser.PosteriorDenoiser, "forward", _inverses),
]


def plain(network: Denoiser) -> Denoiser:
    """Change the network in place to its plain form."""
    for module in network.modules():
        for kind, name, function in FORMS:
            if isinstance(module, kind):
                setattr(module, name, MethodType(function, module))
    return as_published(network)


def _lively(name: str) -> Denoiser:
    """The network with weights that let the picture through, so that both forms can be compared."""
    torch.manual_seed(0)
    network = denoisers.create(name, **NETWORKS[name])
    network.initialize_he()
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.data += 0.02 * torch.randn_like(parameter)
    return network.eval()


def measure(name: str, side: int, rounds: int) -> tuple[float, float, float]:
    """Processor seconds of the fast and the plain form, and the largest difference over the largest value."""
    fast, slow = (_lively(name) for _ in range(2))
    slow = plain(slow)
    x = torch.rand(1, 3, side, side) * fast.value_range[1]
    seconds: dict[str, list[float]] = {"fast": [], "plain": []}
    results: dict[str, Tensor] = {}
    for number in range(rounds + 1):
        for form in ("fast", "plain"):
            start = time.process_time()
            if form == "fast":
                with torch.inference_mode():
                    results[form] = fast(x.contiguous(memory_format=torch.channels_last))
            else:
                results[form] = slow(x)
            if number:  # the first round is not counted
                seconds[form].append(time.process_time() - start)
    told = results["plain"]
    assert not isinstance(told, GaussianPrior)
    difference = (results["fast"] - told).abs().max() / told.abs().max()
    return statistics.median(seconds["fast"]), statistics.median(seconds["plain"]), difference.item()


PRODUCTS = ("convolution", "mkldnn", "mm", "bmm", "linear", "attention")
"""Parts of the names of operations that are sums of products, which no rearrangement of layers makes faster."""


def profile(name: str, side: int) -> tuple[float, str]:
    """The share of the fast form's time that convolutions and products take, and the largest other operations."""
    network = _lively(name)
    x = (torch.rand(1, 3, side, side) * network.value_range[1]).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(x)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
            network(x)
    times = {each.key: each.self_cpu_time_total for each in found.key_averages()}
    total = sum(times.values())
    others = {key: value for key, value in times.items() if not any(part in key for part in PRODUCTS)}
    largest = sorted(others, key=lambda key: -others[key])[:3]
    told = ", ".join(f"{key.removeprefix('aten::')} {others[key] / total:.0%}" for key in largest)
    return 1 - sum(others.values()) / total, told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.profile:
        print("| network | convolutions and products | largest others |")
        print("|---|---|---|")
        for name in options.networks:
            share, others = profile(name, options.side)
            print(f"| `{name}` | {share:.0%} | {others} |", flush=True)
        return
    print("| network | fast, s | plain, s | plain / fast | difference |")
    print("|---|---|---|---|---|")
    for name in options.networks:
        fast, slow, difference = measure(name, options.side, options.rounds)
        print(f"| `{name}` | {fast:.2f} | {slow:.2f} | {slow / fast:.2f} | {difference:.0e} |", flush=True)


if __name__ == "__main__":
    main()
