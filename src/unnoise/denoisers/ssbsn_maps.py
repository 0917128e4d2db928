"""Similarity maps of SS-BSN: how similar one pixel is to all others in each SS-Block, as in Figs. 1 and 7 of the paper.

Han and Yu, "SS-BSN: Attentive Blind-Spot Network for Self-Supervised Denoising with Nonlocal Self-Similarity", IJCAI
2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unnoise.denoisers.base import Denoiser
from unnoise.denoisers.ssattention import SSBlock
from unnoise.errors import UsageError
from unnoise.registry import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def similarity_map(model_or_network: Any, image: Any, pixel: tuple[int, int]) -> dict[str, Tensor]:
    """The cosine similarity of one pixel to each other pixel, by which SS-Attention weighs them.

    The network runs on the image as it is, without PD.

    Args:
        model_or_network: a `Model`, or the bare network.
        image: one image, as `Model.denoise` takes it; for a bare network also float (C, H, W) or (1, C, H, W) in its
            value range.
        pixel: row and column, from 0.

    Returns:
        For each SS-Block, by its name in the network: (H, W) in −1..1. NaN where the block compares nothing, since it
        sees only pixels that lie multiples of γ·d away.

    Raises:
        UsageError: for a network without SS-Blocks, several images, or a pixel outside.

    Example:
        >>> from unnoise import denoisers
        >>> network = denoisers.create("ssbsn", features=8, modules=1, attention_modules=1)
        >>> list(similarity_map(network, torch.rand(3, 12, 12) * 255, (3, 4)))
        ['branch1.body.6', 'branch2.body.6']
    """
    network, x = _prepare(model_or_network, image)
    row, column = pixel
    height, width = x.shape[-2:]
    if not (0 <= row < height and 0 <= column < width):
        raise UsageError(f"The pixel {(row, column)} lies outside of the image of {height} rows and {width} columns.")
    maps: dict[str, Tensor] = {}

    def record(name: str, block: SSBlock, z: Tensor) -> None:
        queries = block.queries(z)[0]  # (F, H, W)
        seen = torch.full((height, width), torch.nan)
        grid = (slice(row % block.grid, None, block.grid), slice(column % block.grid, None, block.grid))
        seen[grid] = torch.einsum("f,fhw->hw", queries[:, row, column], queries[:, *grid]).float().cpu()
        maps[name] = seen

    hooks = [
        block.register_forward_pre_hook(lambda block, inputs, name=name: record(name, block, inputs[0]))
        for name, block in _blocks(network)
    ]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return maps


def plot_similarity(model_or_network: Any, image: Any, pixel: tuple[int, int], *, count: int = 50) -> Figure:
    """Draw the most similar pixels as yellow circles, larger for more similar, and the pixel itself as a red one.

    The first panel is the image. One panel for each SS-Block follows, with a row for each branch.

    Args:
        model_or_network, image, pixel: as for `similarity_map`, which may raise.
        count: how many pixels are drawn.

    >>> import numpy as np
    >>> from unnoise import denoisers
    >>> network = denoisers.create("ssbsn", features=4, modules=1, attention_modules=1)
    >>> figure = plot_similarity(network, np.random.default_rng(0).random((24, 24, 3), np.float32), (12, 12), count=3)
    >>> len(figure.axes) > 1
    True
    """
    require("matplotlib", "A plot")
    from matplotlib.figure import Figure

    maps = similarity_map(model_or_network, image, pixel)
    network, x = _prepare(model_or_network, image)
    low, high = network.value_range
    picture = ((x[0].float() - low) / (high - low)).clamp(0, 1).permute(1, 2, 0).cpu()  # (H, W, C)
    picture = picture if picture.shape[2] == 3 else picture.mean(2, keepdim=True).expand(-1, -1, 3)
    branches = sorted({name.split(".")[0] for name in maps})
    columns = 1 + len(maps) // len(branches)
    figure = Figure(figsize=(3 * columns, 3 * len(branches)), layout="constrained")
    panels = figure.subplots(len(branches), columns, squeeze=False)
    for panel in panels.flat:
        panel.set_axis_off()
    _draw(panels[0, 0], picture, "noisy", None, pixel, count)
    for line, branch in enumerate(branches):
        names = [name for name in maps if name.startswith(f"{branch}.")]
        for place, name in enumerate(names, start=1):
            _draw(panels[line, place], picture, f"{branch}, SS-Block {place}", maps[name], pixel, count)
    return figure


def _draw(panel: Axes, picture: Tensor, title: str, similarity: Tensor | None, pixel: tuple[int, int], count: int) -> None:
    from matplotlib.patches import Circle

    panel.imshow(picture.numpy())
    panel.set_title(title)
    largest = max(2.0, max(picture.shape[:2]) / 25)
    if similarity is not None:
        others = similarity.clone()
        others[pixel] = torch.nan
        values, places = others.nan_to_num(-torch.inf).flatten().topk(min(count, int(others.isfinite().sum())))
        share = (values - values[-1:]) / (values[:1] - values[-1:]).clamp_min(
            1e-12
        )  # 1 for the most similar pixel, 0 for the least
        for radius, place in zip((0.25 + 0.75 * share) * largest, places.tolist(), strict=True):
            row, column = divmod(place, similarity.shape[1])
            panel.add_patch(Circle((column, row), float(radius), fill=False, edgecolor="yellow"))
    panel.add_patch(Circle((pixel[1], pixel[0]), largest, fill=False, edgecolor="red", linewidth=2))


def _prepare(model_or_network: Any, image: Any) -> tuple[Denoiser, Tensor]:
    """The bare network, and the image in its values, (1, channels, H, W), on its device."""
    from unnoise.images import to_tensor

    network = model_or_network if isinstance(model_or_network, nn.Module) else model_or_network.network
    if not isinstance(network, Denoiser) or not _blocks(network):
        raise UsageError(
            "This network has no SS-Blocks that could show similarities; give an 'ssbsn' with attention_modules ≥ 1."
        )
    if network is model_or_network and isinstance(image, Tensor) and image.is_floating_point():
        x = image[None] if image.dim() == 3 else image
    else:
        low, high = network.value_range
        x = to_tensor(image)[0] * (high - low) + low
    channels = network.sizes["channels"]
    if x.dim() != 4 or x.shape[0] != 1 or x.shape[1] not in (1, channels):
        raise UsageError(f"Expected one image of {channels} channels, got a tensor of shape {tuple(x.shape)}.")
    first = next(network.parameters())
    return network, x.expand(-1, channels, -1, -1).to(first.device, first.dtype)


def _blocks(network: nn.Module) -> list[tuple[str, SSBlock]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, SSBlock)]
