"""Draw the figures of docs/methods.md from our own networks, schemes and runs.

    python benchmarks/book_figures.py --out docs/images
    python benchmarks/book_figures.py --only attention --attention-model runs/ss-bsn

What a network may see depends on its structure alone, and so random weights show it. What it attends to must be learned:
that figure takes a model of `unnoise train --recipe ss-bsn-quick`. Students and their teacher are those that ship.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray
from torch import Tensor

import unnoise
from unnoise import denoisers
from unnoise.denoisers.ssbsn_maps import similarity_map
from unnoise.evaluation.metrics import psnr
from unnoise.images import to_tensor
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
TEACHER, STUDENT = "tm-bsn", "fast"
CAT = np.s_[30:286, 110:366]
CAT_ISO = 12800
ATTENTION_ISO = 3200
SIMILAR_PIXELS = 40
ASKED = {(51, 56): "at the edge of a window", (38, 50): "of the plain wall"}
"""Row and column of the pixels whose likes are marked."""
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


def facade() -> NDArray[Any]:
    """A house with rows of equal windows, (H, W, 3) uint8: what self-similarity is good for."""
    scene = np.empty((104, 144, 3), np.float32)
    scene[:] = (196, 172, 140)
    scene[:14] = (120, 150, 190)  # the sky
    for top in range(22, 100, 27):
        for left in range(8, 140, 23):
            scene[top : top + 18, left : left + 13] = (236, 232, 224)
            scene[top + 2 : top + 16, left + 2 : left + 11] = (58, 66, 80)
            scene[top + 8 : top + 10, left + 2 : left + 11] = (236, 232, 224)
    shifted = [np.roll(scene, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)]  # as by a lens
    return np.mean(shifted, axis=0).astype(np.uint8)


def attention(model: Path) -> Figure:
    """Which pixels a trained SS-BSN takes for similar to one pixel, in its last block of each branch."""
    network = unnoise.load(model).network
    scene = facade()
    noisy = Camera(iso=ATTENTION_ISO, jpeg=None).shoot(scene, seed=1)
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    rows = figure.subplots(len(ASKED), 3)
    x = torch.from_numpy(noisy.astype(np.float32)).permute(2, 0, 1)
    for line, (pixel, what) in zip(rows, ASKED.items(), strict=True):
        maps = similarity_map(network, x, pixel)
        last = {name.partition(".")[0]: name for name in maps}  # the last block of each branch
        shown = [(f"a pixel {what}", None), *((f"the most similar in {each}", last[each]) for each in last)]
        for axis, (title, name) in zip(line, shown, strict=True):
            axis.imshow(noisy, interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.axis("off")
            if name is not None:
                others = maps[name].nan_to_num(-1)
                others[pixel] = -1
                for rank, place in enumerate(others.flatten().topk(SIMILAR_PIXELS).indices.tolist()):
                    row, column = divmod(place, noisy.shape[1])
                    radius = 3.5 - 2.5 * rank / SIMILAR_PIXELS
                    axis.add_patch(Circle((column, row), radius, fill=False, edgecolor="#ffd43b", linewidth=1.3))
            axis.add_patch(Circle((pixel[1], pixel[0]), 4, fill=False, edgecolor="#e03131", linewidth=2))
    return figure


def distillation() -> Figure:
    """A blind teacher, and the student that learned from results such as its."""
    from skimage import data

    camera = Camera(iso=CAT_ISO, jpeg=95)
    cat = data.chelsea()[CAT]
    noisy, clean = camera.shoot(cat, seed=0), camera.develop(cat)
    shown = [("noisy", noisy)]
    taken: dict[str, float] = {}
    for name in (TEACHER, STUDENT):
        model = unnoise.load(name)
        for _ in range(2):  # the first call prepares
            began = time.process_time()
            restored = model.denoise(noisy)
            taken[name] = time.process_time() - began
        shown.append((name, restored))
    figure = Figure(figsize=(9, 2.7), layout="constrained")
    part = np.s_[60:160, 60:160]
    words = {TEACHER: "teacher, blind", STUDENT: f"student, {taken[TEACHER] / taken[STUDENT]:.0f} times as fast"}
    for axis, (name, picture) in zip(figure.subplots(1, 4), [*shown, ("the truth", clean)], strict=True):
        axis.imshow(picture[part], interpolation="nearest")
        level = "" if picture is clean else f"\n{psnr(to_tensor(picture)[0], to_tensor(clean)[0]).item():.2f} dB"
        axis.set_title(f"{name}: {words[name]}{level}" if name in words else f"{name}{level}", fontsize=9)
        axis.axis("off")
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    "pd": pixel_shuffle, "blind-spots": blind_spots, "masks": masks, "distillation": distillation,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the figures of docs/methods.md.")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the figures (default: docs/images)")
    parser.add_argument("--only", choices=[*FIGURES, "attention"], nargs="*", help="some of them")
    parser.add_argument("--attention-model", type=Path, help="a trained ssbsn; without it the figure of attention is left out")
    options = parser.parse_args()
    drawn = FIGURES | ({"attention": lambda: attention(options.attention_model)} if options.attention_model else {})
    for name in options.only or drawn:
        if name not in drawn:
            parser.error("--only attention needs --attention-model")
        path = options.out / f"{name}.webp"
        drawn[name]().savefig(path, dpi=DPI, pil_kwargs={"quality": 85})
        print(path)


if __name__ == "__main__":
    main()
