"""Draw the figures of docs/methods.md from our own networks and schemes: PD, blind spots, masks, R³.

    python benchmarks/book_figures.py --out docs/images

Nothing is trained: what a network may see depends on its structure alone, and so random weights show it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from unnoise import denoisers
from unnoise.layers.polyphase import split_batch
from unnoise.schemes.masks import complementary_masks
from unnoise.simulation.camera import Camera
from unnoise.simulation.dead_leaves import dead_leaves

WINDOW = 33
"""Side of the maps of blind spots, in pixels."""
SIDE = 65
"""Of the picture that the network sees, so that its borders are far from the window."""
SCENE = 200
"""Side of the picture that is split and masked."""
DPI = 110
NETWORKS: tuple[tuple[str, dict[str, Any], dict[str, Any], str], ...] = (
    ("dbsn", {"features": 8, "modules": 1}, {}, "D-BSN (AP-BSN)"),
    ("ssbsn", {"features": 8, "modules": 1, "attention_modules": 1}, {}, "SS-BSN"),
    ("atbsn", {"width": 8}, {"blind_spot": 3}, "AT-BSN, blind spot 3"),
    ("atbsn", {"width": 8}, {"blind_spot": 9}, "AT-BSN, blind spot 9"),
    ("tmbsn", {"features": 8, "groups": 1, "blocks": 1}, {"blind_spot": 1}, "TM-BSN, blind spot 1"),
    ("tmbsn", {"features": 8, "groups": 1, "blocks": 1}, {"blind_spot": 5}, "TM-BSN, blind spot 5"),
    ("unet-blindspot", {"features": 8}, {}, "U-Net with a blind spot"),
    ("tmbsn-student", {"width": 8}, {}, "student: not blind"),
)


def influence(network: Callable[..., Tensor], side: int, **call: Any) -> NDArray[Any]:
    """How much each pixel of the input moves the middle pixel of the output, (side, side), largest 1."""
    torch.manual_seed(0)
    x = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    network(x, **call)[0, :, side // 2, side // 2].sum().backward()
    assert x.grad is not None
    found: NDArray[Any] = x.grad[0].abs().sum(0).numpy()
    return found / found.max()


def blind_spots() -> Figure:
    """What each network sees of the neighbourhood of a pixel."""
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    for axis, (name, sizes, call, title) in zip(axes, NETWORKS, strict=True):
        torch.manual_seed(0)
        network = denoisers.create(name, **sizes).double()
        seen = influence(network, SIDE, **call)
        middle, reach = len(seen) // 2, WINDOW // 2
        part = seen[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        shown = np.full(part.shape, np.nan)
        shown[part > 0] = np.log10(part[part > 0])
        axis.set_facecolor("#d9480f")
        axis.imshow(shown, cmap="Greys_r", vmin=-6, vmax=0, extent=(-reach - 0.5, reach + 0.5, reach + 0.5, -reach - 0.5))
        axis.plot(0, 0, "+", color="#1c7ed6", markersize=9, markeredgewidth=2)
        axis.set_title(title, fontsize=9)
        axis.set_xticks([-10, 0, 10])
        axis.set_yticks([-10, 0, 10])
        axis.tick_params(labelsize=7)
    return figure


def noisy_and_clean() -> tuple[NDArray[Any], NDArray[Any]]:
    """A picture of a simulated camera, whose noise is correlated, and the same without noise, (H, W, 3) uint8."""
    generator = np.random.default_rng(3)
    palette = generator.uniform(0.1, 0.8, (40, 1)) + 0.3 * (generator.uniform(0, 1, (40, 3)) - 0.5)
    leaves = dead_leaves(2 * SCENE, palette.clip(0, 1).astype(np.float32), generator)
    scene = np.rint(255 * leaves.reshape(SCENE, 2, SCENE, 2, 3).mean((1, 3))).astype(np.uint8)
    camera = Camera(iso=12800, jpeg=None)
    return camera.shoot(scene, seed=1), camera.develop(scene)


def correlation(noise: NDArray[Any]) -> float:
    """Correlation of the noise of pixels side by side."""
    centred = noise - noise.mean()
    return float((centred[..., 1:] * centred[..., :-1]).mean() / (centred**2).mean())


def pixel_shuffle() -> Figure:
    """A picture, its components of stride 2 and 5, and the correlation of neighbours' noise in each."""
    noisy, clean = (torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] for pixels in noisy_and_clean())
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axis, stride in zip(figure.subplots(1, 3), (1, 2, 5), strict=True):
        parts = split_batch(noisy, stride)  # (s², C, h, w)
        noise = (parts - split_batch(clean, stride)).numpy()
        rows = [torch.cat(list(parts[row * stride : (row + 1) * stride]), dim=-1) for row in range(stride)]
        mosaic = torch.cat(rows, dim=-2).permute(1, 2, 0).numpy() / 255
        axis.imshow(mosaic.clip(0, 1), interpolation="nearest")
        name = "the picture" if stride == 1 else f"its {stride**2} components of stride {stride}"
        axis.set_title(f"{name}\nneighbours' noise correlates by {correlation(noise):.2f}", fontsize=9)
        axis.axis("off")
    return figure


def masks() -> Figure:
    """Complementary masks, which together hide each pixel once; and what a pass of R³ sees."""
    noisy, clean = noisy_and_clean()
    part = np.s_[60:84, 60:84]
    picture, estimate = noisy[part] / 255, clean[part] / 255
    hidden = complementary_masks(4, 1, 24, 24, torch.Generator().manual_seed(0))[:, 0, 0].numpy()
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    axes = figure.subplots(1, 5)
    for number, axis in enumerate(axes[:3]):
        kept = hidden[number]
        shown = np.where(kept[..., None] > 0, picture, 1.0)
        axis.imshow(shown.clip(0, 1), interpolation="nearest")
        axis.set_title(f"mask {number + 1} of {len(hidden)}", fontsize=9)
    axes[3].imshow(estimate.clip(0, 1), interpolation="nearest")
    axes[3].set_title("an estimate", fontsize=9)
    replaced = np.random.default_rng(0).random((24, 24, 1)) < 0.16
    axes[4].imshow(np.where(replaced, picture, estimate).clip(0, 1), interpolation="nearest")
    axes[4].set_title("R³: noisy pixels put back", fontsize=9)
    for axis in axes:
        axis.axis("off")
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {"pd": pixel_shuffle, "blind-spots": blind_spots, "masks": masks}


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the figures of docs/methods.md.")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the figures (default: docs/images)")
    parser.add_argument("--only", choices=FIGURES, nargs="*", help="some of them")
    options = parser.parse_args()
    for name in options.only or FIGURES:
        path = options.out / f"{name}.webp"
        FIGURES[name]().savefig(path, dpi=DPI, pil_kwargs={"quality": 85})
        print(path)


if __name__ == "__main__":
    main()
