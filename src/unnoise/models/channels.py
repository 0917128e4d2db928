"""A network's weights for another number of channels: a color model begins a training on grey pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from unnoise.denoisers.base import Denoiser

TOLERANCE = 1e-4
"""Largest difference of both networks on grey pictures, relative to the range of values."""
CHECK_PIXELS = 32
"""Side of the picture on which both are compared."""


def weights_for(network: Denoiser, start: Denoiser) -> dict[str, Tensor] | None:
    """The weights of `start` in the shapes of `network`, which may differ in the number of channels alone.

    Where an input channel is one of several equal ones, a convolution sees the sum of its weights for them. Outputs are
    averaged or repeated. So both networks agree on grey pictures, which is checked.

    Args:
        network: is not changed.
        start: of the same kind.

    Returns:
        Weights that `network.load_state_dict` takes. None: the networks differ in more than channels.

    >>> from unnoise import denoisers
    >>> sizes = {"features": 4, "groups": 1, "blocks": 1}
    >>> grey, color = (denoisers.create("tmbsn", channels=count, **sizes) for count in (1, 3))
    >>> weights_for(grey, color)["unet.conv1.weight"].shape
    torch.Size([4, 1, 3, 3])
    """
    wanted, given = network.state_dict(), start.state_dict()
    if type(network) is not type(start) or wanted.keys() != given.keys():
        return None
    if all(wanted[key].shape == value.shape for key, value in given.items()):
        return given
    new, old = (model.sizes.get("channels") for model in (network, start))
    if new is None or old is None or new == old:
        return None
    weights = {key: _fitted(value, wanted[key].shape, old, new) for key, value in given.items()}
    fitting = {key: value for key, value in weights.items() if value is not None}
    return fitting if len(fitting) == len(weights) and _agree(network, start, fitting) else None


def _fitted(value: Tensor, shape: torch.Size, old: int, new: int) -> Tensor | None:
    """One tensor in another shape. None: its sides differ by more than the number of channels."""
    if value.dim() != len(shape):
        return None
    for axis, (own, wanted) in enumerate(zip(value.shape, shape, strict=True)):
        if own == wanted:
            continue
        if axis > 1 or (own, wanted) != (old, new):
            return None
        pooled = value.mean(axis, keepdim=True) if axis == 0 else value.sum(axis, keepdim=True) / new
        value = pooled.repeat_interleave(new, axis)
    return value


def _agree(network: Denoiser, start: Denoiser, weights: dict[str, Tensor]) -> bool:
    """Whether both give the same for a grey picture."""
    before = {key: value.clone() for key, value in network.state_dict().items()}
    low, high = network.value_range
    picture = low + (high - low) * torch.rand(1, 1, CHECK_PIXELS, CHECK_PIXELS, generator=torch.Generator().manual_seed(0))
    was_training = network.training, start.training
    try:
        network.load_state_dict(weights)
        with torch.no_grad():
            one, other = (
                model.eval()(picture.expand(-1, model.sizes["channels"], -1, -1).contiguous()).mean(1)
                for model in (network, start)
            )
    finally:
        network.load_state_dict(before)
        network.train(was_training[0])
        start.train(was_training[1])
    return bool((one - other).abs().max() <= TOLERANCE * (high - low))
