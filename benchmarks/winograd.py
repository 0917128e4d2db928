"""Would Winograd's transform make 3×3 convolutions faster than the library's direct ones? It needs a quarter of the products.

    python benchmarks/winograd.py

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016: tiles of 4×4 results from 6×6 values, by
matrix products of torch, a few rows of tiles at a time so that they stay in the cache. Processor time of one core in
float32, both in turns.
"""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TILE, WINDOW = 4, 6
_INPUT = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_KERNEL = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
_OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
_FIRST_SCALE = 24


def _both_ways(matrix: list[list[int]]) -> Tensor:
    one = torch.tensor(matrix, dtype=torch.float64)
    return torch.kron(one, one).float()


TO_WINDOWS, TO_TILES = _both_ways(_INPUT), _both_ways(_OUTPUT)


def transformed(weight: Tensor) -> Tensor:
    """(O, C, 3, 3) → (36, C, O)."""
    kernel = torch.tensor(_KERNEL, dtype=torch.float64) / _FIRST_SCALE
    return torch.einsum("ai,ocij,bj->abco", kernel, weight.double(), kernel).flatten(0, 1).float().contiguous()


def convolve(x: Tensor, weight: Tensor, rows: int) -> Tensor:
    """(1, H, W, C) and (36, C, O) → (1, H, W, O), for H and W that divide by 4."""
    _, height, width, channels = x.shape
    padded = F.pad(x, (0, 0, 1, 1, 1, 1))
    down, right = padded.stride(1), padded.stride(2)
    result = torch.empty(height // TILE, TILE, width // TILE, TILE, weight.shape[2])
    for top in range(0, height // TILE, rows):
        number = min(rows, height // TILE - top)
        shape = WINDOW, WINDOW, number, width // TILE, channels
        windows = padded.as_strided(shape, (down, right, TILE * down, TILE * right, 1), top * TILE * down)
        values = (TO_WINDOWS @ windows.reshape(WINDOW**2, -1)).reshape(WINDOW**2, -1, channels)
        tiles = TO_TILES @ torch.bmm(values, weight).flatten(1)
        result[top : top + number] = tiles.reshape(TILE, TILE, number, width // TILE, -1).permute(2, 0, 3, 1, 4)
    return result.reshape(1, height, width, -1)


def main() -> None:
    torch.set_num_threads(1)
    print("| channels | side | direct, s | GFLOP/s | Winograd, s | direct / Winograd | largest error, of the largest value |")
    print("|---|---|---|---|---|---|---|")
    for channels, side in ((64, 256), (96, 256), (128, 128), (256, 128)):
        layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
        x = torch.rand(1, channels, side, side).contiguous(memory_format=torch.channels_last)
        weight, pixels = transformed(layer.weight.data), x.permute(0, 2, 3, 1)
        times: dict[str, list[float]] = {"direct": [], "winograd": []}
        with torch.inference_mode():
            for _ in range(4):
                for rows in (2, 4):
                    start = time.process_time()
                    found = convolve(pixels, weight, rows)
                    times["winograd"].append(time.process_time() - start)
                start = time.process_time()
                layer(x)
                times["direct"].append(time.process_time() - start)
            exact = F.conv2d(x.double(), layer.weight.double(), padding=1)
        error = ((found.permute(0, 3, 1, 2) - exact).abs().max() / exact.abs().max()).item()
        direct, other = (min(each) for each in times.values())
        rate = 18 * channels**2 * side**2 / direct / 1e9
        print(
            f"| {channels} | {side} | {direct:.3f} | {rate:.0f} | {other:.3f} | {direct / other:.2f} | {error:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
