"""What int8 would gain and cost the students of TM-BSN on a CPU: torch's int8 convolutions timed, their rounding simulated in float32.

    python benchmarks/int8.py speed default fast
    python benchmarks/int8.py quality default fast --data sidd-val:../shared/data/sidd_val polyu:../shared/data/polyu --limit 24

Nothing of the package runs in int8; `docs/results/speed.md` says why.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import unnoise
from unnoise.denoisers.atbsn_unet import LEVELS, SLOPE, Convolution
from unnoise.denoisers.fused import weights_kept
from unnoise.denoisers.layers import last_layer
from unnoise.denoisers.tmbsn import TMBSNStudent
from unnoise.noise import Camera

ZERO = 64
"""Of 0..255, what stands for 0 in a map: a leaky ReLU leaves a tenth below it."""
STRIPS = 8
ISO = (100, 1600, 12_800, 51_200)


class Rounded(nn.Module):
    """A `Convolution` that rounds its weights and its result to the whole numbers of int8, each channel with a scale of its own.

    While `watching` it rounds nothing and remembers the range of each channel.
    """

    def __init__(self, convolution: Convolution, *, weights: bool, result: bool) -> None:
        super().__init__()
        self.conv = copy.deepcopy(convolution.conv)
        self.result = result
        self.watching = True
        self.scale = torch.zeros(self.conv.out_channels)
        if weights:
            step = self.conv.weight.detach().abs().amax((1, 2, 3), keepdim=True) / 127
            self.conv.weight = nn.Parameter((self.conv.weight.detach() / step).round() * step)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.conv(x), SLOPE)
        if self.watching:
            needed = torch.maximum(y.amax((0, 2, 3)) / (255 - ZERO), -y.amin((0, 2, 3)) / ZERO)
            self.scale = torch.maximum(self.scale, needed).clamp_min(1e-9)
        elif self.result:
            scale = self.scale[:, None, None]
            y = (y / scale).round().clamp(-ZERO, 255 - ZERO) * scale
        return y

    def doubled(self, x: Tensor, skip: Tensor) -> Tensor:
        return self(torch.cat([F.interpolate(x, scale_factor=2.0), skip], dim=1))


def photographs() -> list[Tensor]:
    """Simulated ones that cover black, white, edges, colours, texture, weak and strong noise, each (1, 3, 96, 96)."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:96, :96] / 96
    texture = sum(np.kron(generator.random((96 // k, 96 // k, 3)), np.ones((k, k, 1))) for k in (1, 2, 4, 8, 16)) / 5
    scenes = [np.full((96, 96, 3), value) for value in (0.0, 0.1, 1.0)]
    scenes += [np.stack([columns, rows, 1 - columns], axis=-1), texture, np.clip(3 * texture - 1, 0, 1)]
    scenes += [np.kron(generator.integers(0, 2, (8, 8, 3)), np.ones((12, 12, 1)))]
    shots = [Camera(iso=iso).shoot(scene.astype(np.float32), generator) for scene in scenes for iso in ISO]
    return [torch.from_numpy(shot.transpose(2, 0, 1).copy())[None] for shot in shots]


def rounded(network: TMBSNStudent, float_maps: tuple[str, ...], *, weights: bool) -> TMBSNStudent:
    """The network with its hidden maps rounded but for `float_maps`, and perhaps its weights, all but the first and last layer's."""
    result = copy.deepcopy(network)
    for name, layer in list(result.named_children()):
        if isinstance(layer, Convolution):
            result.add_module(name, Rounded(layer, weights=weights and name != "enc1", result=name not in float_maps))
    with torch.inference_mode():
        for photograph in photographs():
            result(photograph)
    for layer in result.children():
        if isinstance(layer, Rounded):
            layer.watching = False
    return result


def quality(options: argparse.Namespace) -> None:
    """PSNR in float32, and how much rounding takes away."""
    for name in options.models:
        model = unnoise.load(name)
        forms = {
            "maps and weights": rounded(model.network, (), weights=True),
            "but for the map before the last layer": rounded(model.network, ("dec1_2",), weights=True),
            "that map alone": rounded(
                model.network, tuple(n for n, _ in model.network.named_children() if n != "dec1_2"), weights=False
            ),
        }
        for data in options.data:
            exact = _score(model.network, model, data, options.limit)
            print(f"{name}  {data.partition(':')[0]}  float32 {exact:.3f}", flush=True)
            for form, network in forms.items():
                print(f"    {form}: {_score(network, model, data, options.limit) - exact:+.3f}", flush=True)


def _score(network: TMBSNStudent, model: unnoise.Model, data: str, limit: int | None) -> float:
    return unnoise.evaluate(
        unnoise.Model(network, model.recipe), data, limit=limit, precision="float32", refine=False
    ).restored.psnr


class Whole:
    """A 3×3 convolution of whole numbers with weights drawn at random, (B, C, H, W) uint8 → (B, C', H, W).

    Args:
        kind: *relu* within the convolution; *before*, the leaky ReLU on what is rounded already; *after*, on float32, then rounded;
            *float*, the leaky ReLU on bfloat16, not rounded; *last*, float32.
    """

    def __init__(self, entering: int, leaving: int, kind: str) -> None:
        self.kind = kind
        self.scale, self.zero, self.bias = torch.ones(leaving), torch.zeros(leaving, dtype=torch.int32), torch.zeros(leaving)
        weight = torch.randint(-127, 128, (leaving, entering, 3, 3), dtype=torch.int8)
        self.weight = torch.ops.onednn.qconv_prepack(
            weight, self.scale, 1.0, ZERO, [1, 1], [1, 1], [1, 1], 1, [1, entering, 64, 64]
        )

    def __call__(self, x: Tensor) -> Tensor:
        types = {"after": torch.float32, "last": torch.float32, "float": torch.bfloat16}
        kind = types.get(self.kind, torch.uint8)
        zero, activation = (ZERO if kind == torch.uint8 else 0), ("relu" if self.kind == "relu" else "none")
        y = torch.ops.onednn.qconv2d_pointwise(
            x, 1.0, ZERO, self.weight, self.scale, self.zero, self.bias, [1, 1], [1, 1], [1, 1], 1,
            1.0, zero, kind, activation, [], "",
        )  # fmt: skip
        if self.kind == "before":
            below = y >> 1  # three thirty-seconds of it, as there is no product of uint8 that would not overflow
            below = torch.add(torch.tensor(8, dtype=torch.uint8), below, alpha=3, out=below).bitwise_right_shift_(4)
            return torch.maximum(y, below.add_(ZERO - 6))
        if self.kind == "after":
            return torch.quantize_per_tensor(F.leaky_relu_(y, SLOPE), 1.0, ZERO, torch.quint8).int_repr()
        return F.leaky_relu_(y, SLOPE) if self.kind == "float" else y


class WholeStudent:
    """The student's work in int8 on random weights, (1, 3, H, W) → (1, 3, H, W) for sides that divide by 32: for its time alone."""

    def __init__(self, width: int, kind: str, *, float_last: bool) -> None:
        wide = 2 * width
        self.last = nn.Conv2d(wide, 3, 3, padding=1) if float_last else Whole(wide, 3, "last")
        self.layers = {"enc1": Whole(6, width, kind)}  # each value of the picture in two digits
        for level in range(LEVELS, 0, -1):
            self.layers[f"enc{level + 1}"] = Whole(width, width, kind)
            entering = width if level == LEVELS else wide
            self.layers[f"dec{level}_2"] = Whole(entering + width, wide, "float" if float_last and level == 1 else kind)
            self.layers[f"dec{level}_1"] = Whole(wide, wide, kind)

    def __call__(self, x: Tensor) -> Tensor:
        steps = (x * 1024).to(torch.int16)
        y = torch.cat([steps >> 4, steps & 15], dim=1).to(torch.uint8).contiguous(memory_format=torch.channels_last)
        # At full size in strips for the caches, as the network does it; without the rows that strips share, which are few.
        strips = [self.layers["enc1"](strip) for strip in y.chunk(STRIPS, dim=2)]
        maps = []
        y = torch.cat([_pooled(strip) for strip in strips], dim=2)  # (1, width, H/2, W/2)
        for level in range(2, LEVELS + 2):
            y = self.layers[f"enc{level}"](y if level == 2 else _pooled(y))
            maps.append(y)
        maps.pop()
        for level in range(LEVELS, 1, -1):
            y = self.layers[f"dec{level}_1"](self.layers[f"dec{level}_2"](_joined(y, maps.pop())))
        results = []
        for half, skip in zip(y.chunk(STRIPS, dim=2), strips, strict=True):
            features = self.layers["dec1_2"](_joined(half, skip))
            results.append(last_layer(self.last, features) if isinstance(self.last, nn.Conv2d) else self.last(features))
        return torch.cat(results, dim=2)


def _pooled(x: Tensor) -> Tensor:
    return torch.ops.quantized.max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], False)


def _joined(x: Tensor, skip: Tensor) -> Tensor:
    """x with its sides doubled and the skip beside it, (1, C, H/2, W/2) and (1, S, H, W) → (1, C + S, H, W)."""
    height, width = x.shape[-2:]
    joined = x.new_empty(len(x), 2 * height, 2 * width, x.shape[1] + skip.shape[1]).permute(0, 3, 1, 2)
    apart = joined[:, : x.shape[1]].unflatten(2, (height, 2)).unflatten(4, (width, 2))  # (1, C, H/2, 2, W/2, 2)
    apart.copy_(x[:, :, :, None, :, None].expand_as(apart))
    joined[:, x.shape[1] :] = skip
    return joined


def speed(options: argparse.Namespace) -> None:
    """Seconds of processor time on one thread, the forms in turn, the least of each."""
    warnings.filterwarnings("ignore", "torch.quantize_per_tensor")
    for name in options.models:
        network = unnoise.load(name).network.eval().to(memory_format=torch.channels_last)
        width = network.sizes["width"]

        def bfloat16(x: Tensor, network: nn.Module = network) -> None:
            with torch.autocast("cpu", torch.bfloat16), weights_kept(network):
                network(x)

        forms: dict[str, Callable[[Tensor], object]] = {
            "bfloat16": bfloat16,
            "int8, ReLU": WholeStudent(width, "relu", float_last=False),
            "int8, rounded before the leaky ReLU": WholeStudent(width, "before", float_last=False),
            "int8, rounded after it": WholeStudent(width, "after", float_last=False),
            "int8, rounded after it, last map bfloat16": WholeStudent(width, "after", float_last=True),
        }
        for side in options.sides:
            x = torch.rand(1, 3, side, side).contiguous(memory_format=torch.channels_last)
            best = dict.fromkeys(forms, float("inf"))
            for _ in range(options.repeats + 1):
                for form, call in forms.items():
                    start = time.process_time()
                    with torch.inference_mode():
                        call(x)
                    best[form] = min(best[form], time.process_time() - start)
            print(f"{name}  {side}²", flush=True)
            for form, took in best.items():
                print(f"    {form}: {took:.4f} s, {best['bfloat16'] / took:.2f} times as fast as bfloat16", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("speed", "quality"))
    parser.add_argument("models", nargs="+", help="students of TM-BSN: names or files")
    parser.add_argument("--data", nargs="+", default=[], metavar="SET:DIR")
    parser.add_argument("--limit", type=int, help="score so many pictures of each set")
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--repeats", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(1)
    speed(options) if options.what == "speed" else quality(options)


if __name__ == "__main__":
    main()
