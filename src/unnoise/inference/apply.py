"""Applying a network to pictures in memory: channels, and one picture after the other through the whole chain in tiles."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser
from unnoise.inference.bands import Progress, restore_bands
from unnoise.inference.chain import Chain
from unnoise.inference.settings import InferenceSettings
from unnoise.photometry.transfer_function import shown
from unnoise.regions import RegionSource
from unnoise.schemes.base import Scheme

__all__ = ["InferenceSettings", "Progress", "fit_channels", "restore", "unfit_channels"]


def restore(
    network: Denoiser, scheme: Scheme, noisy: Tensor, settings: InferenceSettings, progress: Progress | None = None
) -> Tensor:
    """Restore pictures with a trained network.

    Args:
        network: in its own value range, on any device.
        scheme: the one it was trained by.
        noisy: (B, C, H, W), values in 0..1, on any device; the pictures run one after the other.
        settings: see `InferenceSettings`; `InferenceSettings.of_picture` has been asked.
        progress: called after each tile.

    Returns:
        (B, C, H, W) float32 in about 0..1, not clipped, on the device of `noisy`.

    A network of three channels gets a grey picture three times and its outputs are averaged; a network of one channel, and pictures
    with any other number, go channel by channel.
    """
    pictures = fit_channels(noisy, network.sizes.get("channels", 3))
    restored = torch.empty_like(pictures, dtype=torch.float32, memory_format=torch.contiguous_format)
    views = [shown(RegionSource.of(picture[None]), settings.normalization) for picture in pictures]
    for rows, band in restore_bands(Chain(network, scheme, settings), views, progress):
        restored[:, :, rows] = band.to(restored.device)
    return unfit_channels(restored, noisy.shape)


def fit_channels(noisy: Tensor, channels: int) -> Tensor:
    """(B, C, H, W) → (B', channels, H, W): repeat grey, or take the channels one by one."""
    if noisy.shape[1] == channels:
        return noisy
    if channels == 1:
        return noisy.reshape(-1, 1, *noisy.shape[-2:])  # (B·C, 1, H, W)
    if noisy.shape[1] == 1:
        return noisy.expand(-1, channels, -1, -1)
    return noisy.reshape(-1, 1, *noisy.shape[-2:]).expand(-1, channels, -1, -1)  # (B·C, channels, H, W)


def unfit_channels(restored: Tensor, shape: torch.Size) -> Tensor:
    """What `fit_channels` made of (B, C, H, W) = `shape` back to it: the repeated channels are averaged."""
    if restored.shape == shape:
        return restored
    if restored.shape[1] != 1:
        restored = restored.mean(1, keepdim=True)
    return restored.reshape(shape)  # (B, C, H, W)
