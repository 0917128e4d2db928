"""Applying a network to pictures: value range, channels, tiles, precision, the scheme, and what refines its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.errors import UsageError
from unnoise.inference.precision import choose_precision
from unnoise.inference.tiles import cut
from unnoise.refinement import R3, self_ensemble
from unnoise.schemes.base import Scheme

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and the number of all."""

WHOLE = 1_500_000
"""Pictures of up to so many pixels run in one piece unless a tile size is given."""
SIDE = 1024
"""Core of a tile where none is given, in pixels."""
UNBOUNDED_HALO = 64
"""Halo for networks that declare no finite reach, in pixels."""


@dataclass(frozen=True)
class Settings:
    """How a network is applied; every field may stay as it is."""

    refinement: R3 | None = None
    ensemble: bool = False
    tile: int | None = None
    """Side of a tile's core in pixels; None: one piece up to `WHOLE` pixels, then `SIDE`."""
    precision: str | None = None
    seed: int = 0
    """Of R³'s draws."""

    def __post_init__(self) -> None:
        if self.tile is not None and self.tile < 16:
            raise UsageError(f"A tile must be at least 16 pixels wide, got {self.tile}.")


def restore(network: Denoiser, scheme: Scheme, noisy: Tensor, settings: Settings, progress: Progress | None = None) -> Tensor:
    """Restore pictures with a trained network.

    Args:
        network: in its own value range, on any device.
        scheme: the one it was trained by.
        noisy: (B, C, H, W), values in 0..1, on any device; the pictures run one after the other.
        settings: see `Settings`.
        progress: called after each tile.

    Returns:
        (B, C, H, W) float32 in about 0..1, not clipped, on the device of `noisy`.

    A network of three channels gets a grey picture three times and its outputs are averaged; a network of one channel, and pictures
    with any other number, go channel by channel.
    """
    device = next(network.parameters()).device
    precision = choose_precision(settings.precision, device)
    low, high = network.value_range
    height, width = noisy.shape[-2:]
    pictures = _fit_channels(noisy, network.sizes.get("channels", 3))
    side = settings.tile or (max(height, width) if height * width <= WHOLE else SIDE)
    tiles = list(cut(height, width, side, _halo(network, scheme, settings), scheme.phase * network.multiple))
    restored = torch.empty_like(pictures, dtype=torch.float32)
    generator = torch.Generator()
    done = 0
    was_training = network.training
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        for index, picture in enumerate(pictures):
            generator.manual_seed(settings.seed)
            for tile in tiles:
                piece = picture[None, :, *tile.read].to(device, torch.float32) * (high - low) + low
                with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
                    result = _restore_piece(network, scheme, piece, settings, generator)
                result = (result.float() - low) / (high - low)
                restored[index, :, *tile.write] = result[0, :, *tile.core].to(restored.device)
                done += 1
                if progress:
                    progress(done, len(tiles) * len(pictures))
    finally:
        network.train(was_training)
    return _unfit_channels(restored, noisy)


def _restore_piece(network: Denoiser, scheme: Scheme, piece: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    def first_estimate(noisy: Tensor) -> Tensor:
        return scheme.restore(network, noisy, generator).float()

    def estimate_and_refine(noisy: Tensor) -> Tensor:
        estimate = first_estimate(noisy)
        if settings.refinement is None:
            return estimate
        return settings.refinement(
            lambda mixed: scheme.refine(network, mixed, generator), noisy, estimate, scheme.replacement, generator
        )

    piece = piece.contiguous(memory_format=torch.channels_last)
    return self_ensemble(estimate_and_refine, piece) if settings.ensemble else estimate_and_refine(piece)


def _halo(network: Denoiser, scheme: Scheme, settings: Settings) -> int:
    """How far beyond a pixel the whole chain looks: the first estimate, then one pass at full resolution on top of it."""
    if network.reach is None:
        return UNBOUNDED_HALO
    return scheme.reach(network.reach) + (network.reach if settings.refinement else 0)


def _fit_channels(noisy: Tensor, channels: int) -> Tensor:
    """(B, C, H, W) → (B', channels, H, W): repeat grey, or take the channels one by one."""
    if noisy.shape[1] == channels:
        return noisy
    if channels == 1:
        return noisy.reshape(-1, 1, *noisy.shape[-2:])  # (B·C, 1, H, W)
    if noisy.shape[1] == 1:
        return noisy.expand(-1, channels, -1, -1)
    return noisy.reshape(-1, 1, *noisy.shape[-2:]).expand(-1, channels, -1, -1)  # (B·C, channels, H, W)


def _unfit_channels(restored: Tensor, noisy: Tensor) -> Tensor:
    if restored.shape == noisy.shape:
        return restored
    if restored.shape[1] != 1:
        restored = restored.mean(1, keepdim=True)
    return restored.reshape(noisy.shape)  # (B, C, H, W)
